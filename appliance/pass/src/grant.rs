//! Owns: the ring, the question, the answer, its renewal and its end.
//! Never: the layout of the ticket (wire has it; here it is 128 bytes).
//! Called by: core, seal, rules, the issuer, facility.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::words::{MAX_SENTENCE, need, version};
use crate::{Broken, Bytes32, Class, Document, Id, Media, Route, Ticket128, Typ, words};

/// What the box wants. Signed by the box, sealed to the facility.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Version, 1.
    pub v: u32,
    /// The site.
    pub site: Id,
    /// The box.
    pub device: Id,
    /// The call; the same id as the lease.
    pub call: Id,
    /// Who asks.
    pub person: Id,
    /// Whom they want to see.
    pub contact: Id,
    /// Class of the contact.
    pub class: Class,
    /// What the call shall carry.
    pub media: Media,
    /// The box's nonce; pending for 60 s of monotonic time, then dead.
    pub nonce: Id,
    /// The nonce that gate gave for the OK press; the ticket must carry it.
    pub gate_nonce: Id,
    /// SHA-256 of the DER of the certificate made for this visit (RFC 8122).
    pub certificate: Bytes32,
    /// In a private class the box's half of the short code, committed to and not shown (ADR 27); null in every other class.
    pub commitment: Option<Bytes32>,
    /// The ring that the person answered; null: the person calls.
    pub ring: Option<Id>,
    /// The live grant that the wanted one shall replace for the time that is left, because the visitor's page has another certificate;
    /// null: nothing is live.
    pub regrant: Option<Id>,
}

/// Somebody calls a person. Signed by a grant key, sealed to the box. It opens nothing: it asks the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Ring {
    /// Version, 1.
    pub v: u32,
    /// The site.
    pub site: Id,
    /// The box.
    pub device: Id,
    /// This ring; a box rings once for it.
    pub ring: Id,
    /// Who is called.
    pub person: Id,
    /// Who calls.
    pub contact: Id,
    /// Class of the contact.
    pub class: Class,
    /// What the call may carry; the person may answer with less.
    pub media: Media,
    /// When the caller pressed, Unix seconds UTC; a box takes none that is older than 60 s.
    pub at: i64,
}

/// Answers one Ask. Signed by a grant key, sealed to the box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Version, 1.
    pub v: u32,
    /// The site.
    pub site: Id,
    /// The box.
    pub device: Id,
    /// This grant; Beat and Deny name it.
    pub grant: Id,
    /// The call, as in the Ask.
    pub call: Id,
    /// The Ask's nonce.
    pub nonce: Id,
    /// Who may be seen here.
    pub person: Id,
    /// Whom they see.
    pub contact: Id,
    /// Class, as in the Ask and in the entitlement.
    pub class: Class,
    /// What the call may carry; at most what was asked.
    pub media: Media,
    /// The Ask's certificate.
    pub box_certificate: Bytes32,
    /// The far ends, 1 to 3, each with its own certificate.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 3)))]
    pub parties: Vec<Party>,
    /// How media travels.
    pub route: Route,
    /// Relays with the credentials for this visit, at most 4; empty only with `direct_candidates`.
    #[cfg_attr(feature = "schema", schemars(length(max = 4)))]
    pub relays: Vec<RelayCredentials>,
    /// Bench only: host candidates too. Refused unless the arbiter was started with its bench override.
    pub direct_candidates: bool,
    /// Who records, shown name; empty: nobody.
    pub recorded_by: String,
    /// Who watches or listens, shown name; empty: nobody.
    pub watched_by: String,
    /// Price in words of the policy; empty: free.
    pub price: String,
    /// Length of the visit, seconds of the fair clock.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub slot_s: u32,
    /// Longest wall duration, seconds of the monotonic clock: slot plus make-good. Equals the ticket's longest run.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub lease_s: u32,
    /// What gate checks.
    pub ticket: Ticket128,
}

/// One far end.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// Shown name.
    pub name: String,
    /// SHA-256 of the DER of its DTLS certificate (RFC 8122).
    pub certificate: Bytes32,
    /// Ed25519 public key (RFC 8032) that signs its Statements.
    pub statement_key: Bytes32,
    /// In a private class its half of the short code, chosen when it knew the box's commitment (ADR 27); null in every other class.
    pub code_nonce: Option<Bytes32>,
}

impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Party").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// A TURN server (RFC 8656) and the credentials for this visit.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RelayCredentials {
    /// `turn:host:port?transport=udp` (RFC 7065); one of the policy's.
    pub url: String,
    /// User name.
    pub user: String,
    /// Password; never printed.
    pub password: String,
}

impl fmt::Debug for RelayCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayCredentials").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Renews a live grant. Signed by a grant key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Beat {
    /// Version, 1.
    pub v: u32,
    /// The box.
    pub device: Id,
    /// The grant that lives on.
    pub grant: Id,
    /// Grows with each beat of the grant; an old one renews nothing.
    pub count: u64,
}

/// No: to one Ask, or from now on. Signed by a deny key; wins over every allow. About a person it travels sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Deny {
    /// Version, 1.
    pub v: u32,
    /// The site.
    pub site: Id,
    /// What is denied.
    pub target: DenyTarget,
    /// Words of a member of staff for the person, empty if none.
    #[cfg_attr(feature = "schema", schemars(length(max = 400)))]
    pub words: String,
    /// Stable code, such as `VisitorDeclined`, `VisitorAbsent`, `NotEntitled`, `NoBooking`, `Revoked`, `CallerGone`.
    pub code: String,
}

/// What a Deny names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum DenyTarget {
    /// The facility's answer "no" to the Ask with this nonce.
    Ask(Id),
    /// A grant.
    Grant(Id),
    /// A contact.
    Contact(Id),
    /// A person.
    Person(Id),
    /// A box.
    Device(Id),
    /// A ring: the caller gave up, or staff stopped it.
    Ring(Id),
    /// A sign-in: the facility's answer "no" to the code with this nonce, or the end of the session that began with it.
    SignIn {
        /** Of the sign-in. */
        nonce: Id,
        /** How long the facility looks at no other code of that person, seconds. */
        wait_s: u32,
    },
}

/// What time it is, in answer to the box's nonce. Signed by a grant key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Time {
    /// Version, 1.
    pub v: u32,
    /// The box.
    pub device: Id,
    /// The nonce of its time request.
    pub nonce: Id,
    /// Unix milliseconds UTC.
    pub unix_ms: i64,
}

/// Most far parties of a direct call (design section 6).
pub const MAX_PARTIES: usize = 3;
/// Most relays of a grant.
pub const MAX_RELAYS: usize = 4;
/// Longest user name and password of a relay, bytes: what call can be told (`parloir-wire`, the plan).
pub const MAX_CREDENTIAL: usize = 128;

impl Document for Ask {
    const TYP: Typ = Typ::Ask;
    fn check(&self) -> Result<(), Broken> {
        version(self.v)?;
        let fits = self.commitment.is_some() == self.class.is_private();
        need(fits, "MalformedDocument", "commitment", "a private class has one, and no other class")
    }
}

impl Document for Ring {
    const TYP: Typ = Typ::Ring;
    fn check(&self) -> Result<(), Broken> {
        version(self.v)?;
        need(self.at > 0, "MalformedDocument", "at", "before 1970")
    }
}

impl Document for Grant {
    const TYP: Typ = Typ::Grant;
    fn check(&self) -> Result<(), Broken> {
        version(self.v)?;
        let parties = self.parties.len();
        need((1..=MAX_PARTIES).contains(&parties), "MalformedDocument", "parties", "1 to 3 far parties")?;
        need(self.relays.len() <= MAX_RELAYS, "MalformedDocument", "relays", "more than 4 relays")?;
        for party in &self.parties {
            words::name("parties.name", &party.name)?;
        }
        for relay in &self.relays {
            words::relay("relays.url", &relay.url)?;
            words::credential("relays.user", &relay.user)?;
            words::credential("relays.password", &relay.password)?;
        }
        words::text("recorded_by", &self.recorded_by, words::MAX_NAME)?;
        words::text("watched_by", &self.watched_by, words::MAX_NAME)?;
        words::text("price", &self.price, words::MAX_NAME)?;
        need(self.slot_s > 0, "MalformedDocument", "slot_s", "a visit of 0 s")?;
        need(self.lease_s >= self.slot_s, "MalformedDocument", "lease_s", "shorter than the slot")
    }
}

impl Document for Beat {
    const TYP: Typ = Typ::Beat;
    fn check(&self) -> Result<(), Broken> {
        version(self.v)
    }
}

impl Document for Deny {
    const TYP: Typ = Typ::Deny;
    fn check(&self) -> Result<(), Broken> {
        version(self.v)?;
        words::text("words", &self.words, MAX_SENTENCE)?;
        words::code("code", &self.code)
    }
}

impl Document for Time {
    const TYP: Typ = Typ::Time;
    fn check(&self) -> Result<(), Broken> {
        version(self.v)?;
        need(self.unix_ms > 0, "MalformedDocument", "unix_ms", "before 1970")
    }
}
