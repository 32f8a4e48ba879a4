//! Owns: the diagnostics export: what a box says of itself when its facility asks, one page at a time.
//! Never: a name, a word that somebody said or wrote, a key, a credential: ids, codes, counts and instants only.
//! Called by: arbiter (fills), seal (signs and verifies), facility (collects), parloirctl (reads).

use serde::{Deserialize, Serialize};

use crate::words::{need, text, version};
use crate::{Broken, Bytes32, Document, Id, Typ, words};

/// One page of an export, signed by the box's ask-and-receipt key, sealed to the facility. Every page says how the box is now; the rows of
/// the ledger and the journal are spread over as many pages as they need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// Version, 1.
    pub v: u32,
    /// The site.
    pub site: Id,
    /// The box.
    pub device: Id,
    /// The request that this page answers.
    pub request: Id,
    /// The boot of the box (boot id of the kernel).
    pub boot: Id,
    /// When the page was made, ms since that boot (`CLOCK_BOOTTIME`).
    pub at_ms: u64,
    /// The same, Unix seconds UTC; 0 while the box's clock is not trusted.
    pub wall: i64,
    /// When the arbiter started, ms since the boot.
    pub started_ms: u64,
    /// Version of the arbiter.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub release: String,
    /// Highest revision of each document that was taken.
    pub revisions: Revisions,
    /// The core's machines.
    pub machines: Machines,
    /// What holds now and since when, at most 16.
    #[cfg_attr(feature = "schema", schemars(length(max = 16)))]
    pub facts: Vec<Fact>,
    /// Each code that was told since the arbiter started, at most 40: those told last.
    #[cfg_attr(feature = "schema", schemars(length(max = 40)))]
    pub codes: Vec<Told>,
    /// The last refusals and ends, oldest first, at most 24.
    #[cfg_attr(feature = "schema", schemars(length(max = 24)))]
    pub recent: Vec<Occurrence>,
    /// Rows of the ledger, if this is a page of it.
    pub ledger: Option<LedgerPage>,
    /// A piece of the journal, if this is a page of it.
    pub journal: Option<JournalPage>,
}

/// Highest revision seen of each document; 0 none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Revisions {
    /// Of the Authority in force.
    pub authority: u64,
    /// Of the policy in force.
    pub policy: u64,
    /// Of the entitlement in force.
    pub entitlement: u64,
}

/// States of the core's machines, by their names in docs/tables.md.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Machines {
    /// Of `Call`.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub call: String,
    /// Of `Camera`.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub camera: String,
    /// Of `Remote`.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub remote: String,
    /// Of `Maintenance`.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub maintenance: String,
}

/// Something that holds or does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// What, such as `online`.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub name: String,
    /// Whether it holds.
    pub holds: bool,
    /// Since when, ms since the boot; the arbiter's start at the earliest.
    pub since_ms: u64,
}

/// A code and how often it was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// Of docs/refusals.md, or of a document that did not verify.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub code: String,
    /// How often since the arbiter started.
    pub times: u64,
    /// First time, ms since the boot.
    pub first_ms: u64,
    /// Last time, ms since the boot.
    pub last_ms: u64,
}

/// A refusal, or the end of a visit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Occurrence {
    /// When, ms since the boot.
    pub at_ms: u64,
    /// When, Unix seconds UTC; 0 while the clock was not trusted.
    pub wall: i64,
    /// Why.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub code: String,
    /// The call that it concerns, if any.
    pub call: Option<Id>,
}

/// Consecutive rows of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LedgerPage {
    /// Number of the first row that was asked for; the first row of all is 1.
    pub from: u64,
    /// Hash of the row before it; zeros before the first of all.
    pub previous: Bytes32,
    /// The rows, at most 128; none: there are no more.
    #[cfg_attr(feature = "schema", schemars(length(max = 128)))]
    pub rows: Vec<LedgerRow>,
    /// Number of the ledger's last row when the page was made.
    pub last: u64,
    /// Its hash.
    pub head: Bytes32,
}

/// A row of the ledger. Its hash is SHA-256 over the hash before it and these members (`parloir_seal::ledger`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LedgerRow {
    /// Which boot, as the kernel spells it.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub boot: String,
    /// Nanoseconds since that boot.
    pub at_ns: u64,
    /// Unix seconds UTC; 0 while the clock was not trusted.
    pub wall_s: i64,
    /// What, such as `doors-opened`.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub event: String,
    /// Call id in hex; empty: none.
    #[cfg_attr(feature = "schema", schemars(length(max = 32)))]
    pub call: String,
    /// `key=value` pairs: ids, codes and numbers.
    #[cfg_attr(feature = "schema", schemars(length(max = 400)))]
    pub detail: String,
}

/// A piece of the journal: text, one JSON value on a line, first the state that it begins with and then each step of the core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct JournalPage {
    /// First byte of this piece in the text.
    pub from: u64,
    /// Bytes of the whole text.
    pub total: u64,
    /// SHA-256 of the whole text.
    pub digest: Bytes32,
    /// The piece, at most 24,576 bytes.
    #[cfg_attr(feature = "schema", schemars(length(max = 24576)))]
    pub text: String,
}

/// Most facts.
pub const MAX_FACTS: usize = 16;
/// Most codes.
pub const MAX_CODES: usize = 40;
/// Most occurrences.
pub const MAX_RECENT: usize = 24;
/// Most rows of a page.
pub const MAX_ROWS: usize = 128;
/// Most bytes of a piece of the journal.
pub const MAX_TEXT: usize = 24 * 1024;
/// Most bytes of a whole journal.
pub const MAX_JOURNAL: u64 = 4 * 1024 * 1024;

impl Document for Export {
    const TYP: Typ = Typ::Export;

    fn check(&self) -> Result<(), Broken> {
        version(self.v)?;
        text("release", &self.release, 64)?;
        let m = &self.machines;
        for name in [&m.call, &m.camera, &m.remote, &m.maintenance] {
            words::code("machines", name)?;
        }
        need(self.facts.len() <= MAX_FACTS, "MalformedDocument", "facts", "more than 16")?;
        self.facts.iter().try_for_each(|f| words::code("facts.name", &f.name))?;
        need(self.codes.len() <= MAX_CODES, "MalformedDocument", "codes", "more than 40")?;
        self.codes.iter().try_for_each(|c| words::code("codes.code", &c.code))?;
        need(self.recent.len() <= MAX_RECENT, "MalformedDocument", "recent", "more than 24")?;
        self.recent.iter().try_for_each(|o| words::code("recent.code", &o.code))?;
        self.ledger.as_ref().map_or(Ok(()), LedgerPage::check)?;
        self.journal.as_ref().map_or(Ok(()), JournalPage::check)
    }
}

impl LedgerPage {
    fn check(&self) -> Result<(), Broken> {
        need(self.from > 0, "MalformedDocument", "ledger.from", "rows are counted from 1")?;
        need(self.rows.len() <= MAX_ROWS, "MalformedDocument", "ledger.rows", "more than 128")?;
        for row in &self.rows {
            text("ledger.rows.boot", &row.boot, 64)?;
            text("ledger.rows.event", &row.event, 64)?;
            text("ledger.rows.call", &row.call, 32)?;
            text("ledger.rows.detail", &row.detail, 400)?;
        }
        Ok(())
    }
}

impl JournalPage {
    fn check(&self) -> Result<(), Broken> {
        need(self.total <= MAX_JOURNAL, "MalformedDocument", "journal.total", "more than 4 MiB")?;
        need(self.text.len() <= MAX_TEXT, "MalformedDocument", "journal.text", "more than 24 KiB")?;
        let end = self.from.saturating_add(self.text.len() as u64);
        need(end <= self.total, "MalformedDocument", "journal.from", "beyond the journal's end")
    }
}
