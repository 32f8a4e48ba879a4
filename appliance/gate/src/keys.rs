//! Owns: the serial of every key motion, and which serials are an OK press that can still be consent.
//! Never: routes a key (the arbiter does) or reads a device.
//! Called by: run.

use parloir_wire::keys::{Key, KeyPress, Motion};

/// How long an OK press can be consent to `Prepare`, nanoseconds. The arbiter's own limit, one second, is inside it.
pub const FRESH_NS: u64 = 2_000_000_000;

/// Serials since gate started.
#[derive(Debug, Default)]
pub struct Keys {
    last: u64,
    fresh: Vec<(u64, u64)>,
}

impl Keys {
    /// Gives a motion its serial and remembers it if it is consent: OK, pressed; a repeat or a release is not.
    pub fn stamp(&mut self, (key, motion): (Key, Motion), now: u64) -> KeyPress {
        self.last += 1;
        self.fresh.retain(|(_, at)| now.saturating_sub(*at) <= FRESH_NS);
        if (key, motion) == (Key::Ok, Motion::Down) {
            self.fresh.push((self.last, now));
        }
        KeyPress { serial: self.last, key, motion, at_ns: now }
    }

    /// Uses the press with this serial up and says when it was; `None` if it is no OK press, too old, or used before.
    pub fn take(&mut self, serial: u64, now: u64) -> Option<u64> {
        let at = self.fresh.iter().position(|(s, at)| *s == serial && now.saturating_sub(*at) <= FRESH_NS)?;
        Some(self.fresh.swap_remove(at).1)
    }
}
