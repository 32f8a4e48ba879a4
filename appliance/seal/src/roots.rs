//! Owns: the root keys in the image, and the k-of-n verification of an Authority (RFC 7515 section 7.2.1).
//! Never: a root key from anywhere but the image.
//! Called by: keyring, the issuer, parloirctl.

use parloir_pass::{Authority, Bytes32, Id, Typ};
use parloir_wire::door_record::{self, DoorRecord};
use serde::{Deserialize, Serialize};

use crate::{Code, PublicKey, Refused, jws};

/// Root keys and how many of them must sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    needed: usize,
    keys: Vec<PublicKey>,
}

/// An Authority as it travels.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct General {
    /// The payload, base64url.
    pub payload: String,
    /// One by each root.
    pub signatures: Vec<RootSignature>,
}

/// One root's signature.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootSignature {
    /// The protected header, base64url.
    pub protected: String,
    /// The signature, base64url.
    pub signature: String,
}

/// Most signatures of an Authority: old and new roots together while roots are rotated.
pub const MAX_SIGNATURES: usize = 2 * door_record::ROOTS;

impl Roots {
    /// Reads `roots.bin`: a byte k, a byte n, then n public keys of 32 bytes (RFC 8032), 1 ≤ k ≤ n ≤ 3.
    ///
    /// # Errors
    /// `MalformedDocument`, `WeakKey`.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let malformed = |cause| Refused::new(Code::MalformedDocument, "roots", "roots.bin", cause);
        let [needed, count, rest @ ..] = bytes else { return Err(malformed("shorter than 2 bytes")) };
        let (needed, count) = (usize::from(*needed), usize::from(*count));
        if !(1..=count).contains(&needed) || count > door_record::ROOTS {
            return Err(malformed("not 1 ≤ k ≤ n ≤ 3"));
        }
        let (chunks, left) = rest.as_chunks::<32>();
        if chunks.len() != count || !left.is_empty() {
            return Err(malformed("not n keys of 32 bytes"));
        }
        let mut keys: Vec<PublicKey> = Vec::with_capacity(count);
        for chunk in chunks {
            let key = PublicKey::new(&Bytes32(*chunk))?;
            if keys.contains(&key) {
                return Err(malformed("a key stands twice"));
            }
            keys.push(key);
        }
        Ok(Self { needed, keys })
    }

    /// The bytes of `roots.bin`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![self.needed as u8, self.keys.len() as u8];
        self.keys.iter().for_each(|k| out.extend_from_slice(&k.bytes().0));
        out
    }

    /// Verifies an Authority of any site: for diagnostics off the box.
    ///
    /// # Errors
    /// `NotEnoughRoots`, `BadSignature` (a known root's signature that does not fit refuses the whole), and those of a payload.
    pub fn verify(&self, json: &[u8]) -> Result<Authority, Refused> {
        let thing = Typ::Authority.name();
        if json.len() > jws::MAX {
            return Err(Refused::new(Code::TooLarge, thing, "document", "more than 32 KiB"));
        }
        let general: General = serde_json::from_slice(json).map_err(|e| Refused::json(thing, &e))?;
        self.count_signatures(&general)?;
        let authority: Authority = jws::payload(&jws::decode(&general.payload, thing, "payload")?)?;
        authority.keys.iter().try_for_each(|k| PublicKey::new(&k.key).map(drop))?;
        Ok(authority)
    }

    /// Verifies an Authority for a site. `floor` is the highest revision seen so far; the same one may come again.
    ///
    /// # Errors
    /// Those of [`Roots::verify`], `NotForThisSite`, `OldRevision`.
    pub fn authority(&self, json: &[u8], site: &Id, floor: u64) -> Result<Authority, Refused> {
        let thing = Typ::Authority.name();
        let authority = self.verify(json)?;
        if authority.site != *site {
            return Err(Refused::new(Code::NotForThisSite, thing, "payload.site", "another site's"));
        }
        if authority.revision < floor {
            return Err(Refused::new(Code::OldRevision, thing, "payload.revision", "below the highest seen"));
        }
        Ok(authority)
    }

    /// Signatures by roots that we do not know are passed over (roots are rotated by signing with old and new); those by known ones must fit.
    fn count_signatures(&self, general: &General) -> Result<(), Refused> {
        let thing = Typ::Authority.name();
        if general.signatures.len() > MAX_SIGNATURES {
            return Err(Refused::new(Code::TooLarge, thing, "signatures", "more than 6"));
        }
        let mut seen = vec![false; self.keys.len()];
        for one in &general.signatures {
            let parts = jws::Parts { header: &one.protected, payload: &general.payload, signature: &one.signature };
            let claim = jws::header_claim(&parts, Typ::Authority)?;
            let Some(at) = self.keys.iter().position(|k| k.thumbprint() == claim.kid) else { continue };
            if seen[at] {
                return Err(Refused::new(Code::NotEnoughRoots, thing, "signatures", "a root signed twice"));
            }
            jws::verify_signature(&parts, &self.keys[at], thing)?;
            seen[at] = true;
        }
        let count = seen.iter().filter(|s| **s).count();
        if count < self.needed {
            let cause = format!("{count} known roots signed, {} are needed", self.needed);
            return Err(Refused::new(Code::NotEnoughRoots, thing, "signatures", cause));
        }
        Ok(())
    }

    /// Verifies a door key record of any site as gate does: for diagnostics, and so that a bad one is not sent on.
    ///
    /// # Errors
    /// `MalformedDocument`, `NotEnoughRoots`, `BadSignature`, `WeakKey`.
    pub fn door_record(&self, bytes: &[u8]) -> Result<DoorRecord, Refused> {
        let refused = |code, place: &str, cause: &str| Refused::new(code, "door record", place, cause);
        let fixed = bytes.try_into().map_err(|_| refused(Code::MalformedDocument, "document", "not 256 bytes"))?;
        let (record, body, signatures) = DoorRecord::parse(fixed).map_err(|r| refused(Code::MalformedDocument, r.what, r.why))?;
        let mut count = 0;
        let message = [door_record::CONTEXT.as_slice(), &body].concat();
        for (at, signature) in signatures.iter().enumerate() {
            let Some(signature) = signature else { continue };
            if !self.keys.get(at).is_some_and(|k| k.verifies(&message, signature)) {
                return Err(refused(Code::BadSignature, "signatures", "does not fit the root of its slot"));
            }
            count += 1;
        }
        if count < self.needed {
            return Err(refused(Code::NotEnoughRoots, "signatures", "too few roots signed"));
        }
        PublicKey::new(&Bytes32(record.door_key))?;
        Ok(record)
    }
}
