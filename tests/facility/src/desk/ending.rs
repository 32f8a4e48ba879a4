//! Owns: how a visit ends for the facility: declined, absent, ended by the box, lapsed; its receipt; and the beats until then.
//! Never: a beat for a grant that staff revoked.
//! Called by: the desk.

use super::{Desk, Now, Output, Wrong, event, publish};
use crate::page::{self, Says};
use crate::receipt::{self, judge};
use crate::visit::Stage;
use parloir_issuer::sign;
use parloir_pass::{Beat, DenyTarget, Id, Typ, VERSION};
use parloir_seal::sealed;
use serde::Deserialize;
use serde_json::json;

impl Desk {
    pub(super) fn decline(&mut self, contact: &Id, call: &Id) -> Result<Vec<Output>, Wrong> {
        let visit = self.visit_of(contact, call)?;
        if !matches!(visit.stage, Stage::Calling { .. }) {
            return Err("declined twice, or too late".into());
        }
        self.miss(call, "VisitorDeclined")
    }

    /// It does not come to a visit: both sides are told.
    pub(super) fn miss(&mut self, call: &Id, code: &str) -> Result<Vec<Output>, Wrong> {
        let visit = self.visits.iter_mut().find(|v| v.ask.call == *call).ok_or("no such visit")?;
        visit.end();
        let (nonce, contact) = (visit.ask.nonce, visit.ask.contact);
        self.changed = true;
        let mut out = vec![self.deny(DenyTarget::Ask(nonce), "", code)?];
        out.extend(self.to_page(&contact, [Says::Missed { call: *call, why: code.to_owned() }]));
        out.push(event("denied", json!({"call": call, "code": code})));
        Ok(out)
    }

    pub(super) fn ended(&mut self, body: &[u8]) -> Result<Vec<Output>, Wrong> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Ended {
            v: u32,
            call: Id,
            reason: String,
        }
        let ended: Ended = serde_json::from_slice(body)?;
        let plain = ended.reason.len() <= 64 && ended.reason.bytes().all(|b| b.is_ascii_alphanumeric());
        if ended.v != VERSION || !plain {
            return Err("an end of an unknown form".into());
        }
        let visit = self.visits.iter_mut().find(|v| v.ask.call == ended.call).ok_or("the end of a visit that was not asked")?;
        visit.end();
        visit.reason = Some(ended.reason.clone());
        let (contact, granted) = (visit.ask.contact, visit.admission().is_some());
        self.changed = true;
        let says = if granted {
            Says::Ended { call: ended.call, reason: ended.reason.clone() }
        } else {
            Says::Missed { call: ended.call, why: ended.reason.clone() }
        };
        let mut out = self.to_page(&contact, [says]);
        out.push(event("ended", json!({"call": ended.call, "reason": ended.reason})));
        Ok(out)
    }

    pub(super) fn receipt(&mut self, body: &[u8]) -> Result<Vec<Output>, Wrong> {
        let plain = sealed::open(Typ::Receipt, &self.site.device, &self.site.seal, body)?;
        let judged = judge(&plain, &self.box_key, |r| self.visits.iter().find(|v| v.ask.call == r.call))?;
        let (receipt, verified) = (&judged.receipt, judged.errors.is_empty());
        if self.visits.iter().any(|v| v.receipt.as_ref().is_some_and(|r| r.receipt == receipt.receipt)) {
            return Ok(vec![event("receipt-again", json!({"call": receipt.call, "receipt": receipt.receipt}))]);
        }
        let told = event(
            "receipt",
            json!({
                "call": receipt.call,
                "receipt": receipt,
                "verified": verified,
                "visitor_statement": judged.statements.last(),
                "statements": judged.statements,
                "seconds_counted": receipt.seconds_counted,
                "reason": receipt.reason,
                "error": judged.errors.join("; "),
            }),
        );
        let seen_ms = judged.statements.iter().fold(0_u64, |sum, s| sum.saturating_add(s.decoded_ms));
        let read = page::Receipt {
            call: receipt.call,
            seconds_counted: receipt.seconds_counted,
            seconds_seen: (!judged.statements.is_empty()).then_some(seen_ms / 1000),
            seconds_lost: receipt::seconds_lost(receipt),
            reason: receipt.reason.clone(),
            verified,
            both_sides: !judged.statements.is_empty(),
            receipt: receipt.receipt,
        };
        let mut out = vec![told];
        if let Some(visit) = self.visits.iter_mut().find(|v| v.ask.call == receipt.call) {
            visit.end();
            visit.receipt = Some(read.clone());
            let contact = visit.ask.contact;
            self.changed = true;
            out.extend(self.to_page(&contact, [Says::Receipt(read)]));
        }
        Ok(out)
    }

    pub(super) fn tick(&mut self, now: Now) -> Result<Vec<Output>, Wrong> {
        let mut out = self.tick_ring(now)?;
        out.extend(self.tick_windows(now));
        out.extend(self.tick_diagnosis(now)?);
        out.extend(self.tick_visit(now)?);
        out.extend(self.hint_again(now)?);
        if let Some((_, grant)) = self.late.take_if(|(at_ms, _)| now.mono_ms >= *at_ms) {
            out.extend([publish("grant", grant)?, event("late", json!({}))]);
        }
        Ok(out)
    }

    fn tick_visit(&mut self, now: Now) -> Result<Vec<Output>, Wrong> {
        let stopped = self.visits.back().is_some_and(|visit| self.is_stopped(visit));
        let Some(visit) = self.visits.back_mut() else { return Ok(Vec::new()) };
        let every_s = self.policy.rule(visit.ask.class).map_or(20, |r| r.beat_every_s);
        let call = visit.ask.call;
        match &mut visit.stage {
            Stage::Calling { until_ms } if now.mono_ms >= *until_ms => self.miss(&call, "VisitorAbsent"),
            Stage::Admitted { until_ms, .. } if now.mono_ms >= *until_ms => {
                visit.end();
                self.changed = true;
                Ok(vec![event("lapsed", json!({"call": call}))])
            }
            Stage::Admitted { admission, .. } if self.beats_on && self.connected => {
                // Each has its place since the grant: after an outage one beat stands for all that were missed, so the box's clock catches up.
                let due = now.mono_ms.saturating_sub(admission.granted_ms) / (u64::from(every_s) * 1000);
                if due <= admission.beats || stopped {
                    return Ok(Vec::new());
                }
                admission.beats = due;
                self.changed = true;
                let beat = Beat { v: VERSION, device: self.site.device, grant: admission.grant, count: due };
                Ok(vec![publish("beat", sign(&beat, &self.site.grant)?)?, event("beat", json!({"call": call, "count": due}))])
            }
            Stage::Calling { .. } | Stage::Admitted { .. } | Stage::Over { .. } => Ok(Vec::new()),
        }
    }
}
