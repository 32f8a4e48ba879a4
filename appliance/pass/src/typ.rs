//! Owns: the kinds of document, and by which role of key each is signed.
//! Never: a kind without a role.
//! Called by: seal, issuer.

/// Kinds of document (`typ` of the JWS header is `parloir-<name>+jws`). Those marked reserved have no payload type yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Typ { Authority, Policy, Entitlement, Agenda, Ask, Grant, Time, Ring, SignIn, Export, Statement, Beat, Deny, Receipt }

/// What a key may sign. One key, one role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Role { Root, Policy, Entitlement, Grant, Door, Deny, Inspect, Update, Box, Visitor }
