//! Owns: the service notification protocol (systemd's `sd_notify(3)`), one datagram per state.
//! Never: starts a thread: the main loop pets the watchdog, so that a hang of the loop is seen.
//! Called by: every service's main loop.
#![forbid(unsafe_code)]

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service is ready; nothing happens outside a service manager.
pub fn ready() {
    tell("READY=1");
}

/// The service is going.
pub fn stopping() {
    tell("STOPPING=1");
}

/// The loop lives.
pub fn watchdog() {
    tell("WATCHDOG=1");
}

/// One line for `systemctl status`.
pub fn status(line: &str) {
    tell(&format!("STATUS={}", line.replace('\n', " ")));
}

/// How often [`watchdog`] is due: half of `WATCHDOG_USEC`, if it is meant for this process (`WATCHDOG_PID`).
#[must_use]
pub fn watchdog_every() -> Option<Duration> {
    let usec = std::env::var("WATCHDOG_USEC").ok()?;
    let pid = std::env::var("WATCHDOG_PID").ok();
    every(&usec, pid.as_deref(), std::process::id())
}

fn every(usec: &str, pid: Option<&str>, own: u32) -> Option<Duration> {
    if pid.is_some_and(|p| p.parse() != Ok(own)) {
        return None;
    }
    let usec: u64 = usec.parse().ok()?;
    (usec > 0).then(|| Duration::from_micros(usec / 2))
}

fn tell(state: &str) {
    let Ok(path) = std::env::var("NOTIFY_SOCKET") else { return };
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&path),
    };
    // A lost notification is the service manager's to miss; it restarts what does not pet its watchdog. One that does not read must not
    // stop us.
    if let (Ok(address), Ok(socket)) = (address, UnixDatagram::unbound())
        && socket.set_nonblocking(true).is_ok()
    {
        let _ = socket.send_to_addr(state.as_bytes(), &address);
    }
}

#[cfg(test)]
mod tests {
    use super::every;
    use std::time::Duration;

    #[test]
    fn watchdog_is_half_the_limit_and_only_for_the_named_process() {
        assert_eq!(every("2000000", None, 7), Some(Duration::from_secs(1)));
        assert_eq!(every("2000000", Some("7"), 7), Some(Duration::from_secs(1)));
        assert_eq!(every("2000000", Some("8"), 7), None);
        assert_eq!(every("2000000", Some("x"), 7), None);
        assert_eq!(every("0", None, 7), None);
        assert_eq!(every("soon", None, 7), None);
    }
}
