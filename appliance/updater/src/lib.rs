//! Owns: getting and installing images: hawkBit's device interface on one side, RAUC on the other, the arbiter's lease between them.
//! Never: installs or restarts without a lease; writes the other slot before the running one is blessed; says success before that.
//! Called by: main; tests.
#![forbid(unsafe_code)]

mod acts;
pub mod client;
pub mod code;
pub mod ddi;
mod desk;
pub mod download;
pub mod health;
pub mod lease;
pub mod rauc;
pub mod run;
pub mod store;
pub mod table;

pub use code::{Code, Refused};
