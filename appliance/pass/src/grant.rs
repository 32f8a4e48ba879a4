//! Owns: the question, the answer, its renewal and its end.
use super::{Bytes32, Id, Ticket128};
pub struct Ask {                    // signed by the box, sealed to the facility
    pub v: u32, pub site: Id, pub device: Id, pub call: Id, // call id == lease id
    pub person: Id, pub contact: Id, pub class: String, pub media: String,
    pub nonce: Id,                  // the box's
    pub gate_nonce: Id,
    pub certificate: Bytes32,       // SHA-256 of the visit certificate's DER
}
pub struct Grant {                  // signed by grant, sealed to the box
    pub v: u32, pub site: Id, pub device: Id, pub grant: Id, pub call: Id,
    pub nonce: Id,                  // answers the Ask
    pub person: Id, pub contact: Id, pub class: String, pub media: String,
    pub box_certificate: Bytes32,   // must equal the Ask's
    pub parties: Vec<Party>,        // 1 to 3
    pub route: String,              // "direct" -> enum Route
    pub relays: Vec<RelayCredentials>,
    pub direct_candidates: bool,    // bench only; the arbiter refuses it unless started with its bench override
    pub recorded_by: String, pub watched_by: String, pub price: String,
    pub slot_s: u32,                // fair-clock seconds
    pub lease_s: u32,               // longest wall duration: slot plus make-good; equals the ticket's longest run
    pub ticket: Ticket128,
}
pub struct Party { pub name: String, pub certificate: Bytes32, pub statement_key: Bytes32 } // Ed25519 public key (raw), of the visitor
pub struct RelayCredentials { pub url: String, pub user: String, pub password: String }
pub struct Beat { pub v: u32, pub device: Id, pub grant: Id, pub count: u64 } // count grows
pub struct Deny { pub v: u32, pub site: Id, pub target: DenyTarget, pub words: String, pub code: String }
pub enum DenyTarget { Ask(Id), Grant(Id), Contact(Id), Person(Id), Device(Id) } // Ask: the facility's answer "no" to a nonce; code such as VisitorDeclined, VisitorAbsent, NotEntitled, NoBooking
pub struct Time { pub v: u32, pub device: Id, pub nonce: Id, pub unix_ms: i64 }
