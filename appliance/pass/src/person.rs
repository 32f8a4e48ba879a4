//! Owns: what one person may do.
use super::Id;
pub struct Entitlement {
    pub v: u32, pub site: Id, pub device: Id, pub revision: u64,
    pub person: Id, pub name: String, pub language: String,
    pub contacts: Vec<Contact>,
    pub bookings: Vec<Booking>,
}
pub struct Contact {
    pub id: Id, pub name: String, pub class: String,
    pub media: String,              // "video" | "voice" -> enum Media
    pub outgoing: bool, pub incoming: bool,
    pub windows: Vec<Window>,       // UTC instants for the next 14 days
}
pub struct Window { pub from: i64, pub to: i64 }
pub struct Booking { pub contact: Id, pub from: i64, pub to: i64 }
