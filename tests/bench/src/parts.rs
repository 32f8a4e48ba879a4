//! Owns: the parts of the bench that are not on the box: bus daemon, broker, relay, their configuration, free ports.
//! Never: settings that the box's own files have; those are taken from `systemd/`.
//! Called by: stage.

use std::collections::BTreeMap;
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::cells::fill_text;

/// How long a part may take until it listens.
const PATIENCE: Duration = Duration::from_secs(20);

/// A port that nobody uses now, for TCP and UDP, on loopback.
///
/// # Errors
/// None is free.
pub fn free_port() -> io::Result<u16> {
    for _ in 0..100 {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other("no port is free for both TCP and UDP"))
}

/// First of `count` UDP ports in a row that nobody uses now, for the relay's own allocations.
///
/// # Errors
/// None found.
pub fn free_row(count: u16) -> io::Result<u16> {
    let seed = std::process::id() % 97;
    (0..400)
        .map(|step| (seed * 100 + step * u32::from(count)) % (12_000 - u32::from(count)))
        .map(|offset| 20_000 + u16::try_from(offset).unwrap_or(0))
        .find(|first| (*first..first + count).all(|port| UdpSocket::bind(("127.0.0.1", port)).is_ok()))
        .ok_or_else(|| io::Error::other(format!("no {count} UDP ports in a row are free")))
}

/// Writes `template` with its placeholders filled to `to`.
///
/// # Errors
/// Unreadable, unwritable, or a placeholder that is unknown.
pub fn configure(template: &Path, to: &Path, values: &BTreeMap<String, String>) -> io::Result<()> {
    let text = std::fs::read_to_string(template).map_err(|why| io::Error::other(format!("{}: {why}", template.display())))?;
    let text = fill_text(&text, values).map_err(|why| io::Error::other(format!("{}: {why}", template.display())))?;
    std::fs::write(to, text)
}

/// Waits until something accepts on that TCP port.
///
/// # Errors
/// Nothing did in time.
pub fn wait_for_port(what: &str, port: u16) -> io::Result<()> {
    wait_for(what, || TcpStream::connect(("127.0.0.1", port)).is_ok())
}

/// Waits until `there` holds.
///
/// # Errors
/// It did not in time.
pub fn wait_for(what: &str, mut there: impl FnMut() -> bool) -> io::Result<()> {
    let limit = Instant::now() + PATIENCE;
    while Instant::now() < limit {
        if there() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(io::Error::other(format!("{what} did not start within {} s; its log tells why", PATIENCE.as_secs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_is_free_and_a_taken_one_is_seen() {
        let port = free_port().expect("a port");
        let held = TcpListener::bind(("127.0.0.1", port)).expect("it was free");
        wait_for_port("the listener", port).expect("it listens");
        drop(held);
        let first = free_row(10).expect("a row");
        assert!((first..first + 10).all(|p| UdpSocket::bind(("127.0.0.1", p)).is_ok()));
    }
}
