//! Owns: whether the far side is being decoded: on with a decoded unit, off after 2 s without one (Q2).
//! Never: asks a clock; time is an argument, `CLOCK_BOOTTIME` nanoseconds.
//! Called by: run.

/// Far media counts as stopped after this long without a decoded unit.
pub const LIMIT_NS: u64 = 2_000_000_000;

/// A change of [`Watchdog`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Decoding since.
    On {
        /// When the unit was decoded.
        at_ns: u64,
    },
    /// Stopped.
    Off {
        /// When the last unit was decoded.
        at_ns: u64,
    },
}

/// See the module.
#[derive(Debug, Default)]
pub struct Watchdog {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Off,
    On {
        last_ns: u64,
    },
}

impl Watchdog {
    /// `last_ns`: when the last unit was decoded, `None` when none was yet.
    pub fn look(&mut self, now_ns: u64, last_ns: Option<u64>) -> Option<Turn> {
        let last_ns = last_ns?;
        let fresh = now_ns.saturating_sub(last_ns) < LIMIT_NS;
        match (&self.state, fresh) {
            (State::Off, true) => {
                self.state = State::On { last_ns };
                Some(Turn::On { at_ns: last_ns })
            }
            (State::On { .. }, true) => {
                self.state = State::On { last_ns };
                None
            }
            (State::On { last_ns: before }, false) => {
                let at_ns = last_ns.max(*before);
                self.state = State::Off;
                Some(Turn::Off { at_ns })
            }
            (State::Off, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn on_at_the_first_unit_off_after_two_seconds_and_on_again() {
        let mut w = Watchdog::default();
        assert_eq!(w.look(10 * S, None), None);
        assert_eq!(w.look(11 * S, Some(11 * S - 5)), Some(Turn::On { at_ns: 11 * S - 5 }));
        assert_eq!(w.look(12 * S, Some(12 * S)), None);
        assert_eq!(w.look(14 * S - 1, Some(12 * S)), None);
        assert_eq!(w.look(14 * S, Some(12 * S)), Some(Turn::Off { at_ns: 12 * S }));
        assert_eq!(w.look(20 * S, Some(12 * S)), None);
        assert_eq!(w.look(21 * S, Some(21 * S)), Some(Turn::On { at_ns: 21 * S }));
    }

    #[test]
    fn a_look_after_a_suspend_is_off_not_on() {
        let mut w = Watchdog::default();
        assert_eq!(w.look(100 * S, Some(10 * S)), None);
    }
}
