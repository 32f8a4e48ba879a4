//! Owns: what a restart must not lose: the visits with their grants and counts, the ring, what staff denied, waits after wrong codes, and what links are made from.
//! Never: a key or a password; those lie in the site's directory, and this says nothing without them.
//! Called by: the desk, [`crate::office`].

use super::signing::Codes;
use super::{Desk, MAX_DENIED, MAX_VISITS, Now, Wrong};
use crate::visit::{Rung, Visit};
use parloir_pass::{DenyTarget, Id, VERSION};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    v: u32,
    site: Id,
    device: Id,
    salt: Id,
    /// When it was written, by both clocks.
    mono_ms: u64,
    unix_ms: i64,
    visits: Vec<Visit>,
    ring: Option<Rung>,
    denied: Vec<DenyTarget>,
    codes: Codes,
}

impl Desk {
    /// The state to be written, if it changed since this was last asked.
    pub fn kept(&mut self, now: Now) -> Option<Vec<u8>> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let kept = Kept {
            v: VERSION,
            site: self.site.site,
            device: self.site.device,
            salt: self.salt,
            mono_ms: now.mono_ms,
            unix_ms: now.unix_ms,
            visits: self.visits.iter().cloned().collect(),
            ring: self.ring.clone(),
            denied: self.denied.clone(),
            codes: self.codes.clone(),
        };
        serde_json::to_vec(&kept).ok()
    }

    /// Goes on where the process before this one stopped. Its monotonic clock may have been another one, so instants are moved by wall time.
    pub(super) fn restore(&mut self, now: Now, bytes: &[u8]) -> Result<(), Wrong> {
        let kept: Kept = serde_json::from_slice(bytes)?;
        if kept.v != VERSION || (kept.site, kept.device) != (self.site.site, self.site.device) {
            return Err("the state is another site's, or of an unknown version: give it a directory of its own".into());
        }
        if kept.visits.len() > MAX_VISITS || kept.denied.len() > MAX_DENIED {
            return Err("the state holds more than this program writes".into());
        }
        let away_ms = u64::try_from(now.unix_ms - kept.unix_ms).unwrap_or(0);
        let then_ms = kept.mono_ms.saturating_add(away_ms);
        let by = |at: &mut u64| *at = at.saturating_add(now.mono_ms).saturating_sub(then_ms);
        self.salt = kept.salt;
        self.denied = kept.denied;
        self.codes = kept.codes;
        self.codes.shift(by);
        self.ring = kept.ring.map(|mut rung| {
            by(&mut rung.until_ms);
            // Its page has not come back yet.
            rung.gone_ms = Some(now.mono_ms);
            rung
        });
        self.visits = kept.visits.into();
        self.visits.iter_mut().for_each(|v| v.shift(by));
        Ok(())
    }
}
