//! Owns: why a document was refused, as thing, place, cause, next step and stable code.
//! Never: a value out of the document (it may be a person's).
//! Called by: everything in this crate.

use core::fmt;

use parloir_pass::Broken;

/// Why a document was refused. The name is stable; `org.parloir.Error.` stands before it on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// More bytes than the bound.
    TooLarge,
    /// Not the form of a JWS, or a payload that does not parse.
    MalformedDocument,
    /// A header that is not exactly ours (RFC 7515 with EdDSA, three members, fixed order).
    BadHeader,
    /// Another kind of document.
    WrongTyp,
    /// `v` is not 1.
    UnknownVersion,
    /// No key of the site's Authority has this thumbprint.
    UnknownKey,
    /// The key's role does not sign this kind.
    WrongRole,
    /// The key's last day is over, by a trusted clock.
    KeyExpired,
    /// The key may not sign for this class, or for so long.
    KeyBounds,
    /// Small order, or not the one spelling of its point.
    WeakKey,
    /// The signature does not fit.
    BadSignature,
    /// Fewer distinct roots than needed.
    NotEnoughRoots,
    /// A revision below the highest that this box has seen.
    OldRevision,
    /// For another site.
    NotForThisSite,
    /// For another box.
    NotForThisBox,
    /// For another call, grant or nonce.
    NotForThisCall,
    /// The seal does not open: another box's, another kind's, or changed on the way.
    CannotUnseal,
    /// The door ticket is forged, or does not say what its grant says.
    BadTicket,
    /// The kernel gave no random bytes.
    NoRandom,
    /// A rule of pass; the code is the rule's own.
    Rule(&'static str),
}

impl Code {
    /// Every one of seal's own.
    pub const ALL: &[Self] = &[
        Self::TooLarge,
        Self::MalformedDocument,
        Self::BadHeader,
        Self::WrongTyp,
        Self::UnknownVersion,
        Self::UnknownKey,
        Self::WrongRole,
        Self::KeyExpired,
        Self::KeyBounds,
        Self::WeakKey,
        Self::BadSignature,
        Self::NotEnoughRoots,
        Self::OldRevision,
        Self::NotForThisSite,
        Self::NotForThisBox,
        Self::NotForThisCall,
        Self::CannotUnseal,
        Self::BadTicket,
        Self::NoRandom,
    ];

    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLarge => "TooLarge",
            Self::MalformedDocument => "MalformedDocument",
            Self::BadHeader => "BadHeader",
            Self::WrongTyp => "WrongTyp",
            Self::UnknownVersion => "UnknownVersion",
            Self::UnknownKey => "UnknownKey",
            Self::WrongRole => "WrongRole",
            Self::KeyExpired => "KeyExpired",
            Self::KeyBounds => "KeyBounds",
            Self::WeakKey => "WeakKey",
            Self::BadSignature => "BadSignature",
            Self::NotEnoughRoots => "NotEnoughRoots",
            Self::OldRevision => "OldRevision",
            Self::NotForThisSite => "NotForThisSite",
            Self::NotForThisBox => "NotForThisBox",
            Self::NotForThisCall => "NotForThisCall",
            Self::CannotUnseal => "CannotUnseal",
            Self::BadTicket => "BadTicket",
            Self::NoRandom => "NoRandom",
            Self::Rule(name) => name,
        }
    }

    /// What whoever issued or carried the document can do.
    #[must_use]
    pub const fn next_step(self) -> &'static str {
        match self {
            Self::TooLarge => "send a shorter document",
            Self::MalformedDocument | Self::BadHeader | Self::WrongTyp => {
                "compare it with docs/schema and with parloirctl inspect"
            }
            Self::UnknownVersion => "issue version 1, or update the box",
            Self::UnknownKey | Self::WrongRole | Self::KeyExpired | Self::KeyBounds => {
                "sign with a key that the site's Authority names for this, or issue a new Authority"
            }
            Self::WeakKey => "make a new key with parloirctl",
            Self::BadSignature => "issue it again; if it happens twice somebody changes documents on the way",
            Self::NotEnoughRoots => "have the missing roots sign it",
            Self::OldRevision => "issue it with a higher revision",
            Self::NotForThisSite | Self::NotForThisBox | Self::NotForThisCall => "issue one for this box and this call",
            Self::CannotUnseal => "seal it to this box's key, for this device and kind",
            Self::BadTicket => "issue the ticket again with the site's door key and the values of its grant",
            Self::NoRandom => "restart the box; if it stays, replace it",
            Self::Rule(_) => "correct the field and issue it again",
        }
    }
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Stable code.
    pub code: Code,
    /// Which document, such as `grant`.
    pub thing: &'static str,
    /// Where in it, such as `header` or `payload.lease_s`.
    pub place: String,
    /// What was wrong, in words; never a value of the document.
    pub cause: String,
}

impl Refused {
    /// A refusal.
    #[must_use]
    pub fn new(code: Code, thing: &'static str, place: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { code, thing, place: place.into(), cause: cause.into() }
    }

    /// A broken rule of pass.
    #[must_use]
    pub fn rule(thing: &'static str, broken: Broken) -> Self {
        let code = match broken.code {
            "MalformedDocument" => Code::MalformedDocument,
            "UnknownVersion" => Code::UnknownVersion,
            "WrongRole" => Code::WrongRole,
            other => Code::Rule(other),
        };
        Self::new(code, thing, format!("payload.{}", broken.field), broken.rule)
    }

    /// A payload that does not parse. Names of members are told (an integrator needs them), values never.
    #[must_use]
    pub(crate) fn json(thing: &'static str, error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let about_members = ["unknown field", "missing field", "duplicate field", "unknown variant"];
        let cause = match text.split(" at line ").next() {
            Some(told) if about_members.iter().any(|a| told.starts_with(a)) => told.escape_debug().take(160).collect(),
            _ => "a value of the wrong kind, or not JSON".to_owned(),
        };
        Self::new(Code::MalformedDocument, thing, format!("payload, column {}", error.column()), cause)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, thing, place, cause } = self;
        write!(f, "{thing}: {place}: {cause}; {} [org.parloir.Error.{}]", code.next_step(), code.name())
    }
}

impl core::error::Error for Refused {}
