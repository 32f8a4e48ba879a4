//! Owns: the documents that carry authority, as types, and the rules that one document must keep towards another.
//! Never: crypto, network, files, clocks; a document here is already verified by seal, or not yet signed.
//! Called by: core (judges), seal (opens and verifies), the issuer, facility and parloirctl (make).
#![forbid(unsafe_code)]

pub mod authority;
pub mod grant;
pub mod ids;
pub mod person;
pub mod policy;
pub mod receipt;
pub mod typ;

pub use ids::{Bytes32, Id, Ticket128};
pub use typ::Typ;

/// The only version of every document.
pub const VERSION: u32 = 1;
