//! Owns: the documents that carry authority, as types, and the rules that one document must keep towards another.
//! Never: crypto, network, files, clocks; a document here is already verified by seal, or not yet signed.
//! Called by: core (judges), seal (opens and verifies), the issuer, facility and parloirctl (make).
//!
//! Every payload refuses unknown and repeated members; [`Document::check`] holds the bounds that its types do not.
#![forbid(unsafe_code)]

pub mod authority;
pub mod export;
pub mod grant;
pub mod ids;
pub mod lint;
pub mod person;
pub mod policy;
pub mod receipt;
pub mod rules;
pub mod shared;
pub mod typ;
pub mod words;

use core::fmt;

pub use authority::{Always, Authority, AuthorityKey};
pub use export::Export;
pub use grant::{Ask, Beat, Deny, DenyTarget, Grant, Party, RelayCredentials, Ring, Time};
pub use ids::{Bytes32, Id, Ticket128};
pub use person::{Booking, Contact, Entitlement, Window};
pub use policy::{ClassRule, SitePolicy};
pub use receipt::{Gap, Parcel, Receipt, Statement};
pub use shared::{Agenda, Occupant, SignIn, Slot};
pub use typ::{Role, Typ};
pub use words::{Class, Media, Route};

/// The only version of every document.
pub const VERSION: u32 = 1;

/// A payload type with its kind.
pub trait Document: serde::Serialize + serde::de::DeserializeOwned {
    /// The kind, and by it the role that signs.
    const TYP: Typ;

    /// The bounds of one document by itself: version, lengths, order of instants. seal calls it on everything that it verifies or signs.
    ///
    /// # Errors
    /// The first field that breaks a bound.
    fn check(&self) -> Result<(), Broken>;
}

/// Which rule a document breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Stable code, such as `GrantNotForThisAsk`; `org.parloir.Error.` stands before it on the bus.
    pub code: &'static str,
    /// The field, as it stands in JSON.
    pub field: &'static str,
    /// The rule, in words.
    pub rule: &'static str,
}

impl Broken {
    /// A broken rule.
    #[must_use]
    pub const fn new(code: &'static str, field: &'static str, rule: &'static str) -> Self {
        Self { code, field, rule }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [org.parloir.Error.{}]", self.field, self.rule, self.code)
    }
}

impl core::error::Error for Broken {}
