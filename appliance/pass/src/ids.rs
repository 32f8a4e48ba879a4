//! Owns: identifiers and key bytes as they stand in JSON: 16 bytes as 32 lower-case hex digits, keys as base64url without padding (RFC 4648 section 5).
//! Never: makes a random one (seal does).
//! Called by: every document.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A 16-byte identifier: 32 lower-case hex digits in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Id(pub [u8; 16]);

/// 32 bytes: a public key, a thumbprint, a fingerprint. base64url in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Bytes32(pub [u8; 32]);

/// A door ticket as it lies in a grant. base64url in JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ticket128(pub [u8; 128]);
// serde, Display, FromStr, Debug and schema impls: see below (owner: pass)
