//! Owns: how long to wait before the next try to reach the broker.
//! Never: sleeps, or asks a clock.
//! Called by: [`crate::broker`].

use std::time::Duration;

/// First delay.
pub const FIRST: Duration = Duration::from_millis(250);
/// Longest delay while a visit's signalling is wanted: media must recover within 5 s of the network's return (requirement Q5).
pub const LONGEST_IN_VISIT: Duration = Duration::from_secs(2);
/// Longest delay otherwise.
pub const LONGEST: Duration = Duration::from_secs(30);

/// Doubles from [`FIRST`], within a bound that the moment sets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The delay after one more failure. `spread` (any value) takes off up to a quarter, so that the boxes of a house that lost its
    /// power do not all come back in one instant.
    pub fn next(&mut self, in_visit: bool, spread: u8) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let bounded = doubled.min(if in_visit { LONGEST_IN_VISIT } else { LONGEST });
        bounded - bounded.mul_f64(f64::from(spread) / 1020.0)
    }
    /// It worked.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, LONGEST, LONGEST_IN_VISIT};
    use std::time::Duration;

    #[test]
    fn grows_to_its_bound_and_starts_again() {
        let mut b = Backoff::default();
        let ms: Vec<u128> = (0..10).map(|_| b.next(false, 0).as_millis()).collect();
        assert_eq!(ms, [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
        assert_eq!(b.next(true, 0), LONGEST_IN_VISIT);
        (0..100).for_each(|_| assert!(b.next(false, 255) <= LONGEST));
        assert_eq!(b.next(false, 255), LONGEST.mul_f64(0.75));
        b.reset();
        assert_eq!(b.next(false, 0), Duration::from_millis(250));
    }
}
