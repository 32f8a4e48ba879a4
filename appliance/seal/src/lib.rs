//! Owns: verifying documents, opening and sealing them, and signing the box's own three (Ask, Receipt, Export).
//! Never: network, files, a clock; signing of anything that gives authority (the issuer does).
//! Called by: arbiter, facility, parloirctl, the issuer.
//!
//! Order of every check, cheapest first and nothing parsed that is not signed: size, header bytes, key and its role, signature,
//! depth, version, members, bounds, and then whom it is for.
#![forbid(unsafe_code)]

pub mod code;
mod error;
pub mod jws;
pub mod keyring;
pub mod keys;
pub mod ledger;
pub mod random;
pub mod roots;
pub mod sealed;
pub mod ticket;

pub use error::{Code, Refused};
pub use keyring::{Clock, Keyring};
pub use keys::{BoxKey, PublicKey, UnsealKey};
pub use roots::Roots;
