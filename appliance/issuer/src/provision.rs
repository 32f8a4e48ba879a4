//! Owns: the files of a new site with one box.
//! Never: overwrites a key.
//! Called by: parloirctl init, tests.
use std::path::Path;

use parloir_pass::Id;

use crate::{Fault, Site};

/// What to provision.
#[derive(Clone, Debug)]
pub struct Options {
    /// The box; random if `None`.
    pub device: Option<Id>,
    /// The site; random if `None`.
    pub site: Option<Id>,
    /// `turn:` URLs for the policy.
    pub relays: Vec<String>,
    /// Unix seconds UTC that windows and key dates count from.
    pub now: i64,
    /// Minutes east of UTC.
    pub zone_minutes: i32,
}

/// Makes the whole tree under `dir` (docs/operating.md lists it).
///
/// # Errors
/// `File` when something is there already; a broken rule.
pub fn provision(dir: &Path, options: &Options) -> Result<Site, Fault> {
    let _ = (dir, options);
    Err(Fault::Certificate("not yet".into()))
}
