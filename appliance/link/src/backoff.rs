//! Owns: when the broker is tried again, and for how long one try may take.
//! Never: sleeps, or asks a clock.
//! Called by: [`crate::broker`], [`crate::poller`].

use std::time::Duration;

/// From one try to the next. Constant: what grows would miss the network's return by its own length, and a visit's media must recover
/// within 5 s of it (requirement Q5). A try that nobody answers is one packet.
pub const EVERY: Duration = Duration::from_secs(1);
/// The same after [`PATIENT`] failures outside of a visit.
pub const LATER: Duration = Duration::from_secs(5);
/// Failures in a row until then: about a minute and a half.
pub const PATIENT: u32 = 60;
/// At least this long from the end of one try to the next, also when the try took its time.
pub const LEAST: Duration = Duration::from_millis(250);
/// Longest wait for the answer to a SYN. The kernel sends the next ones after 1, 3 and 7 s (RFC 6298): a new socket sends one at once.
pub const SYN: Duration = Duration::from_millis(1300);
/// The same at every fourth try, for lines whose round trip is longer than [`SYN`].
pub const SYN_PATIENT: Duration = Duration::from_secs(4);

/// Counts failures in a row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The delay after one more failure of a try that `took` so long. `spread` (any value) takes off up to a quarter, so that the boxes of
    /// a house that lost its power do not all come back in one instant.
    pub fn next(&mut self, in_visit: bool, took: Duration, spread: u8) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let every = if in_visit || self.failures <= PATIENT { EVERY } else { LATER };
        let spread = every.mul_f64(f64::from(spread) / 1020.0);
        (every - spread).saturating_sub(took).max(LEAST)
    }
    /// It worked.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

/// How long the `n`th try may wait for the answer to its SYN.
#[must_use]
pub const fn syn(n: u32) -> Duration {
    if n % 4 == 3 { SYN_PATIENT } else { SYN }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, EVERY, LATER, LEAST, PATIENT, SYN, SYN_PATIENT, syn};
    use std::time::Duration;

    #[test]
    fn stays_at_a_second_and_grows_only_after_many_failures_outside_of_a_visit() {
        let mut b = Backoff::default();
        let at_once = Duration::ZERO;
        (0..PATIENT).for_each(|_| assert_eq!(b.next(false, at_once, 0), EVERY));
        assert_eq!(b.next(false, at_once, 0), LATER);
        assert_eq!(b.next(true, at_once, 0), EVERY, "a visit does not wait longer");
        assert_eq!(b.next(false, at_once, 255), LATER.mul_f64(0.75));
        b.reset();
        assert_eq!(b.next(false, at_once, 255), EVERY.mul_f64(0.75));
    }

    #[test]
    fn a_try_that_took_its_time_is_followed_soon() {
        let mut b = Backoff::default();
        assert_eq!(b.next(true, Duration::from_millis(600), 0), Duration::from_millis(400));
        assert_eq!(b.next(true, SYN, 0), LEAST);
        assert_eq!(b.next(true, Duration::from_secs(100), 255), LEAST);
    }

    #[test]
    fn every_fourth_try_waits_for_a_slow_line() {
        assert_eq!([0, 1, 2, 3, 4].map(syn), [SYN, SYN, SYN, SYN_PATIENT, SYN]);
    }
}
