//! Owns: the rules of a site.
use super::Id;
pub struct SitePolicy {
    pub v: u32, pub site: Id, pub revision: u64, pub site_name: String,
    pub zone_minutes: i32,
    pub sign_in: bool,              // false: the cell's one person needs no sign-in
    pub classes: Vec<ClassRule>,
    pub relays: Vec<String>,        // turn: URLs a grant may name
    pub languages: Vec<String>,
}
pub struct ClassRule {
    pub class: String,              // "family"
    pub longest_s: u32,
    pub beat_every_s: u32,          // 20
    pub beat_grace_s: u32,          // after a missing beat, told on screen
    pub make_good_s: u32,           // how much the lease may outlast the slot
    pub recording: bool,            // whether a grant may say recorded
    pub monitoring: bool,
    pub price: String,              // words; empty: free
    pub video: bool,
}
