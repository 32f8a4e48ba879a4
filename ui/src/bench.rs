//! Owns: the bench's keyboard as remote: raw window keys become input events at gate's bench door.
//! Never: gives a key to the screen itself; it comes back through gate and the arbiter like any other. Not part of an image.
//! Called by: main, with the feature `bench` and `--bench-remote PATH`.

use parloir_wire::keys::{self, Key, Motion};
use slint::platform::Key as WindowKey;
use std::collections::BTreeSet;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use tracing::warn;

/// The door, and which keys are down.
pub struct Keyboard {
    door: UnixDatagram,
    down: BTreeSet<Key>,
}

impl Keyboard {
    /// Connects to the door.
    ///
    /// # Errors
    /// Gate does not listen there (yet).
    pub fn new(path: &Path) -> std::io::Result<Self> {
        let door = UnixDatagram::unbound()?;
        door.connect(path)?;
        door.set_nonblocking(true)?;
        Ok(Self { door, down: BTreeSet::new() })
    }

    /// Forwards a window key; those that no remote has are dropped. The window repeats `pressed` while a key is held.
    pub fn forward(&mut self, text: &str, pressed: bool) {
        let Some(key) = from_window(text) else { return };
        let motion = match (pressed, self.down.contains(&key)) {
            (true, false) => Motion::Down,
            (true, true) => Motion::Repeat,
            (false, _) => Motion::Up,
        };
        if pressed {
            self.down.insert(key)
        } else {
            self.down.remove(&key)
        };
        if let Err(error) = self.door.send(&keys::to_event(key, motion)) {
            warn!(%error, "a key did not reach gate's bench door");
        }
    }
}

/// The keyboard's keys that stand for the remote's.
#[must_use]
pub fn from_window(text: &str) -> Option<Key> {
    const SPECIAL: &[(WindowKey, Key)] = &[
        (WindowKey::UpArrow, Key::Up),
        (WindowKey::DownArrow, Key::Down),
        (WindowKey::LeftArrow, Key::Left),
        (WindowKey::RightArrow, Key::Right),
        (WindowKey::Return, Key::Ok),
        (WindowKey::Escape, Key::Back),
        (WindowKey::Backspace, Key::Back),
        (WindowKey::Home, Key::Home),
        (WindowKey::F1, Key::Help),
    ];
    const DIGITS: [Key; 10] = [
        Key::Digit0,
        Key::Digit1,
        Key::Digit2,
        Key::Digit3,
        Key::Digit4,
        Key::Digit5,
        Key::Digit6,
        Key::Digit7,
        Key::Digit8,
        Key::Digit9,
    ];
    let mut letters = text.chars();
    let (Some(letter), None) = (letters.next(), letters.next()) else { return None };
    let special = SPECIAL.iter().find(|(window, _)| char::from(*window) == letter).map(|(_, key)| *key);
    special.or_else(|| match letter {
        '?' => Some(Key::Help),
        '+' => Some(Key::VolumeUp),
        '-' => Some(Key::VolumeDown),
        'm' => Some(Key::Mute),
        _ => letter.to_digit(10).and_then(|d| DIGITS.get(d as usize).copied()),
    })
}

#[cfg(test)]
mod tests {
    use super::from_window;
    use parloir_wire::keys::Key;

    #[test]
    fn keys_of_the_window() {
        assert_eq!(from_window("\n"), Some(Key::Ok));
        assert_eq!(from_window("\u{1b}"), Some(Key::Back));
        assert_eq!(from_window("7"), Some(Key::Digit7));
        assert_eq!(from_window("q"), None);
        assert_eq!(from_window("ab"), None);
    }
}
