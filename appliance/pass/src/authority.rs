//! Owns: who may sign what at a site.
use super::{Bytes32, Id};
pub struct Authority {
    pub v: u32,
    pub site: Id,
    pub revision: u64,
    pub keys: Vec<AuthorityKey>,
    /// X25519 key that documents for the facility are sealed to (Ask, Receipt).
    pub facility_seal: Bytes32,
    /// Always-dialable; reserved, empty for now.
    pub always: Vec<Always>,
}
pub struct AuthorityKey {
    pub role: super::typ::Role, // snake/kebab lower-case in JSON
    pub key: Bytes32,
    pub classes: Vec<String>,       // grant, door: classes it may sign for
    pub longest_s: u32,             // grant, door: longest duration it may sign
    pub not_after: i64,             // Unix s; judged only when the clock is trusted
}
pub struct Always { pub name: String, pub peer: Bytes32 }
