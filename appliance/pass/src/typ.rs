//! Owns: the kinds of document, and by which role of key each is signed.
//! Never: a kind without a role.
//! Called by: seal, issuer, parloirctl.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Broken;

/// Kinds of document (`typ` of the JWS header is `parloir-<name>+jws`, RFC 7515 section 4.1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Typ {
    /// Who may sign what at a site; general JSON serialization, k of n roots.
    Authority,
    /// The rules of a site.
    Policy,
    /// What one person may do.
    Entitlement,
    /// Who lives in a cell, by tags, and instants of bookings without names.
    Agenda,
    /// The box's question.
    Ask,
    /// The answer to one Ask.
    Grant,
    /// A time statement that echoes the box's nonce.
    Time,
    /// An incoming call for a person.
    Ring,
    /// A code with a person tag.
    SignIn,
    /// A page of a diagnostics export.
    Export,
    /// The visitor's side of a receipt.
    Statement,
    /// Renewal of a live grant.
    Beat,
    /// Refusal or revocation.
    Deny,
    /// The box's word about a visit.
    Receipt,
}

impl Typ {
    /// Every kind, in the order of design section 4.
    pub const ALL: [Self; 14] = [
        Self::Authority,
        Self::Policy,
        Self::Entitlement,
        Self::Agenda,
        Self::Ask,
        Self::Grant,
        Self::Time,
        Self::Ring,
        Self::SignIn,
        Self::Export,
        Self::Statement,
        Self::Beat,
        Self::Deny,
        Self::Receipt,
    ];

    /// The name in topics and file names, such as `sign-in`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authority => "authority",
            Self::Policy => "policy",
            Self::Entitlement => "entitlement",
            Self::Agenda => "agenda",
            Self::Ask => "ask",
            Self::Grant => "grant",
            Self::Time => "time",
            Self::Ring => "ring",
            Self::SignIn => "sign-in",
            Self::Export => "export",
            Self::Statement => "statement",
            Self::Beat => "beat",
            Self::Deny => "deny",
            Self::Receipt => "receipt",
        }
    }

    /// The `typ` header member, such as `parloir-grant+jws`.
    #[must_use]
    pub fn header(self) -> String {
        format!("parloir-{}+jws", self.name())
    }

    /// The kind that a `typ` header member names.
    #[must_use]
    pub fn from_header(text: &str) -> Option<Self> {
        text.strip_prefix("parloir-")?.strip_suffix("+jws")?.parse().ok()
    }

    /// The one role whose keys sign this kind.
    #[must_use]
    pub const fn role(self) -> Role {
        match self {
            Self::Authority => Role::Root,
            Self::Policy => Role::Policy,
            Self::Entitlement | Self::Agenda => Role::Entitlement,
            Self::Grant | Self::Time | Self::Ring | Self::Beat => Role::Grant,
            Self::Deny => Role::Deny,
            Self::Ask | Self::SignIn | Self::Export | Self::Receipt => Role::Box,
            Self::Statement => Role::Visitor,
        }
    }
}

impl fmt::Display for Typ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Typ {
    type Err = Broken;
    fn from_str(text: &str) -> Result<Self, Broken> {
        Self::ALL.into_iter().find(|t| t.name() == text).ok_or(Broken::new(
            "WrongTyp",
            "typ",
            "no kind of document has this name",
        ))
    }
}

/// What a key may sign. One key, one role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Authority and door key records, offline, k of n.
    Root,
    /// SitePolicy.
    Policy,
    /// Entitlement, Agenda.
    Entitlement,
    /// Grant, Beat, Time, Ring.
    Grant,
    /// Door tickets.
    Door,
    /// Deny.
    Deny,
    /// Reserved: an inspector's orders.
    Inspect,
    /// Reserved: update manifests.
    Update,
    /// The box's own: Ask, Receipt, SignIn, Export.
    Box,
    /// A visitor's page: Statement.
    Visitor,
}

impl Role {
    /// The name as it stands in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Policy => "policy",
            Self::Entitlement => "entitlement",
            Self::Grant => "grant",
            Self::Door => "door",
            Self::Deny => "deny",
            Self::Inspect => "inspect",
            Self::Update => "update",
            Self::Box => "box",
            Self::Visitor => "visitor",
        }
    }

    /// Whether an Authority may name a key of this role: roots are in the image, the box's key is enrolled, a visitor's is in its grant.
    #[must_use]
    pub const fn in_authority(self) -> bool {
        !matches!(self, Self::Root | Self::Box | Self::Visitor)
    }

    /// Whether keys of this role are bounded by class and duration.
    #[must_use]
    pub const fn is_bounded(self) -> bool {
        matches!(self, Self::Grant | Self::Door)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
