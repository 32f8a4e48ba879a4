//! Owns: the one clock that durations run on.
//! Never: wall time (a facility-signed statement is the only source of that).
//! Called by: every binary; core gets its answers as arguments.
#![forbid(unsafe_code)]

use nix::time::{ClockId, clock_gettime};

/// `CLOCK_BOOTTIME`: monotonic and counting through suspend, the same for all processes of the box.
#[derive(Clone, Copy, Debug)]
pub struct BootTime;

impl BootTime {
    /// Nanoseconds since boot.
    #[must_use]
    pub fn now_ns() -> u64 {
        // clock_gettime fails only for a clock that the kernel does not know, and every kernel since 2.6.39 knows this one. Zero
        // would shorten every lease to nothing, which is the safe side.
        clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |t| {
            let seconds = u64::try_from(t.tv_sec()).unwrap_or(0);
            seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(t.tv_nsec()).unwrap_or(0))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::BootTime;

    #[test]
    fn grows_and_is_not_zero() {
        let a = BootTime::now_ns();
        std::thread::sleep(std::time::Duration::from_millis(2));
        let b = BootTime::now_ns();
        assert!(a > 0 && b >= a + 2_000_000, "{a} then {b}");
    }
}
