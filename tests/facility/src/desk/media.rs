//! Owns: what passes between box and page in a visit: signalling, and the visitor's signed statements.
//! Never: an SDP's meaning; media.
//! Called by: the desk.

use super::{Desk, Output, Wrong, event, publish};
use crate::page::{Says, Stats};
use crate::visit::Stage;
use parloir_link::message::{read_signal, write_signal};
use parloir_pass::Id;
use parloir_wire::signal::Signal;
use serde_json::{Value, json};

/// A restart loses at most so many statements of the count of seconds.
const KEEP_EVERY: u64 = 10;

impl Desk {
    pub(super) fn signal_from_box(&mut self, body: &[u8]) -> Result<Vec<Output>, Wrong> {
        let (call, signal) = read_signal(body)?;
        let visit = self.visits.iter_mut().find(|v| v.ask.call.0 == call).ok_or("a signal about a visit that was not asked")?;
        let Stage::Admitted { admission, .. } = &mut visit.stage else { return Err("a signal outside of a visit".into()) };
        let value: Value = serde_json::from_slice(body)?;
        let is_offer = match signal {
            Signal::Offer { .. } => true,
            Signal::Candidate { .. } | Signal::Bye { .. } => false,
            Signal::Answer { .. } | Signal::Again { .. } => return Err("the box offers on this route".into()),
        };
        admission.keep(&value, is_offer);
        let told = event("signal", json!({"from": "box", "kind": value["kind"], "count": admission.signals.counts.0}));
        let contact = visit.ask.contact;
        let mut out = self.to_page(&contact, [Says::Signal { body: value }]);
        out.push(told);
        Ok(out)
    }

    pub(super) fn signal_from_page(&mut self, contact: &Id, body: Value) -> Result<Vec<Output>, Wrong> {
        let (call, signal) = read_signal(&serde_json::to_vec(&body)?)?;
        let visit = self.visit_of(contact, &Id(call))?;
        let Stage::Admitted { admission, .. } = &mut visit.stage else { return Err("a signal outside of a visit".into()) };
        match signal {
            Signal::Offer { .. } => return Err("the page does not offer on this route".into()),
            // Whatever the box offered before is answered, or is not wanted.
            Signal::Answer { .. } | Signal::Again { .. } => admission.signals.unanswered.clear(),
            Signal::Candidate { .. } | Signal::Bye { .. } => {}
        }
        admission.signals.counts.1 += 1;
        let told = event("signal", json!({"from": "page", "kind": body["kind"], "count": admission.signals.counts.1}));
        Ok(vec![publish("signal", write_signal(&call, &signal))?, told])
    }

    pub(super) fn statement(&mut self, contact: &Id, jws: &str, stats: &Stats) -> Result<Vec<Output>, Wrong> {
        // A statement may come after the end: it is the last word. The one visit of this contact that it fits is the newest.
        let visit = self.visits.iter_mut().rev().find(|v| v.ask.contact == *contact && v.admission().is_some());
        let visit = visit.ok_or("a statement without a visit")?;
        let call = visit.ask.call;
        let admission = visit.admission_mut().ok_or("a statement without a visit")?;
        let statement = parloir_seal::jws::statement(jws.as_bytes(), &admission.party.statement_key, &call)?;
        let was = admission.statement.is_some_and(|s| s.decoding);
        if !admission.hear(statement) {
            return Err("a statement whose count does not grow".into());
        }
        self.changed |= was != statement.decoding || statement.last || statement.count.is_multiple_of(KEEP_EVERY);
        let mut told = serde_json::to_value(statement)?;
        let beside = serde_json::to_value(stats)?;
        for name in ["fps", "codec", "audio_level", "generation", "frames_sent", "sent_height"] {
            told[name] = beside[name].clone();
        }
        Ok(vec![publish("statement", jws)?, event("statement", told)])
    }
}
