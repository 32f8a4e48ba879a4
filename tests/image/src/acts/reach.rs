//! Owns: tries to reach somebody: datagrams, connections, raw sockets; sockets of the box's other processes.
//! Never: says anything that the other end would take for more than noise.
//! Called by: acts.

use std::io;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use serde_json::{Value, json};

use super::{said, word};

/// What every datagram of a try says: a capture is searched for it.
pub const MARK: &[u8] = b"parloir-attack";
/// How long a connection or an answer is waited for.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Tries each target: `udp:ADDRESS:PORT`, `tcp:ADDRESS:PORT`, `raw`, `packet`, `resolve:NAME`.
pub fn all(targets: &[&str]) -> Value {
    json!(targets.iter().map(|target| json!({ "target": target, "came": one(target) })).collect::<Vec<_>>())
}

fn one(target: &str) -> String {
    let (kind, rest) = target.split_once(':').unwrap_or((target, ""));
    match kind {
        "udp" => rest.parse().map_or_else(|_| "no address".to_owned(), datagram),
        "tcp" => rest.parse().map_or_else(|_| "no address".to_owned(), |to| word(TcpStream::connect_timeout(&to, PATIENCE))),
        "raw" => word(raw(AddressFamily::Inet, SockType::Raw)),
        "packet" => word(raw(AddressFamily::Packet, SockType::Raw)),
        "resolve" => word(std::net::ToSocketAddrs::to_socket_addrs(&(rest, 80)).map(|_| ())),
        _ => "no such kind of target".to_owned(),
    }
}

/// `answered`, `sent`, or the kernel's no. Three, for the first may only wake the neighbour cache.
fn datagram(to: SocketAddr) -> String {
    let from: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { (std::net::Ipv6Addr::UNSPECIFIED, 0).into() };
    let sent = || -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind(from)?;
        for _ in 0..3 {
            socket.send_to(&[MARK, &binding_request()].concat()[..], to)?;
            // RFC 8489: what a relay answers to anybody.
            socket.send_to(&binding_request(), to)?;
        }
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(socket)
    };
    match sent() {
        Err(why) => said(&why),
        Ok(socket) => match socket.recv(&mut [0; 512]) {
            Ok(_) => "answered".to_owned(),
            Err(why) if matches!(why.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => "sent".to_owned(),
            Err(why) => said(&why),
        },
    }
}

/// A STUN binding request without attributes (RFC 8489, section 5).
fn binding_request() -> [u8; 20] {
    let mut bytes = [0x50; 20];
    bytes[..8].copy_from_slice(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
    bytes
}

fn raw(family: AddressFamily, kind: SockType) -> io::Result<()> {
    let protocol = (family == AddressFamily::Inet).then_some(SockProtocol::Icmp);
    Ok(socket(family, kind, SockFlag::SOCK_CLOEXEC, protocol).map(|_| ())?)
}

/// Connects to each path: to a seqpacket or a stream socket; `done` if the other end neither refuses nor hangs up at once.
pub fn connect_all(paths: &[&str]) -> Value {
    json!(paths.iter().map(|path| json!({ "path": path, "came": connect(Path::new(path)) })).collect::<Vec<_>>())
}

fn connect(path: &Path) -> String {
    let seqpacket = parloir_shell::fds::connect_to(path);
    let end = match seqpacket {
        Ok(end) => end,
        // EPROTOTYPE: it listens for streams.
        Err(why) if why.raw_os_error() == Some(nix::libc::EPROTOTYPE) => match std::os::unix::net::UnixStream::connect(path) {
            Ok(stream) => stream.into(),
            Err(why) => return said(&why),
        },
        Err(why) => return said(&why),
    };
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let mut polled = [PollFd::new(end.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut polled, PollTimeout::from(100u8));
        if polled[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP)) {
            return "hung up".to_owned();
        }
    }
    "done".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_is_reached_and_who_does_not_is_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let open = listener.local_addr().expect("its address");
        assert_eq!(one(&format!("tcp:{open}")), "done");
        drop(listener);
        assert_eq!(one(&format!("tcp:{open}")), "ECONNREFUSED");
        let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
        assert_eq!(one(&format!("udp:{}", silent.local_addr().expect("its address"))), "sent");
    }
}
