//! Owns: what went over the wire of a machine: a capture of QEMU's (pcap) taken apart into who spoke to whom.
//! Never: the contents.
//! Called by: the courses of attacks.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Who spoke to whom, as far as a rule of a packet filter can tell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Talk {
    /// `arp`, `ipv6`, `tcp`, `udp`, `icmp`, `ip N`, `ether 0xN`.
    pub kind: String,
    /// From.
    pub from: String,
    /// To.
    pub to: String,
    /// Port of the other end; 0 without one.
    pub port: u16,
}

/// Packets that the box sent, each pair once with how many; `own` is the box's address on the wire of slirp.
pub fn sent(pcap: &[u8], own: Ipv4Addr) -> BTreeMap<Talk, u32> {
    let mut talks = BTreeMap::new();
    for packet in packets(pcap) {
        if let Some(talk) = of(packet)
            && (talk.from == own.to_string() || talk.from == Ipv4Addr::UNSPECIFIED.to_string() || talk.kind == "ipv6")
        {
            *talks.entry(talk).or_insert(0) += 1;
        }
    }
    talks
}

/// Packets of a pcap file in this machine's byte order (QEMU writes it so): 24 bytes of header, then 16 bytes before each packet.
fn packets(pcap: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut rest = pcap.get(24..).unwrap_or_default();
    while let Some(length) = rest.get(8..12).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes) {
        let Some(packet) = rest.get(16..16 + length as usize) else { break };
        found.push(packet);
        rest = &rest[16 + length as usize..];
    }
    found
}

/// Ethernet, then ARP, IPv4 with its ports, or a name for the rest.
fn of(packet: &[u8]) -> Option<Talk> {
    let kind = u16::from_be_bytes(packet.get(12..14)?.try_into().ok()?);
    let inner = packet.get(14..)?;
    let talk = |kind: &str, from: String, to: String, port| Some(Talk { kind: kind.to_owned(), from, to, port });
    match kind {
        0x0800 => {
            let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(inner.get(at..at + 4)?).ok()?).to_string());
            let (from, to, header) = (address(12)?, address(16)?, usize::from(inner.first()? & 0x0f) * 4);
            let port = u16::from_be_bytes(inner.get(header + 2..header + 4)?.try_into().ok()?);
            match inner.get(9)? {
                6 => talk("tcp", from, to, port),
                17 => talk("udp", from, to, port),
                1 => talk("icmp", from, to, 0),
                other => talk(&format!("ip {other}"), from, to, 0),
            }
        }
        0x0806 => {
            let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(inner.get(at..at + 4)?).ok()?).to_string());
            talk("arp", address(14)?, address(24)?, 0)
        }
        0x86dd => talk("ipv6", String::new(), String::new(), 0),
        other => talk(&format!("ether {other:#x}"), String::new(), String::new(), 0),
    }
}

#[test]
fn a_capture_is_taken_apart() {
    let mut packet = vec![0; 12];
    packet.extend([
        0x08, 0x00, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 2, 15, 10, 77, 0, 1, 0x30, 0x39, 0x0d, 0x96, 0, 8, 0, 0,
    ]);
    let mut file = vec![0; 24];
    for _ in 0..2 {
        file.extend([0; 8]);
        file.extend((packet.len() as u32).to_ne_bytes());
        file.extend((packet.len() as u32).to_ne_bytes());
        file.extend(&packet);
    }
    let talks = sent(&file, Ipv4Addr::new(10, 0, 2, 15));
    let talk = Talk { kind: "udp".to_owned(), from: "10.0.2.15".to_owned(), to: "10.77.0.1".to_owned(), port: 3478 };
    assert_eq!(talks, BTreeMap::from([(talk, 2)]));
    assert!(sent(&file, Ipv4Addr::new(10, 0, 2, 16)).is_empty(), "what came to the box does not count");
}
