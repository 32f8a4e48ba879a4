//! Owns: what one person may do.
//! Never: a balance, a quota, a verifier (requirements S4).
//! Called by: core (judges a Place), rules, the issuer, facility.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::words::{need, version};
use crate::{Broken, Class, Document, Id, Media, Typ, words};

/// One person's contacts and windows. Signed by an entitlement key, sealed to the box; in memory only, for a session.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Entitlement {
    /// Version, 1.
    pub v: u32,
    /// The site.
    pub site: Id,
    /// The box that it is sealed to.
    pub device: Id,
    /// Grows with every entitlement of this box.
    pub revision: u64,
    /// The nonce of the sign-in that it answers; null where the site asks for none.
    pub answers: Option<Id>,
    /// The person.
    pub person: Id,
    /// Shown name.
    pub name: String,
    /// BCP 47 tag.
    pub language: String,
    /// Contacts in the order in which they are shown, at most 64.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub contacts: Vec<Contact>,
    /// Booked visits, at most 64.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub bookings: Vec<Booking>,
}

/// The ids only: names stay out of logs.
impl fmt::Debug for Entitlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entitlement").field("revision", &self.revision).field("person", &self.person).finish_non_exhaustive()
    }
}

/// One contact.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// Id; each stands once.
    pub id: Id,
    /// Shown name.
    pub name: String,
    /// Class of a call with them.
    pub class: Class,
    /// The most that a call may carry.
    pub media: Media,
    /// The person may call them.
    pub outgoing: bool,
    /// They may call the person.
    pub incoming: bool,
    /// When, for the next 14 days, at most 64: ascending, not overlapping.
    #[cfg_attr(feature = "schema", schemars(length(max = 64)))]
    pub windows: Vec<Window>,
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contact").field("id", &self.id).field("class", &self.class).finish_non_exhaustive()
    }
}

/// From an instant (included) to another (excluded), Unix seconds UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// First second, Unix seconds UTC.
    pub from: i64,
    /// First second that is outside again, Unix seconds UTC.
    pub to: i64,
}

/// A booked visit. It lies inside a window of its contact; the facility sees to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Booking {
    /// With whom.
    pub contact: Id,
    /// Start, Unix seconds UTC.
    pub from: i64,
    /// End, Unix seconds UTC.
    pub to: i64,
}

/// Most contacts, windows of a contact, and bookings.
pub const MAX_LIST: usize = 64;

impl Window {
    /// Whether the instant (Unix seconds UTC) lies in it.
    #[must_use]
    pub const fn contains(&self, now: i64) -> bool {
        self.from <= now && now < self.to
    }
}

impl Contact {
    /// The window that is open at an instant (Unix seconds UTC).
    #[must_use]
    pub fn open_window(&self, now: i64) -> Option<Window> {
        self.windows.iter().find(|w| w.contains(now)).copied()
    }

    /// The first window that starts after an instant (Unix seconds UTC).
    #[must_use]
    pub fn next_window(&self, now: i64) -> Option<Window> {
        self.windows.iter().filter(|w| w.from > now).min_by_key(|w| w.from).copied()
    }
}

impl Entitlement {
    /// A contact by id.
    #[must_use]
    pub fn contact(&self, id: &Id) -> Option<&Contact> {
        self.contacts.iter().find(|c| c.id == *id)
    }

    /// The booking that runs at an instant (Unix seconds UTC) or the first after it.
    #[must_use]
    pub fn next_booking(&self, now: i64) -> Option<Booking> {
        self.bookings.iter().filter(|b| b.to > now).min_by_key(|b| b.from).copied()
    }
}

impl Document for Entitlement {
    const TYP: Typ = Typ::Entitlement;

    fn check(&self) -> Result<(), Broken> {
        version(self.v)?;
        words::name("name", &self.name)?;
        words::language("language", &self.language)?;
        need(self.contacts.len() <= MAX_LIST, "MalformedDocument", "contacts", "more than 64")?;
        need(self.bookings.len() <= MAX_LIST, "MalformedDocument", "bookings", "more than 64")?;
        for (i, contact) in self.contacts.iter().enumerate() {
            words::name("contacts.name", &contact.name)?;
            let earlier = self.contacts[..i].iter().any(|c| c.id == contact.id);
            need(!earlier, "MalformedDocument", "contacts.id", "a contact stands twice")?;
            need(contact.windows.len() <= MAX_LIST, "MalformedDocument", "contacts.windows", "more than 64")?;
            need(
                contact.windows.iter().all(|w| w.from < w.to),
                "MalformedDocument",
                "contacts.windows",
                "ends before it starts",
            )?;
            let ordered = contact.windows.windows(2).all(|pair| pair[0].to <= pair[1].from);
            need(ordered, "MalformedDocument", "contacts.windows", "not ascending, or overlapping")?;
        }
        for booking in &self.bookings {
            need(booking.from < booking.to, "MalformedDocument", "bookings", "ends before it starts")?;
            need(self.contact(&booking.contact).is_some(), "MalformedDocument", "bookings.contact", "is no contact")?;
        }
        Ok(())
    }
}
