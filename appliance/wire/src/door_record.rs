//! Owns: the layout of the door key record, by which gate learns whose tickets to believe.
//! Never: verifies a signature (gate does, against the root keys in the read-only image).
//! Called by: gate, the issuer, parloirctl.

use crate::Id;
use crate::codec::{Reader, Refused, Writer, refused};

/// Bytes of a record: 64 that are signed, then three slots of 64 for the signatures of roots 0, 1 and 2 (all zero: not signed).
pub const SIZE: usize = 256;
/// Bytes that each signature covers.
pub const BODY: usize = 64;
/// Most root keys that a record can be signed by.
pub const ROOTS: usize = 3;
/// First bytes of the body.
pub const MAGIC: &[u8; 4] = b"PDKR";
/// The only version.
pub const VERSION: u8 = 1;
/// What each signature covers before the body.
pub const CONTEXT: &[u8; 20] = b"parloir-door-record\0";

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoorRecord {
    /// The site whose boxes may believe it.
    pub site: Id,
    /// Ed25519 public key (RFC 8032) that signs door tickets.
    pub door_key: [u8; 32],
    /// Grows with every record; gate never goes back.
    pub revision: u64,
}

/// A record, the bytes that are signed, and the signatures by root; an absent one is `None`.
pub type Parsed = (DoorRecord, [u8; BODY], [Option<[u8; 64]>; ROOTS]);

impl DoorRecord {
    /// The 64 bytes that are signed after [`CONTEXT`].
    #[must_use]
    pub fn body(&self) -> [u8; BODY] {
        let mut w = Writer::new();
        w.raw(MAGIC).u8(VERSION).raw(&[0; 3]).raw(&self.site).raw(&self.door_key).u64(self.revision);
        w.finish_fixed()
    }

    /// Splits 256 bytes. The signatures are **not** checked here.
    ///
    /// # Errors
    /// Wrong magic, unknown version, padding that is not zero.
    pub fn parse(bytes: &[u8; SIZE]) -> Result<Parsed, Refused> {
        let mut r = Reader::new(bytes);
        let body: [u8; BODY] = r.array("door record")?;
        let mut signatures = [None; ROOTS];
        for slot in &mut signatures {
            let s: [u8; 64] = r.array("door record signature")?;
            *slot = (s != [0; 64]).then_some(s);
        }
        let mut r = Reader::new(&body);
        if &r.array::<4>("door record magic")? != MAGIC {
            return Err(refused("door record magic", "not PDKR"));
        }
        if r.u8("door record version")? != VERSION {
            return Err(refused("door record version", "unknown"));
        }
        if r.array::<3>("door record padding")? != [0; 3] {
            return Err(refused("door record padding", "not zero"));
        }
        let record = Self {
            site: r.array("door record site")?,
            door_key: r.array("door record key")?,
            revision: r.u64("door record revision")?,
        };
        Ok((record, body, signatures))
    }

    /// Body and signatures as they travel.
    #[must_use]
    pub fn join(body: &[u8; BODY], signatures: &[Option<[u8; 64]>; ROOTS]) -> [u8; SIZE] {
        let mut w = Writer::new();
        w.raw(body);
        for s in signatures {
            w.raw(&s.unwrap_or([0; 64]));
        }
        w.finish_fixed()
    }
}
