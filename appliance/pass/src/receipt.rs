//! Owns: both sides' word about a visit.
use super::{Bytes32, Id};
pub struct Statement {              // signed by the visitor's statement key
    pub v: u32, pub call: Id, pub count: u64, // grows with each statement of the visit; the highest stands
    pub decoding: bool,             // the page decodes our picture now (false after 2 s without a frame)
    pub decoded_ms: u64,            // total time that it did
    pub frames: u64, pub width: u16, pub height: u16,
    pub first_frame_ms: u64,        // from admission to the first decoded frame; 0 none yet
    pub sound_heard: bool,
    pub last: bool,                 // the page has left the visit
}
pub struct Receipt {                // signed by the box, sealed to the facility; the visitor's JWS stands beside it in full
    pub v: u32, pub site: Id, pub device: Id, pub receipt: Id, pub call: Id, pub grant: Option<Id>,
    pub person: Id, pub contact: Id, pub class: String,
    pub asked_ms: u64,              // all in ms since the Ask, monotonic
    pub admitted_ms: Option<u64>, pub first_decoded_here_ms: Option<u64>, pub first_decoded_there_ms: Option<u64>,
    pub ended_ms: u64,
    pub gaps: Vec<Gap>, pub seconds_counted: u32,
    pub frames_decoded: u64, pub width: u16, pub height: u16,
    pub reason: String,             // end reason or refusal code
    pub wall_start: i64,            // Unix s, 0 when the clock was not trusted
    pub ledger_head: Bytes32,
    pub visitor_statement: Option<String>, // compact JWS
}
pub struct Gap { pub from_ms: u64, pub to_ms: u64 }
