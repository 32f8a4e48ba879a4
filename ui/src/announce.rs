//! Owns: the log of the screen: one line for each change of what it says, with phase, code and sentence, and never more than a bound.
//! Never: a name, words of a person or of staff.
//! Called by: screen.

use crate::shown::Screen;
use tracing::{info, warn};

/// Lines a minute; an arbiter that changes its mind faster fills no disk.
const LINES: u32 = 120;
const MINUTE_NS: u64 = 60_000_000_000;
/// The longest code there may be.
const LONGEST: usize = 40;

/// What was said last, and how often in this minute.
#[derive(Default)]
pub struct Announcer {
    last: Option<(Screen, String)>,
    minute: u64,
    lines: u32,
}

impl Announcer {
    /// Says what stands on the screen now, if that is new. `code` is empty where the screen has none.
    pub fn say(&mut self, screen: Screen, code: &str, now_ns: u64) {
        let code = printable(code);
        if self.is_news(screen, &code, now_ns) {
            let (phase, sentence) = (phase_name(screen), sentence(screen, &code));
            info!(phase, code, sentence, "screen");
        }
    }

    /// Says that a call is shown as end to end, with its short code: of no use to anybody after it. Digits only.
    pub fn say_code(&mut self, screen: Screen, code: &str, now_ns: u64) {
        let short_code: String = code.chars().filter(char::is_ascii_digit).take(LONGEST).collect();
        if self.is_news(screen, &short_code, now_ns) {
            info!(short_code, "end to end");
        }
    }

    /// Says that this process ends, because of what it may still hold of a private visit.
    pub fn say_spent(&self) {
        info!(spent = "private", "the screen begins anew: nothing of a private visit stays in it");
    }

    fn is_news(&mut self, screen: Screen, code: &str, now_ns: u64) -> bool {
        if self.last.as_ref().is_some_and(|(s, c)| *s == screen && c == code) {
            return false;
        }
        self.last = Some((screen, code.to_owned()));
        if now_ns / MINUTE_NS != self.minute {
            (self.minute, self.lines) = (now_ns / MINUTE_NS, 0);
        }
        self.lines = self.lines.saturating_add(1);
        if self.lines == LINES {
            warn!("the screen changes too often; no more of it in this minute");
        }
        self.lines < LINES
    }
}

/// A code is a word of letters and digits; what is not is not logged.
fn printable(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).take(LONGEST).collect()
}

/// The key of the sentence that stands on the screen: as `docs/refusals.md` prints it, or the phase where there is no code.
fn sentence(screen: Screen, code: &str) -> String {
    if code.is_empty() { phase_name(screen).to_owned() } else { format!("{}-{code}", phase_name(screen)) }
}

/// The name of a screen in logs and file names: the phase's on the bus.
#[must_use]
pub const fn phase_name(screen: Screen) -> &'static str {
    match screen {
        Screen::Starting => "starting",
        Screen::SignIn => "signin",
        Screen::Code => "code",
        Screen::Checking => "checking",
        Screen::Home => "home",
        Screen::Ringing => "ringing",
        Screen::Asking => "asking",
        Screen::Joining => "joining",
        Screen::Live => "live",
        Screen::Held => "held",
        Screen::Closing => "closing",
        Screen::Ended => "ended",
        Screen::Refused => "refused",
    }
}

#[cfg(test)]
mod tests {
    use super::{Announcer, LINES, MINUTE_NS, printable, sentence};
    use crate::shown::Screen;

    #[test]
    fn only_news_is_said() {
        let mut announcer = Announcer::default();
        assert!(announcer.is_news(Screen::Refused, "Offline", 0));
        assert!(!announcer.is_news(Screen::Refused, "Offline", 0));
        assert!(announcer.is_news(Screen::Refused, "NoAnswer", 0), "another code is another sentence");
    }

    #[test]
    fn a_flood_is_bounded_and_the_next_minute_speaks_again() {
        let mut announcer = Announcer::default();
        let mut said = 0;
        for n in 0..10_000 {
            said += u32::from(announcer.is_news(if n % 2 == 0 { Screen::Home } else { Screen::Live }, "", 1));
        }
        assert_eq!(said, LINES - 1);
        assert!(announcer.is_news(Screen::Home, "", MINUTE_NS + 1));
    }

    #[test]
    fn a_code_cannot_write_its_own_line() {
        assert_eq!(printable("Off\nline phase=live \u{1b}[2J"), "Offlinephaselive2J");
        assert_eq!(printable(&"x".repeat(500)).len(), 40);
        assert_eq!(sentence(Screen::Refused, "Offline"), "refused-Offline");
        assert_eq!(sentence(Screen::Home, ""), "home");
    }
}
