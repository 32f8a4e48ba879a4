//! Owns: the form of a log line on stderr: for the journal with its priority prefix (`sd-daemon(3)`), for a person with the time. A
//! line with a stable code goes to the journal as an entry with that code's message id.
//! Never: files, colours, line breaks inside a message, personal data (see [`crate::Tag`]).
//! Called by: every binary, once, first.
#![forbid(unsafe_code)]

use crate::{BootTime, journal};
use std::fmt;
use std::path::{Path, PathBuf};
use tracing::field::{Field, Visit};
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
/// `SECONDS LEVEL name: message key=value`, SECONDS being those of [`BootTime`]. In the journal, an event with a field `code`, or with
/// a text that ends in `[org.parloir.Error.Code]`, has the message id of that code ([`journal::message_id`]).
pub fn init(name: &'static str) {
    let filter = EnvFilter::try_from_env(FILTER).unwrap_or_else(|_| EnvFilter::new("info"));
    let journal = std::env::var_os("JOURNAL_STREAM").map(|_| PathBuf::from(journal::SOCKET));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .event_format(Line { name, journal })
        .try_init();
}

struct Line {
    name: &'static str,
    /// Where the journal takes entries, if stderr is the journal.
    journal: Option<PathBuf>,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = *event.metadata().level();
        let mut text = String::new();
        context.field_format().format_fields(Writer::new(&mut text), event)?;
        let text = one_line(&text);
        match &self.journal {
            Some(socket) if self.with_code(socket, level, &text, event) => Ok(()),
            Some(_) => writeln!(out, "<{}>{text}", priority(level)),
            None => {
                let ms = BootTime::now_ns() / 1_000_000;
                writeln!(out, "{}.{:03} {level} {}: {text}", ms / 1000, ms % 1000, self.name)
            }
        }
    }
}

impl Line {
    /// Whether the line had a code and the journal took it with that.
    fn with_code(&self, socket: &Path, level: Level, text: &str, event: &Event<'_>) -> bool {
        let mut field = CodeField::default();
        event.record(&mut field);
        let code = field.0.as_deref().or_else(|| journal::code_in(text));
        code.is_some_and(|code| journal::send(socket, self.name, priority(level), text, code))
    }
}

/// The value of an event's field `code`.
#[derive(Default)]
struct CodeField(Option<String>);

impl Visit for CodeField {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "code" && journal::is_code(value) {
            self.0 = Some(value.to_owned());
        }
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
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
    use super::{Line, one_line, priority};
    use crate::journal::message_id;
    use std::io::ErrorKind;
    use std::os::unix::net::UnixDatagram;
    use std::sync::{Arc, Mutex};
    use tracing::Level;

    /// What goes to stderr.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_with_a_code_is_an_entry_of_the_journal_and_every_other_one_goes_to_stderr() {
        let directory = std::env::temp_dir().join(format!("parloir-log-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        journal.set_nonblocking(true).unwrap();
        let (written, line) = (Written::default(), Line { name: "x", journal: Some(path) });
        let to = written.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || to.clone()).event_format(line).finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("plain");
            tracing::warn!(code = "Denied", uid = 7, "refused");
            tracing::warn!("disk: {}", "gone [org.parloir.Error.Storage]");
            tracing::info!(code = "", "none");
            tracing::info!(code = %"a\nMESSAGE=forged", "no code");
        });
        let mut entries = Vec::new();
        let mut bytes = [0; 1024];
        loop {
            match journal.recv(&mut bytes) {
                Ok(length) => entries.push(String::from_utf8_lossy(&bytes[..length]).into_owned()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(entries.len(), 2, "{entries:?}");
        for (entry, code, message) in
            [(&entries[0], "Denied", "refused code=\"Denied\" uid=7"), (&entries[1], "Storage", "disk: gone [")]
        {
            assert!(entry.contains(&format!("MESSAGE_ID={}\nPARLOIR_CODE={code}\n", message_id(code))), "{entry}");
            assert!(entry.starts_with(&format!("MESSAGE={message}")) && entry.contains("\nPRIORITY=4\n"), "{entry}");
        }
        let stderr = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = stderr.lines().collect();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0] == "<6>plain" && lines[2].contains("\\nMESSAGE=forged"), "{lines:?}");
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_message_cannot_forge_a_line() {
        assert_eq!(one_line("a\n<3>b\u{1b}[31m"), "a\\n<3>b\\u{1b}[31m");
    }

    #[test]
    fn levels_are_the_journals() {
        assert_eq!([Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG].map(priority), [3, 4, 6, 7]);
    }
}
