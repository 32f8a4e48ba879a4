//! Owns: what a TV that several people share needs: who lives in the cell without a name, and the code of who wants to be known.
//! Never: a name; a code but on its way to the facility; a verifier (requirements S4).
//! Called by: core, seal, the issuer, facility.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::words::{need, version};
use crate::{Broken, Document, Id, Typ};

/// Digits of a person's code.
pub const CODE_DIGITS: usize = 6;
/// Most people of one cell; their tags are 1 to this.
pub const MAX_PEOPLE: usize = 8;
/// Most booked visits of one cell.
pub const MAX_SLOTS: usize = 128;

/// Who lives in a cell, by tags, and when a visit is booked. Signed by an entitlement key, sealed to the box, kept by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Agenda {
    /// Version, 1.
    pub v: u32,
    /// The site.
    pub site: Id,
    /// The box that it is sealed to.
    pub device: Id,
    /// Grows with every agenda of this box.
    pub revision: u64,
    /// Who may sign in here, at most 8.
    #[cfg_attr(feature = "schema", schemars(length(max = 8)))]
    pub people: Vec<Occupant>,
    /// Booked visits, at most 128.
    #[cfg_attr(feature = "schema", schemars(length(max = 128)))]
    pub bookings: Vec<Slot>,
}

/// One person of the cell: the screen shows a sign for the tag, and no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Occupant {
    /// 1 to 8; each stands once.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 8)))]
    pub tag: u8,
    /// The person; each stands once.
    pub person: Id,
}

/// A booked visit of somebody of the cell; with whom is nobody's before they sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// Whose.
    pub tag: u8,
    /// Start, Unix seconds UTC.
    pub from: i64,
    /// End, Unix seconds UTC.
    pub to: i64,
}

impl Agenda {
    /// Who has this tag.
    #[must_use]
    pub fn person(&self, tag: u8) -> Option<Id> {
        self.people.iter().find(|occupant| occupant.tag == tag).map(|occupant| occupant.person)
    }

    /// The tag of a person.
    #[must_use]
    pub fn tag(&self, person: &Id) -> Option<u8> {
        self.people.iter().find(|occupant| occupant.person == *person).map(|occupant| occupant.tag)
    }

    /// The booked visit that runs at an instant (Unix seconds UTC) or the first after it.
    #[must_use]
    pub fn next_slot(&self, now: i64) -> Option<Slot> {
        self.bookings.iter().filter(|slot| slot.to > now).min_by_key(|slot| slot.from).copied()
    }
}

impl Document for Agenda {
    const TYP: Typ = Typ::Agenda;

    fn check(&self) -> Result<(), Broken> {
        version(self.v)?;
        need(self.people.len() <= MAX_PEOPLE, "MalformedDocument", "people", "more than 8")?;
        need(self.bookings.len() <= MAX_SLOTS, "MalformedDocument", "bookings", "more than 128")?;
        for (i, one) in self.people.iter().enumerate() {
            let earlier = self.people[..i].iter().any(|other| other.tag == one.tag || other.person == one.person);
            need(!earlier, "MalformedDocument", "people", "a tag or a person stands twice")?;
            need((1..=MAX_PEOPLE).contains(&usize::from(one.tag)), "MalformedDocument", "people.tag", "not 1 to 8")?;
        }
        for slot in &self.bookings {
            need(slot.from < slot.to, "MalformedDocument", "bookings", "ends before it starts")?;
            need(self.person(slot.tag).is_some(), "MalformedDocument", "bookings.tag", "is nobody's of the cell")?;
        }
        Ok(())
    }
}

/// Somebody's code. Signed by the box, sealed to the facility, which verifies and counts.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// Version, 1.
    pub v: u32,
    /// The site.
    pub site: Id,
    /// The box.
    pub device: Id,
    /// New with each code; the entitlement that answers it names it, and so does the no.
    pub nonce: Id,
    /// Whose code it should be, as the agenda names them.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 8)))]
    pub tag: u8,
    /// Six digits.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[0-9]{6}$")))]
    pub code: String,
}

/// Without the code.
impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn").field("nonce", &self.nonce).field("tag", &self.tag).finish_non_exhaustive()
    }
}

impl Document for SignIn {
    const TYP: Typ = Typ::SignIn;

    fn check(&self) -> Result<(), Broken> {
        version(self.v)?;
        need((1..=MAX_PEOPLE).contains(&usize::from(self.tag)), "MalformedDocument", "tag", "not 1 to 8")?;
        let digits = self.code.len() == CODE_DIGITS && self.code.bytes().all(|b| b.is_ascii_digit());
        need(digits, "MalformedDocument", "code", "not six digits")
    }
}
