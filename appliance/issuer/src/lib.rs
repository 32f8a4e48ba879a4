//! Owns: the signing of every document that gives authority, and the making of a site's keys and files.
//! Never: a place in the image; the network.
//! Called by: parloirctl, facility, and tests as a dev-dependency.
#![forbid(unsafe_code)]

mod error;
pub mod example;
pub mod files;
pub mod provision;
pub mod sign;
pub mod site;
pub mod tls;

pub use error::Fault;
pub use provision::{Family, Options, provision};
pub use sign::{Secret, authority, door_record, sign, ticket};
pub use site::Site;
