//! Owns: how much of anything may come in a time: one bucket that fills again.
//! Never: a clock.
//! Called by: [`crate::desk`], [`crate::office`], [`crate::web`].

/// So much at once, and so much a second.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    burst: u32,
    per_s: f64,
    left: f64,
    at_ms: u64,
}

impl Allowance {
    /// Full at the start.
    #[must_use]
    pub fn new(burst: u32, per_s: f64) -> Self {
        Self { burst, per_s, left: f64::from(burst), at_ms: 0 }
    }
    /// Takes one; false when there is none. `now_ms` is monotonic.
    pub fn take(&mut self, now_ms: u64) -> bool {
        #[allow(clippy::cast_precision_loss, reason = "a time between two messages")]
        let passed_s = now_ms.saturating_sub(self.at_ms) as f64 / 1000.0;
        self.left = (self.left + passed_s * self.per_s).min(f64::from(self.burst));
        self.at_ms = self.at_ms.max(now_ms);
        let has = self.left >= 1.0;
        if has {
            self.left -= 1.0;
        }
        has
    }
}

#[cfg(test)]
mod tests {
    use super::Allowance;

    #[test]
    fn a_burst_then_a_trickle_and_no_clock_that_goes_back_fills_it() {
        let mut a = Allowance::new(3, 2.0);
        assert_eq!([1000, 1000, 1000, 1000].map(|t| a.take(t)), [true, true, true, false]);
        assert_eq!([1400, 1500, 1600, 0, 1900].map(|t| a.take(t)), [false, true, false, false, false]);
        assert_eq!([90_000, 90_000, 90_000, 90_000].map(|t| a.take(t)), [true, true, true, false]);
    }
}
