//! Owns: a value that the core must know and nobody may read off it: digits of a code, and where its dial stands.
//! Never: prints one, or writes one down: a journal has a blank in its place, and the steps that are gone again with it do the same.
//! Called by: event, session, effect.

use core::fmt;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Known to the core alone.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Hidden<T>(pub T);

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("~")
    }
}

impl<T> Serialize for Hidden<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_unit()
    }
}

impl<'de, T: Default> Deserialize<'de> for Hidden<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(from).map(|_| Self::default())
    }
}

#[cfg(test)]
mod tests {
    use super::Hidden;
    use crate::event::{Press, Stroke};

    #[test]
    fn nobody_reads_a_digit_off_a_log_or_a_journal() {
        let digit = |n| format!("{:?}", Press { serial: 7, stroke: Stroke::Digit(Hidden(n)) });
        assert_eq!(digit(3), digit(8));
        let step = |n| format!("{:?}", Stroke::Step(Hidden(n)));
        assert_eq!(step(1), step(9));
    }
}
