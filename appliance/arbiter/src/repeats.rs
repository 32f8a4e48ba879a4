//! Owns: how often the same refusal is written down when it concerns no call: once a minute, with a count of those between.
//! Never: leaves out a refusal of a call, or the first of its code.
//! Called by: effects.

use parloir_core::Code;
use std::collections::BTreeMap;

/// A second refusal of one code within this time is counted, not written.
const QUIET_NS: u64 = 60_000_000_000;

/// Refusals by code. A screen or courier that was taken over can ask a thousand times a second; it must not fill the disk by it.
#[derive(Debug, Default)]
pub struct Repeats {
    seen: BTreeMap<Code, (u64, u64)>,
}

impl Repeats {
    /// Whether to write this one down: `Some` with the number of those that were not since the last, or `None` to count it only.
    pub fn write(&mut self, code: Code, now_ns: u64) -> Option<u64> {
        match self.seen.get_mut(&code) {
            Some((at, left_out)) if now_ns.saturating_sub(*at) < QUIET_NS => {
                *left_out += 1;
                None
            }
            _ => Some(self.seen.insert(code, (now_ns, 0)).map_or(0, |(_, left_out)| left_out)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{QUIET_NS, Repeats};
    use parloir_core::Code;

    #[test]
    fn the_first_of_each_code_is_written_and_the_rest_counted() {
        let mut repeats = Repeats::default();
        assert_eq!(repeats.write(Code::NoFreshKey, 5), Some(0));
        assert_eq!(repeats.write(Code::NoFreshKey, 6), None);
        assert_eq!(repeats.write(Code::NoContact, 6), Some(0));
        assert_eq!(repeats.write(Code::NoFreshKey, 4 + QUIET_NS), None);
        assert_eq!(repeats.write(Code::NoFreshKey, 5 + QUIET_NS), Some(2));
        assert_eq!(repeats.write(Code::NoFreshKey, 6 + QUIET_NS), None);
    }
}
