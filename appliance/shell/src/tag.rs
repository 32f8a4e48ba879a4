//! Owns: how personal data prints: as a short tag that says "the same as before" and nothing else.
//! Never: a switch that prints the data itself.
//! Called by: whoever logs something about a person.
#![forbid(unsafe_code)]

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

/// Personal data in a log line: `Tag(name)` prints as `~3f9a2c10`.
///
/// The tag is a hash under a key that is drawn when the process starts and never leaves it, so a tag cannot be guessed back from
/// a list of names, and lines of one run can still be told together.
#[derive(Clone, Copy)]
pub struct Tag<T>(pub T);

fn key() -> &'static RandomState {
    static KEY: OnceLock<RandomState> = OnceLock::new();
    KEY.get_or_init(RandomState::new)
}

impl<T: AsRef<[u8]>> fmt::Display for Tag<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "~{:08x}", key().hash_one(self.0.as_ref()) >> 32)
    }
}

impl<T: AsRef<[u8]>> fmt::Debug for Tag<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Tag;

    #[test]
    fn prints_the_same_tag_and_never_the_text() {
        let (a, b) = (Tag("Ana Novak").to_string(), Tag("Ana Novak").to_string());
        assert_eq!(a, b);
        assert_ne!(a, Tag("Ana Kovac").to_string());
        assert!(!a.contains("Ana") && a.len() == 9, "{a}");
        assert_eq!(format!("{:?}", Tag("Ana Novak")), a);
    }
}
