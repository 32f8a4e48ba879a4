//! Owns: reading a provisioned site's keys and files back.
//! Never: writes.
//! Called by: facility, tests, parloirctl.

use std::path::Path;

use parloir_pass::{Bytes32, Entitlement, Id};
use parloir_seal::{Roots, UnsealKey};

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
    /// Verifies Ask and Receipt.
    pub box_key: Bytes32,
    /// What is for the box is sealed to it.
    pub box_seal: Bytes32,
}

impl Site {
    /// Reads `dir` as [`crate::provision()`] made it; the root secrets may be gone.
    ///
    /// # Errors
    /// `File`, or a broken rule of `roots.bin`.
    pub fn load(dir: &Path) -> Result<Self, Fault> {
        let site = dir.join("site");
        let device = dir.join("box");
        let person = site.join("entitlement.json");
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
            box_key: files::read_public(&device.join("ask.pub"))?,
            box_seal: files::read_public(&device.join("unseal.pub"))?,
        })
    }
}
