//! Owns: the form of a log line on stderr: for the journal with its priority prefix (`sd-daemon(3)`), for a person with the time.
//! Never: files, colours, line breaks inside a message, personal data (see [`crate::Tag`]).
//! Called by: every binary, once, first.
#![forbid(unsafe_code)]

use crate::BootTime;
use std::fmt;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Environment variable with the filter (`tracing_subscriber::EnvFilter` syntax, such as `debug`); `info` without it.
pub const FILTER: &str = "PARLOIR_LOG";

/// Starts the log of this process. `name` is the role, such as `arbiter`. A second call does nothing.
///
/// A line reads `<6>message key=value` for the journal (`JOURNAL_STREAM` is set), else
/// `SECONDS LEVEL name: message key=value`, SECONDS being those of [`BootTime`].
pub fn init(name: &'static str) {
    let filter = EnvFilter::try_from_env(FILTER).unwrap_or_else(|_| EnvFilter::new("info"));
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .event_format(Line { name, journal })
        .try_init();
}

struct Line {
    name: &'static str,
    journal: bool,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = *event.metadata().level();
        if self.journal {
            write!(out, "<{}>", priority(level))?;
        } else {
            let ms = BootTime::now_ns() / 1_000_000;
            write!(out, "{}.{:03} {level} {}: ", ms / 1000, ms % 1000, self.name)?;
        }
        let mut text = String::new();
        context.field_format().format_fields(Writer::new(&mut text), event)?;
        writeln!(out, "{}", one_line(&text))
    }
}

/// `syslog(3)` priority of a level.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

/// Control characters escaped: what came from outside cannot forge a line of its own.
fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{one_line, priority};
    use tracing::Level;

    #[test]
    fn a_message_cannot_forge_a_line() {
        assert_eq!(one_line("a\n<3>b\u{1b}[31m"), "a\\n<3>b\\u{1b}[31m");
    }

    #[test]
    fn levels_are_the_journals() {
        assert_eq!([Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG].map(priority), [3, 4, 6, 7]);
    }
}
