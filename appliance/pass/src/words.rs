//! Owns: the closed lists of words that documents share: class, media, route; and the bounds of free text.
//! Never: a word that the box does not know; unknown ones fail to parse.
//! Called by: every document.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::Broken;

/// Class of call (requirements section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// The default: relatives and friends.
    Family,
    /// A parent with a child.
    ParentChild,
    /// Never recorded.
    Lawyer,
    /// The court's rule.
    Court,
    /// Never recorded; clinicians.
    Health,
    /// Never recorded; ombudsman, complaint board, consulate. Always dialable.
    Oversight,
    /// Never recorded; always dialable.
    Helpline,
    /// A public authority.
    Authority,
    /// The probation service.
    Probation,
    /// Never recorded; the person's camera starts off.
    Lesson,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 10] = [
        Self::Family,
        Self::ParentChild,
        Self::Lawyer,
        Self::Court,
        Self::Health,
        Self::Oversight,
        Self::Helpline,
        Self::Authority,
        Self::Probation,
        Self::Lesson,
    ];

    /// The name as it stands in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Family => "family",
            Self::ParentChild => "parent-child",
            Self::Lawyer => "lawyer",
            Self::Court => "court",
            Self::Health => "health",
            Self::Oversight => "oversight",
            Self::Helpline => "helpline",
            Self::Authority => "authority",
            Self::Probation => "probation",
            Self::Lesson => "lesson",
        }
    }

    /// Whether no policy may ever let a call of this class be recorded or watched (requirements section 2).
    #[must_use]
    pub const fn is_private(self) -> bool {
        matches!(self, Self::Lawyer | Self::Health | Self::Oversight | Self::Helpline | Self::Lesson)
    }

    /// Whether this release can make a call of this class; the others only have their name.
    #[must_use]
    pub const fn is_supported(self) -> bool {
        matches!(
            self,
            Self::Family | Self::ParentChild | Self::Lawyer | Self::Health | Self::Authority | Self::Probation | Self::Lesson
        )
    }

    /// Whether the person's camera begins off: nobody sees the cell before the person turns it on.
    #[must_use]
    pub const fn begins_unseen(self) -> bool {
        matches!(self, Self::Lesson)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a call carries. `Video` includes sound and `Voice`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Media {
    /// Sound only.
    Voice,
    /// Picture and sound.
    Video,
}

impl Media {
    /// The name as it stands in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::Video => "video",
        }
    }
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How media travels (design section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Route {
    /// End to end through the relay.
    Direct,
    /// Reserved: a conference system as a named party.
    Engine,
}

impl Route {
    /// The name as it stands in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Engine => "engine",
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Longest shown name, characters.
pub const MAX_NAME: usize = 80;
/// Longest sentence, characters.
pub const MAX_SENTENCE: usize = 400;
/// Longest URL, bytes.
pub const MAX_URL: usize = 256;

/// Free text: at most `max` characters, none of them a control character or one that turns the direction of text (a shown name could pose as another).
pub(crate) fn text(field: &'static str, value: &str, max: usize) -> Result<(), Broken> {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if value.chars().count() > max {
        return Err(Broken::new("MalformedDocument", field, "text longer than its bound"));
    }
    if value.chars().any(|c| c.is_control() || turns(c)) {
        return Err(Broken::new("MalformedDocument", field, "text with control characters"));
    }
    Ok(())
}

/// Text that must not be empty.
pub(crate) fn name(field: &'static str, value: &str) -> Result<(), Broken> {
    need(!value.trim().is_empty(), "MalformedDocument", field, "empty")?;
    text(field, value, MAX_NAME)
}

/// A stable code: letters and digits, at most 64, such as `OutsideWindow`.
pub(crate) fn code(field: &'static str, value: &str) -> Result<(), Broken> {
    let fits = (1..=64).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_alphanumeric());
    need(fits, "MalformedDocument", field, "not 1 to 64 letters and digits")
}

/// A language tag: letters, digits and hyphens (BCP 47), at most 35.
pub(crate) fn language(field: &'static str, value: &str) -> Result<(), Broken> {
    let fits = (2..=35).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    need(fits, "MalformedDocument", field, "not a BCP 47 tag")
}

/// A `turn:` or `turns:` URL (RFC 7065).
pub(crate) fn relay(field: &'static str, value: &str) -> Result<(), Broken> {
    let scheme = value.strip_prefix("turn:").or_else(|| value.strip_prefix("turns:"));
    let fits =
        scheme.is_some_and(|rest| !rest.is_empty()) && value.len() <= MAX_URL && value.bytes().all(|b| b.is_ascii_graphic());
    need(fits, "MalformedDocument", field, "not a turn: or turns: URL of at most 256 bytes (RFC 7065)")
}

/// A relay's user name or password: what call can be told.
pub(crate) fn credential(field: &'static str, value: &str) -> Result<(), Broken> {
    need(value.len() <= crate::grant::MAX_CREDENTIAL, "MalformedDocument", field, "longer than 128 bytes")?;
    text(field, value, crate::grant::MAX_CREDENTIAL)
}

/// A statement that stands within another document: a compact JWS by its letters, judged by whoever has the visitor's key.
pub(crate) fn statement(field: &'static str, value: &str) -> Result<(), Broken> {
    let fits = value.len() <= crate::receipt::MAX_STATEMENT
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    need(fits, "MalformedDocument", field, "not a compact JWS of at most 2048 bytes")
}

/// A rule as a line.
pub(crate) fn need(holds: bool, code: &'static str, field: &'static str, rule: &'static str) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken::new(code, field, rule)) }
}

/// The one version.
pub(crate) fn version(v: u32) -> Result<(), Broken> {
    need(v == crate::VERSION, "UnknownVersion", "v", "this release knows version 1 only")
}
