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
    /// The session ends: `Off` at the last unit, if there was one within the limit.
    pub fn stop(&mut self) -> Option<Turn> {
        match core::mem::take(&mut self.state) {
            State::On { last_ns } => Some(Turn::Off { at_ns: last_ns }),
            State::Off => None,
        }
    }

    /// `last_ns`: when the last unit was decoded, `None` when none was yet.
    pub fn look(&mut self, now_ns: u64, last_ns: Option<u64>) -> Option<Turn> {
        let last_ns = last_ns?;
        let fresh = now_ns.saturating_sub(last_ns) < LIMIT_NS;
        match (&self.state, fresh) {
            (State::Off, true) => {
                self.state = State::On { last_ns };
                Some(Turn::On { at_ns: last_ns })
            }
            // Nobody looked while nothing came: this process was stopped, or the box slept.
            (State::On { last_ns: before }, true) if last_ns.saturating_sub(*before) >= LIMIT_NS => {
                let at_ns = *before;
                self.state = State::Off;
                Some(Turn::Off { at_ns })
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
    fn a_gap_that_nobody_saw_is_told_when_it_is_over() {
        let mut w = Watchdog::default();
        w.look(10 * S, Some(10 * S));
        assert_eq!(w.look(15 * S, Some(15 * S)), Some(Turn::Off { at_ns: 10 * S }));
        assert_eq!(w.look(15 * S + 5, Some(15 * S + 3)), Some(Turn::On { at_ns: 15 * S + 3 }));
        assert_eq!(w.stop(), Some(Turn::Off { at_ns: 15 * S + 3 }));
        assert_eq!((w.stop(), w.look(16 * S, None)), (None, None));
    }

    #[test]
    fn a_look_after_a_suspend_is_off_not_on() {
        let mut w = Watchdog::default();
        assert_eq!(w.look(100 * S, Some(10 * S)), None);
    }
}
