//! Owns: one visit as the facility sees it, from the question to the receipt, and one incoming call before it.
//! Never: a signature, a clock.
//! Called by: [`crate::desk`].

use crate::page::{Receipt, Ringing};
use parloir_pass::{Ask, Bytes32, Id, Party, Statement};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most signalling messages of one generation that are shown again to a page that came back.
const MAX_SIGNALS: usize = 65;
/// By how much the box may have counted more than a page had time to say, ms: a statement a second, and three until a missing one counts.
const UNSAID_MS: u64 = 4000;
/// The same for each time that the page said itself that the picture stopped, ms: a second of the way.
const PAUSE_MS: u64 = 1000;

/// A visit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Visit {
    /// What was asked.
    pub ask: Ask,
    /// When, monotonic ms.
    pub asked_ms: u64,
    /// What the visitor is told.
    pub ringing: Ringing,
    /// Slot and make-good, seconds.
    pub lease_s: u32,
    /// How far it has come.
    pub stage: Stage,
    /// The admissions that a later grant replaced, in order.
    pub earlier: Vec<Admission>,
    /// Nonces of the questions that those were answers to: the broker may deliver a question twice.
    pub answered: Vec<Id>,
    /// Why it ended, by the box.
    pub reason: Option<String>,
    /// The receipt that was judged already, for a page that was not there then.
    pub receipt: Option<Receipt>,
}

/// How far a visit has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Stage {
    /// The visitor's page rings.
    Calling {
        /** Then the visitor counts as absent, monotonic ms. */
        until_ms: u64,
    },
    /// Granted, and renewed by beats.
    Admitted {
        /** What the newest grant says of the visitor. */
        admission: Admission,
        /** When the lease ends at the latest, monotonic ms. */
        until_ms: u64,
        /** A page with another certificate wants to go on. */
        anew: Option<Anew>,
    },
    /// Over; the receipt may still come.
    Over {
        /** None: it did not come to a grant. */
        admission: Option<Admission>,
    },
}

/// The visitor under one grant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admission {
    /// The grant's id.
    pub grant: Id,
    /// Seconds of the fair clock that it gives.
    pub slot_s: u32,
    /// When it was given, monotonic ms; its beats count from there.
    pub granted_ms: u64,
    /// The highest beat that was sent.
    pub beats: u64,
    /// Until when the relay's credentials of the page hold, Unix seconds.
    pub expires_s: i64,
    /// As the visitor gave them, whatever the grant was made to say.
    pub party: Party,
    /// The box's half of the short code, once it showed it.
    pub half: Option<Bytes32>,
    /// The highest statement that verified.
    pub statement: Option<Statement>,
    /// How often the picture stopped, by the statements.
    pub pauses: u64,
    /// Signalling of the newest generation.
    #[serde(skip)]
    pub signals: Signals,
}

/// Signalling of an admission. It dies with the process: a page asks for a new offer then.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// From the box, of the newest generation, while the page has not answered.
    pub unanswered: Vec<Value>,
    /// Messages from the box, from the page.
    pub counts: (u64, u64),
}

/// A page that came back with another certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anew {
    /// What the new grant shall say of it.
    pub party: Party,
    /// How often the box was told.
    pub hints: u32,
    /// When it is told again if it has not asked, monotonic ms.
    pub again_ms: u64,
}

/// A call from a page to the cell.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    /// Its id.
    pub ring: Id,
    /// Who calls.
    pub contact: Id,
    /// What the box said of it.
    pub state: RingState,
    /// Then it is given up, monotonic ms.
    pub until_ms: u64,
    /// Since when the page is gone, monotonic ms.
    pub gone_ms: Option<u64>,
}

/// What the box said of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RingState {
    /// Nothing yet.
    Sent,
    /// It rings in the cell.
    Ringing,
    /// The person pressed OK; the question follows.
    Answered,
}

impl Visit {
    /// The visitor under the newest grant, over or not.
    #[must_use]
    pub const fn admission(&self) -> Option<&Admission> {
        match &self.stage {
            Stage::Calling { .. } => None,
            Stage::Admitted { admission, .. } => Some(admission),
            Stage::Over { admission } => admission.as_ref(),
        }
    }
    /// The same, to be changed.
    pub const fn admission_mut(&mut self) -> Option<&mut Admission> {
        match &mut self.stage {
            Stage::Calling { .. } => None,
            Stage::Admitted { admission, .. } => Some(admission),
            Stage::Over { admission } => admission.as_mut(),
        }
    }
    /// Every admission, in the order of their grants.
    pub fn admissions(&self) -> impl Iterator<Item = &Admission> {
        self.earlier.iter().chain(self.admission())
    }
    /// Whether the box may still be in it.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over { .. })
    }
    /// It is over; who was in it stays known for the receipt.
    pub fn end(&mut self) {
        let admission = self.admission().cloned();
        self.stage = Stage::Over { admission };
    }
    /// Slot and lease that are left now, seconds, so that the box cannot have less: it counts no second that the page did not see, but for
    /// what the page had no time to say. `None`: too little is left.
    #[must_use]
    pub fn left(&self, now_ms: u64) -> Option<(u32, u32)> {
        let Stage::Admitted { until_ms, .. } = self.stage else { return None };
        let since_ms = now_ms.saturating_sub(self.admissions().next()?.granted_ms);
        let seen_ms: u64 = self.admissions().filter_map(|a| a.statement).map(|s| s.decoded_ms).fold(0, u64::saturating_add);
        let unsaid_ms =
            self.admissions().map(|a| UNSAID_MS.saturating_add(a.pauses.saturating_mul(PAUSE_MS))).fold(0, u64::saturating_add);
        let used_s = since_ms.min(seen_ms.saturating_add(unsaid_ms)).div_ceil(1000);
        let slot_s = u64::from(self.ringing.slot_s).checked_sub(used_s)?;
        let make_good_s = self.lease_s.saturating_sub(self.ringing.slot_s);
        // The box's lease began when its grant arrived, so it ends later than ours: ten seconds for a way that became longer.
        let lease_s = (until_ms.saturating_sub(now_ms) / 1000).checked_sub(10)?;
        let slot_s = u32::try_from(slot_s.min(lease_s)).ok().filter(|s| *s >= 5)?;
        let lease_s = u32::try_from(lease_s).unwrap_or(u32::MAX).min(slot_s + make_good_s);
        Some((slot_s, lease_s))
    }
    /// Moves every instant by as much as the monotonic clock of this process differs from that of the one that wrote it.
    pub fn shift(&mut self, by: impl Fn(&mut u64)) {
        by(&mut self.asked_ms);
        self.earlier.iter_mut().for_each(|a| by(&mut a.granted_ms));
        match &mut self.stage {
            Stage::Calling { until_ms } => by(until_ms),
            Stage::Admitted { admission, until_ms, anew } => {
                by(&mut admission.granted_ms);
                by(until_ms);
                // Its page comes again and says so again.
                *anew = None;
            }
            Stage::Over { .. } => {}
        }
    }
}

impl Admission {
    /// Keeps a signalling message of the box for a page that comes back before it answered.
    pub fn keep(&mut self, body: &Value, is_offer: bool) {
        let list = &mut self.signals.unanswered;
        if is_offer {
            list.clear();
        }
        if (is_offer || !list.is_empty()) && list.len() < MAX_SIGNALS {
            list.push(body.clone());
        }
        self.signals.counts.0 += 1;
    }
    /// Takes a statement that verified. False: an older one.
    pub fn hear(&mut self, statement: Statement) -> bool {
        if self.statement.is_some_and(|s| s.count >= statement.count) {
            return false;
        }
        self.pauses += u64::from(self.statement.is_some_and(|s| s.decoding) && !statement.decoding);
        self.statement = Some(statement);
        true
    }
}
