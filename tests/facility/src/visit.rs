//! Owns: one visit as the facility sees it, from the question to the receipt.
//! Never: a signature, a clock.
//! Called by: [`crate::desk`].

use crate::page::{Ringing, Says};
use parloir_pass::{Ask, Id, Party, Statement};
use serde_json::Value;

/// Most signalling messages of one generation that are shown again to a page that came back.
const MAX_SIGNALS: usize = 65;

/// A visit.
#[derive(Clone, Debug)]
pub struct Visit {
    /// What was asked.
    pub ask: Ask,
    /// What the visitor is told.
    pub ringing: Ringing,
    /// Slot and make-good, seconds.
    pub lease_s: u32,
    /// How far it has come.
    pub stage: Stage,
}

/// How far a visit has come.
#[derive(Clone, Debug)]
pub enum Stage {
    /// The visitor's page rings.
    Calling {
        /** Then the visitor counts as absent, monotonic ms. */
        until_ms: u64,
    },
    /// Granted, and renewed by beats.
    Admitted {
        /** What the grant says of the visitor. */
        admission: Admission,
        /** Beats so far. */
        beats: u64,
        /** When the next is due, monotonic ms. */
        beat_at_ms: u64,
        /** When the lease ends at the latest, monotonic ms. */
        until_ms: u64,
    },
    /// Over; the receipt may still come.
    Over {
        /** None: it did not come to a grant. */
        admission: Option<Admission>,
    },
}

/// The visitor in a granted visit.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The grant's id.
    pub grant: Id,
    /// As the visitor gave them, whatever the grant was made to say.
    pub party: Party,
    /// The highest statement that verified.
    pub statement: Option<Statement>,
    /// What the page was told when it was admitted.
    pub told: Says,
    /// Signalling from the box, of the newest generation.
    pub signals: Vec<Value>,
    /// Signalling messages: from the box, from the page.
    pub counts: (u64, u64),
}

impl Visit {
    /// The visitor of a granted visit, over or not.
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
    /// What a page that opens now must be told, in order; nothing when it is over.
    #[must_use]
    pub fn for_new_page(&self) -> Vec<Says> {
        match &self.stage {
            Stage::Calling { .. } => vec![Says::Ringing(self.ringing.clone())],
            Stage::Admitted { admission, .. } => {
                let again = admission.signals.iter().map(|body| Says::Signal { body: body.clone() });
                std::iter::once(admission.told.clone()).chain(again).collect()
            }
            Stage::Over { .. } => Vec::new(),
        }
    }
}

impl Admission {
    /// Keeps a signalling message of the box for a page that comes back.
    pub fn keep(&mut self, body: &Value, is_offer: bool) {
        if is_offer {
            self.signals.clear();
        }
        if self.signals.len() < MAX_SIGNALS {
            self.signals.push(body.clone());
        }
        self.counts.0 += 1;
    }
}
