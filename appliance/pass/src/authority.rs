//! Owns: who may sign what at a site.
//! Never: the root keys (they are in the image), or a key without a role.
//! Called by: seal (looks keys up), rules, the issuer.

use serde::{Deserialize, Serialize};

use crate::words::{need, version};
use crate::{Broken, Bytes32, Class, Document, Id, Role, Typ, words};

/// The keys of one site by role. Signed by k of n offline roots in the general JSON serialization (RFC 7515 section 7.2.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// Version, 1.
    pub v: u32,
    /// The site whose boxes may believe it.
    pub site: Id,
    /// Grows with every Authority of the site; a box never goes back.
    pub revision: u64,
    /// The keys; each key stands once.
    #[cfg_attr(feature = "schema", schemars(length(max = 32)))]
    pub keys: Vec<AuthorityKey>,
    /// X25519 public key (RFC 7748) that documents for the facility are sealed to (Ask, Receipt).
    pub facility_seal: Bytes32,
    /// Always-dialable peers; reserved, empty for now.
    #[cfg_attr(feature = "schema", schemars(length(max = 0)))]
    pub always: Vec<Always>,
}

/// One key and its bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AuthorityKey {
    /// The one role of the key.
    pub role: Role,
    /// Ed25519 public key (RFC 8032).
    pub key: Bytes32,
    /// grant, door: classes that it may sign for. Other roles: empty.
    pub classes: Vec<Class>,
    /// grant, door: longest lease that it may sign, seconds. Other roles: 0.
    pub longest_s: u32,
    /// Unix seconds UTC of its last valid second; judged only when the clock is trusted.
    pub not_after: i64,
}

/// An always-dialable peer. Reserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Always {
    /// Shown name.
    pub name: String,
    /// Its pinned key.
    pub peer: Bytes32,
}

/// Most keys of an Authority.
pub const MAX_KEYS: usize = 32;

impl Authority {
    /// The keys of a role.
    pub fn keys_of(&self, role: Role) -> impl Iterator<Item = &AuthorityKey> {
        self.keys.iter().filter(move |k| k.role == role)
    }

    /// The longest lease, seconds, that some key of the role may sign for a class; 0 if none may.
    #[must_use]
    pub fn longest_s(&self, role: Role, class: Class) -> u32 {
        self.keys_of(role).filter(|k| k.classes.contains(&class)).map(|k| k.longest_s).max().unwrap_or(0)
    }
}

impl Document for Authority {
    const TYP: Typ = Typ::Authority;

    fn check(&self) -> Result<(), Broken> {
        version(self.v)?;
        need(self.keys.len() <= MAX_KEYS, "MalformedDocument", "keys", "more than 32 keys")?;
        need(self.always.is_empty(), "MalformedDocument", "always", "reserved: must be empty")?;
        self.always.iter().try_for_each(|a| words::name("always.name", &a.name))?;
        for (i, key) in self.keys.iter().enumerate() {
            need(key.role.in_authority(), "WrongRole", "keys.role", "roots, boxes and visitors are not named here")?;
            let earlier = self.keys[..i].iter().any(|k| k.key == key.key);
            need(!earlier, "WrongRole", "keys.key", "one key, one role: the key stands twice")?;
            let bounded = !key.classes.is_empty() && key.longest_s > 0;
            let free = key.classes.is_empty() && key.longest_s == 0;
            let fits = if key.role.is_bounded() { bounded } else { free };
            need(
                fits,
                "MalformedDocument",
                "keys.classes",
                "grant and door keys have classes and longest_s, the others neither",
            )?;
        }
        Ok(())
    }
}
