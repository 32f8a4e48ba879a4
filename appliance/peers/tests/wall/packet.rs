//! Owns: IPv4 packets as bytes, as far as the tests read and write them (RFC 791, 792, 768, 9293).
//! Never: a socket.
//! Called by: the tests beside it.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

pub const ICMP: u8 = 1;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;

/// A packet that was seen on the wire.
#[derive(Clone, PartialEq, Eq)]
pub struct Seen {
    pub bytes: Vec<u8>,
}

impl Seen {
    pub fn version(&self) -> u8 {
        self.bytes[0] >> 4
    }

    pub fn protocol(&self) -> u8 {
        self.bytes[if self.version() == 4 { 9 } else { 6 }]
    }

    fn header(&self) -> usize {
        usize::from(self.bytes[0] & 15) * 4
    }

    fn number(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    pub fn from(&self) -> SocketAddrV4 {
        SocketAddrV4::new(address(&self.bytes[12..16]), self.number(self.header()))
    }

    pub fn to(&self) -> SocketAddrV4 {
        SocketAddrV4::new(address(&self.bytes[16..20]), self.number(self.header() + 2))
    }

    /// What a datagram carries.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[self.header() + 8..]
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.version(), self.protocol()) {
            (4, protocol @ (TCP | UDP)) => write!(f, "protocol {protocol} from {} to {}", self.from(), self.to()),
            (4, protocol) => write!(f, "protocol {protocol} to {}", address(&self.bytes[16..20])),
            (version, protocol) => write!(f, "IPv{version}, protocol {protocol}"),
        }
    }
}

fn address(bytes: &[u8]) -> Ipv4Addr {
    Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3])
}

/// An IPv4 packet around `body`.
pub fn ip(protocol: u8, from: Ipv4Addr, to: Ipv4Addr, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + body.len()).unwrap().to_be_bytes();
    let mut bytes = vec![0x45, 0, length[0], length[1], 0, 1, 0, 0, 64, protocol, 0, 0];
    bytes.extend(from.octets());
    bytes.extend(to.octets());
    let sum = checksum(&bytes).to_be_bytes();
    bytes[10..12].copy_from_slice(&sum);
    bytes.extend(body);
    bytes
}

/// A datagram. Its checksum is left out, as IPv4 allows.
pub fn udp(from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
    let mut body = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    body.extend(u16::try_from(8 + payload.len()).unwrap().to_be_bytes());
    body.extend([0, 0]);
    body.extend(payload);
    ip(UDP, *from.ip(), *to.ip(), &body)
}

/// A segment without data: `flags` 2 asks for a connection, 18 accepts one.
pub fn tcp(from: SocketAddrV4, to: SocketAddrV4, numbers: (u32, u32), flags: u8) -> Vec<u8> {
    let mut body = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    body.extend(numbers.0.to_be_bytes());
    body.extend(numbers.1.to_be_bytes());
    body.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    let mut pseudo = [from.ip().octets(), to.ip().octets()].concat();
    pseudo.extend([0, TCP, 0, 20]);
    pseudo.extend(&body);
    let sum = checksum(&pseudo).to_be_bytes();
    body[16..18].copy_from_slice(&sum);
    ip(TCP, *from.ip(), *to.ip(), &body)
}

/// An ICMP message; `about` is the beginning of the packet that it complains of.
pub fn icmp(from: Ipv4Addr, to: Ipv4Addr, kind: u8, code: u8, number: u16, about: &[u8]) -> Vec<u8> {
    let mut body = vec![kind, code, 0, 0, 0, 0];
    body.extend(number.to_be_bytes());
    body.extend(about);
    let sum = checksum(&body).to_be_bytes();
    body[2..4].copy_from_slice(&sum);
    ip(ICMP, from, to, &body)
}

fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}
