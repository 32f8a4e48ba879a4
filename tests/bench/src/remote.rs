//! Owns: pressing keys as a remote would: Linux input events at gate's bench door.
//! Never: talks to anything but that door.
//! Called by: demo, `scripts/remote`.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::thread;
use std::time::Duration;

use parloir_wire::keys::{EVENT, Key, Motion, to_event};

/// How long a pressed key stays down.
const HELD: Duration = Duration::from_millis(60);

/// Presses and releases a key.
///
/// # Errors
/// Nobody listens at `door`.
pub fn press(door: &Path, key: Key) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.send_to(&to_event(key, Motion::Down), door)?;
    thread::sleep(HELD);
    socket.send_to(&to_event(key, Motion::Up), door)?;
    Ok(())
}

/// The key of that name (`ok`, `back`, `up`, `7`).
///
/// # Errors
/// The name of no key; the message lists them.
pub fn named(name: &str) -> Result<Key, String> {
    Key::ALL.iter().copied().find(|key| key.label() == name).ok_or_else(|| {
        let all: Vec<&str> = Key::ALL.iter().map(|key| key.label()).collect();
        format!("{name} is no key of the remote; there are {}", all.join(" "))
    })
}

/// Passes every event that arrives at `outer` on to gate's door at `inner`: the outside of the namespaces cannot reach that one.
///
/// # Errors
/// `outer` cannot be bound.
pub fn forward(outer: &Path, inner: &Path) -> io::Result<()> {
    let _ = std::fs::remove_file(outer);
    let socket = UnixDatagram::bind(outer)?;
    let inner = inner.to_owned();
    thread::spawn(move || {
        let mut bytes = [0; EVENT + 1];
        while let Ok(n) = socket.recv(&mut bytes) {
            // Gate restarting is no reason to stop; the key is lost, as with a real remote.
            if n == EVENT {
                let _ = UnixDatagram::unbound().and_then(|s| s.send_to(&bytes[..n], &inner));
            }
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_passes_the_forwarder_pressed_and_released() {
        let dir = std::env::temp_dir().join(format!("parloir-remote-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("temp dir");
        let gate = UnixDatagram::bind(dir.join("gate")).expect("gate's door");
        gate.set_read_timeout(Some(Duration::from_secs(5))).expect("timeout");
        forward(&dir.join("outer"), &dir.join("gate")).expect("forwarder");
        press(&dir.join("outer"), named("back").expect("a key")).expect("press");
        for motion in [Motion::Down, Motion::Up] {
            let mut bytes = [0; 64];
            assert_eq!(gate.recv(&mut bytes).expect("event"), EVENT);
            assert_eq!(bytes[..EVENT], to_event(Key::Back, motion));
        }
        assert!(named("power").is_err());
        std::fs::remove_dir_all(dir).expect("clean up");
    }
}
