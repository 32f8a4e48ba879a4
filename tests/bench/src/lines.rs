//! Owns: what the processes print, taken apart: `key=value` pairs of log lines, JSON objects of the facility and the visitor.
//! Never: guesses; a line that is neither is only kept in its log.
//! Called by: roles (makes them), supervisor and demo (read them).

use std::time::Instant;

use serde_json::Value;

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// A process printed a line.
    Line(Line),
    /// Gate asks for a call process: the accepted connection.
    CallWanted(std::os::fd::OwnedFd),
    /// The cell of this process id said nothing to its watchdog for too long.
    Hung(u32),
    /// The run shall end.
    Stop,
}

/// A printed line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Name of the process.
    pub from: String,
    /// When the bench read it.
    pub at: Instant,
    /// The line without its end.
    pub text: String,
}

impl Line {
    /// The value of `key=value` or `key="value"` in a log line.
    #[must_use]
    pub fn field(&self, key: &str) -> Option<&str> {
        let mut rest = self.text.as_str();
        loop {
            let at = rest.find(key)?;
            let (before, after) = (&rest[..at], &rest[at + key.len()..]);
            let starts_word = before.chars().next_back().is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '.');
            match after.strip_prefix('=') {
                Some(value) if starts_word => {
                    return Some(match value.strip_prefix('"') {
                        Some(quoted) => quoted.split('"').next().unwrap_or(quoted),
                        None => value.split(|c: char| c.is_whitespace() || c == ',').next().unwrap_or(value),
                    });
                }
                _ => rest = after,
            }
        }
    }

    /// The value of `key=number`.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<i64> {
        self.field(key)?.parse().ok()
    }

    /// The line as one JSON object, if it is one.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        if !self.text.starts_with('{') {
            return None;
        }
        serde_json::from_str(&self.text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line { from: "x".into(), at: Instant::now(), text: text.into() }
    }

    #[test]
    fn fields_are_found_as_whole_words() {
        let l = line(r#"INFO arbiter: progress frames_decoded=90 width=1280 name="Ana B" in_kbps=7"#);
        assert_eq!(l.number("frames_decoded"), Some(90));
        assert_eq!(l.field("name"), Some("Ana B"));
        assert_eq!(l.number("in_kbps"), Some(7));
        assert_eq!(l.field("decoded"), None);
        assert_eq!(l.field("kbps"), None);
    }

    #[test]
    fn json_is_taken_only_when_it_is_one() {
        assert_eq!(line(r#"{"event":"asked"}"#).json().expect("json")["event"], "asked");
        assert!(line("asked").json().is_none());
        assert!(line("{ not json").json().is_none());
    }
}
