//! Owns: where each code was seen in the walk, to be compared with where `docs/refusals.md` says that it appears.
//! Never: decides where one should.
//! Called by: walk.rs.

use super::World;
use parloir_core::effect::Entry;
use parloir_core::refusal::Place;
use parloir_core::*;

impl World {
    pub fn note_places(&mut self, event: &Event, effects: &[Effect]) {
        for effect in effects {
            let (code, place) = match effect {
                Effect::Reply { answer: Err(refusal), .. } if matches!(event, Event::Signalling { .. }) => {
                    (refusal.code.name(), Place::Courier)
                }
                Effect::Reply { answer: Err(refusal), .. } if matches!(event, Event::Begin { .. }) => {
                    (refusal.code.name(), Place::Maintenance)
                }
                Effect::Reply { answer: Err(refusal), .. } => (refusal.code.name(), Place::Calls),
                Effect::Ledger(Entry::Refused { code, .. } | Entry::RingOver { code, .. }) => (code.name(), Place::Ledger),
                Effect::Ledger(Entry::Ended { reason, .. }) => (reason.name(), Place::Ledger),
                Effect::SendRing { state: RingState::Over(code), .. } => (code.name(), Place::Facility),
                Effect::SendEnded { reason, .. } => (*reason, Place::Facility),
                _ => continue,
            };
            self.seen.insert((code, place));
        }
        if let Some(outcome) = self.state.view().outcome {
            self.seen.insert((outcome.code, Place::Screen));
        }
        if let (Some(code), true) = (self.state.verdict(), delivered(event)) {
            self.seen.insert((code.name(), Place::Courier));
        }
    }
}

/// What `Courier1.Deliver` brings, and is answered with the refusal.
fn delivered(event: &Event) -> bool {
    matches!(
        event,
        Event::Authority(_)
            | Event::Policy(_)
            | Event::Entitlement(_)
            | Event::Agenda(_)
            | Event::Time(_)
            | Event::Ring(_)
            | Event::AskAgain { .. }
            | Event::Grant { .. }
            | Event::Deny(_)
            | Event::Beat(_)
            | Event::Statement { .. }
            | Event::Unverified { .. }
    )
}
