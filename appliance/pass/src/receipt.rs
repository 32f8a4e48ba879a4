//! Owns: both sides' word about a visit.
//! Never: what was said or seen.
//! Called by: core (fills), seal (signs and verifies), facility.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::words::{need, version};
use crate::{Broken, Bytes32, Class, Document, Id, Typ, words};

/// The visitor's side, signed by the statement key that the grant names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Version, 1.
    pub v: u32,
    /// The call.
    pub call: Id,
    /// Grows with each statement of the visit; the highest stands.
    pub count: u64,
    /// The page decodes our picture now; false after 2 s without a frame.
    pub decoding: bool,
    /// Total time that it did, ms.
    pub decoded_ms: u64,
    /// Frames decoded.
    pub frames: u64,
    /// Width of the last frame, pixels; 0 none yet.
    pub width: u16,
    /// Height of the last frame, pixels; 0 none yet.
    pub height: u16,
    /// From admission to the first decoded frame, ms; 0 none yet.
    pub first_frame_ms: u64,
    /// Sound above silence was decoded.
    pub sound_heard: bool,
    /// The page has left the visit; nothing follows.
    pub last: bool,
}

/// The box's word, signed by its ask-and-receipt key, sealed to the facility; the visitor's JWS stands beside it in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Version, 1.
    pub v: u32,
    /// The site.
    pub site: Id,
    /// The box.
    pub device: Id,
    /// This receipt.
    pub receipt: Id,
    /// The call.
    pub call: Id,
    /// The grant that opened the doors, if one came.
    pub grant: Option<Id>,
    /// Who called.
    pub person: Id,
    /// Whom.
    pub contact: Id,
    /// Class.
    pub class: Class,
    /// When the Ask left; the instant that all others count from, monotonic ms. Always 0 but in a visit that was resumed after a fault.
    pub asked_ms: u64,
    /// When the grant came, ms since the Ask.
    pub admitted_ms: Option<u64>,
    /// When the far picture or sound was first decoded here, ms since the Ask.
    pub first_decoded_here_ms: Option<u64>,
    /// When ours was first decoded there, by its Statement, ms since the Ask.
    pub first_decoded_there_ms: Option<u64>,
    /// When the doors were shut, ms since the Ask.
    pub ended_ms: u64,
    /// Times after the first media in which the fair clock stood, ascending, at most 256 (the shortest are merged beyond that).
    #[cfg_attr(feature = "schema", schemars(length(max = 256)))]
    pub gaps: Vec<Gap>,
    /// The fair clock, seconds.
    pub seconds_counted: u32,
    /// Frames decoded here.
    pub frames_decoded: u64,
    /// Width of the last frame decoded here, pixels.
    pub width: u16,
    /// Height of it, pixels.
    pub height: u16,
    /// End reason or refusal code, such as `PersonEnded`.
    pub reason: String,
    /// Unix seconds UTC of the Ask; 0 when the clock was not trusted.
    pub wall_start: i64,
    /// Head of the ledger's hash chain (SHA-256) when the receipt was made.
    pub ledger_head: Bytes32,
    /// The visitor's last Statement, compact JWS, under the last grant.
    pub visitor_statement: Option<String>,
    /// The grants that replaced the first, in order, at most 4.
    #[cfg_attr(feature = "schema", schemars(length(max = 4)))]
    pub regrants: Vec<Id>,
    /// The visitor's last Statement under each grant that was replaced, compact JWS, in order, at most 4; a grant under which none came
    /// has none here. What the visitor saw is the sum of these and of `visitor_statement`.
    #[cfg_attr(feature = "schema", schemars(length(max = 4)))]
    pub earlier_statements: Vec<String>,
}

/// A time without media at both ends, ms since the Ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// Start, ms since the Ask.
    pub from_ms: u64,
    /// End, ms since the Ask.
    pub to_ms: u64,
}

/// What travels on the topic `receipt` inside the seal: the JWS of both ends, side by side.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Parcel {
    /// The box's Receipt, compact JWS.
    pub receipt: String,
    /// The visitor's last Statement, compact JWS; the same text as in the Receipt.
    pub visitor: Option<String>,
    /// Those under earlier grants; the same texts as in the Receipt.
    #[cfg_attr(feature = "schema", schemars(length(max = 4)))]
    pub earlier: Vec<String>,
}

impl fmt::Debug for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parcel").field("both_sides", &self.visitor.is_some()).finish_non_exhaustive()
    }
}

/// Most grants of a visit that replace an earlier one.
pub const MAX_REGRANTS: usize = 4;
/// Most gaps of a Receipt.
pub const MAX_GAPS: usize = 256;
/// Most bytes of a Statement's compact JWS.
pub const MAX_STATEMENT: usize = 2048;

impl Document for Statement {
    const TYP: Typ = Typ::Statement;
    fn check(&self) -> Result<(), Broken> {
        version(self.v)
    }
}

impl Document for Receipt {
    const TYP: Typ = Typ::Receipt;
    fn check(&self) -> Result<(), Broken> {
        version(self.v)?;
        words::code("reason", &self.reason)?;
        need(self.gaps.len() <= MAX_GAPS, "MalformedDocument", "gaps", "more than 256")?;
        need(self.gaps.iter().all(|g| g.from_ms <= g.to_ms), "MalformedDocument", "gaps", "ends before it starts")?;
        let ordered = self.gaps.windows(2).all(|pair| pair[0].to_ms <= pair[1].from_ms);
        need(ordered, "MalformedDocument", "gaps", "not ascending, or overlapping")?;
        self.visitor_statement.iter().try_for_each(|s| words::statement("visitor_statement", s))?;
        need(self.regrants.len() <= MAX_REGRANTS, "MalformedDocument", "regrants", "more than 4")?;
        need(self.regrants.is_empty() || self.grant.is_some(), "MalformedDocument", "regrants", "without a grant to replace")?;
        need(
            self.earlier_statements.len() <= self.regrants.len(),
            "MalformedDocument",
            "earlier_statements",
            "more than regrants",
        )?;
        self.earlier_statements.iter().try_for_each(|s| words::statement("earlier_statements", s))
    }
}
