//! Owns: instants of a box, which has two clocks, as words.
//! Never: turns an instant of one boot into one of another.
//! Called by: explain, show.

use core::fmt;

use parloir_pass::Export;

/// An instant of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    /// Milliseconds since its boot.
    pub ms: u64,
    /// Unix seconds UTC; 0 unknown.
    pub wall: i64,
    /// Of an earlier boot than the export's.
    pub earlier: bool,
}

impl When {
    /// An instant since the boot, with the wall time that the box's trusted clock gives it.
    pub fn of_boot(now: &Export, ms: u64) -> Self {
        let ago = i64::try_from(now.at_ms.saturating_sub(ms) / 1000).unwrap_or(i64::MAX);
        Self { ms, wall: if now.wall == 0 { 0 } else { now.wall.saturating_sub(ago) }, earlier: false }
    }

    /// RFC 3339, or nothing where nobody knows.
    pub fn utc(self) -> Option<String> {
        (self.wall != 0).then(|| utc(self.wall))
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.utc() {
            Some(text) => f.write_str(&text),
            None => {
                let start = if self.earlier { "an earlier start of the box" } else { "the box began" };
                write!(f, "{}.{:03} s after {start}", self.ms / 1000, self.ms % 1000)
            }
        }
    }
}

/// Unix seconds as RFC 3339 in UTC; days to a date as in the proleptic Gregorian calendar (civil_from_days of H. Hinnant).
pub fn utc(unix: i64) -> String {
    let (days, second) = (unix.div_euclid(86_400), unix.rem_euclid(86_400));
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn seconds_become_dates() {
        for (unix, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_796_133_600, "2026-12-01T14:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(unix), text);
        }
    }
}
