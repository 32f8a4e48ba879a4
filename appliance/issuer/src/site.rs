//! Owns: reading a provisioned site's keys and files back.
//! Never: writes.
//! Called by: facility, tests, parloirctl.

use std::path::Path;

use parloir_pass::{Agenda, Bytes32, Entitlement, Id, Occupant, Slot, VERSION};
use parloir_seal::{Roots, UnsealKey};
use serde::{Deserialize, Serialize};

use crate::provision::OLD_GRANT_KEY;
use crate::{Fault, Secret, files};

/// What the facility holds of a site with one box.
#[derive(Debug)]
pub struct Site {
    /// The site.
    pub site: Id,
    /// The box.
    pub device: Id,
    /// Signs SitePolicy.
    pub policy: Secret,
    /// Signs Entitlement.
    pub entitlement: Secret,
    /// Signs Grant, Beat, Time.
    pub grant: Secret,
    /// For tests: a grant key whose date is over.
    pub old_grant: Option<Secret>,
    /// Signs door tickets.
    pub door: Secret,
    /// Signs Deny.
    pub deny: Secret,
    /// Opens Ask and Receipt.
    pub seal: UnsealKey,
    /// The root keys of the image.
    pub roots: Roots,
    /// The Authority as it is published, general JSON serialization.
    pub authority: Vec<u8>,
    /// The policy as it is published, compact JWS.
    pub policy_jws: Vec<u8>,
    /// The door key record, 256 bytes.
    pub door_record: Vec<u8>,
    /// The person's entitlement, to be signed and sealed.
    pub person: Entitlement,
    /// Where several people share the box: all of them, each with a code; empty: it is `person`'s alone.
    pub people: Vec<Inhabitant>,
    /// Verifies Ask and Receipt.
    pub box_key: Bytes32,
    /// What is for the box is sealed to it.
    pub box_seal: Bytes32,
}

/// One of several people who share a box.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inhabitant {
    /// 1 to 8, by which the screen knows them.
    pub tag: u8,
    /// Six digits. The facility alone has them.
    pub code: String,
    /// What they may do, but for `answers` and `revision`.
    pub entitlement: Entitlement,
}

/// Without the code.
impl core::fmt::Debug for Inhabitant {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Inhabitant").field("tag", &self.tag).finish_non_exhaustive()
    }
}

/// Under `site/`: the people of a shared box; mode 0600.
pub const PEOPLE: &str = "people.json";

impl Site {
    /// Everybody who lives with the box.
    pub fn everybody(&self) -> impl Iterator<Item = &Entitlement> {
        let alone = self.people.is_empty().then_some(&self.person);
        self.people.iter().map(|one| &one.entitlement).chain(alone)
    }

    /// Whose contact this is.
    #[must_use]
    pub fn whose(&self, contact: &Id) -> Option<&Entitlement> {
        self.everybody().find(|person| person.contact(contact).is_some())
    }

    /// Who shares the box, without a name.
    #[must_use]
    pub fn agenda(&self, revision: u64) -> Agenda {
        let people = self.people.iter().map(|one| Occupant { tag: one.tag, person: one.entitlement.person }).collect();
        let slots = |one: &Inhabitant| -> Vec<Slot> {
            one.entitlement.bookings.iter().map(|b| Slot { tag: one.tag, from: b.from, to: b.to }).collect()
        };
        let bookings = self.people.iter().flat_map(slots).collect();
        Agenda { v: VERSION, site: self.site, device: self.device, revision, people, bookings }
    }

    /// Reads `dir` as [`crate::provision()`] made it; the root secrets may be gone.
    ///
    /// # Errors
    /// `File`, or a broken rule of `roots.bin`.
    pub fn load(dir: &Path) -> Result<Self, Fault> {
        let site = dir.join("site");
        let device = dir.join("box");
        let person = site.join("entitlement.json");
        let people = site.join(PEOPLE);
        let shared = people.exists().then(|| files::read(&people)).transpose()?;
        let parsed = serde_json::from_slice(&files::read(&person)?);
        Ok(Self {
            site: files::read_id(&device.join("site.id"))?,
            device: files::read_id(&device.join("device.id"))?,
            policy: files::read_secret(&site.join("policy.key"))?,
            entitlement: files::read_secret(&site.join("entitlement.key"))?,
            grant: files::read_secret(&site.join("grant.key"))?,
            old_grant: files::read_secret(&site.join(OLD_GRANT_KEY)).ok(),
            door: files::read_secret(&site.join("door.key"))?,
            deny: files::read_secret(&site.join("deny.key"))?,
            seal: UnsealKey::new(&files::read_32(&site.join("seal.key"))?)?,
            roots: Roots::parse(&files::read(&dir.join("roots.bin"))?)?,
            authority: files::read(&site.join("authority.json"))?,
            policy_jws: files::read(&site.join("policy.jws"))?,
            door_record: files::read(&site.join("door-record.bin"))?,
            person: parsed.map_err(|e| Fault::file(&person, e, "compare it with docs/schema/entitlement.json"))?,
            people: shared.map_or(Ok(Vec::new()), |bytes| {
                serde_json::from_slice(&bytes).map_err(|e| Fault::file(&people, e, "make it as parloirctl init --shared does"))
            })?,
            box_key: files::read_public(&device.join("ask.pub"))?,
            box_seal: files::read_public(&device.join("unseal.pub"))?,
        })
    }
}
