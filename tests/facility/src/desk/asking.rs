//! Owns: the box's question: whether it may be put to the visitor, and what the visitor is told then.
//! Never: the answer to it (joining).
//! Called by: the desk.

use super::{Desk, MAX_VISITS, Now, Output, Wrong, event};
use crate::page::{Ringing, Says};
use crate::visit::{Rung, Stage, Visit};
use parloir_pass::{Ask, Contact, DenyTarget, Media, Typ};
use parloir_seal::{jws, sealed};
use serde_json::json;

impl Desk {
    pub(super) fn ask(&mut self, now: Now, body: &[u8]) -> Result<Vec<Output>, Wrong> {
        let plain = sealed::open(Typ::Ask, &self.site.device, &self.site.seal, body)?;
        let ask: Ask = jws::verify(&plain, &self.box_key)?;
        if ask.regrant.is_some() {
            return self.asked_again(now, &ask);
        }
        if self.visits.iter().any(|v| v.ask.nonce == ask.nonce || v.ask.call == ask.call) {
            return Ok(Vec::new());
        }
        let judged = self.entitled(now, &ask).and_then(|both| self.answers_ring(&ask).map(|()| both));
        let (ringing, lease_s) = match judged {
            Ok(both) => both,
            Err(code) => {
                let told = event("denied", json!({"call": ask.call, "code": code}));
                return Ok(vec![self.deny(DenyTarget::Ask(ask.nonce), "", code)?, told]);
            }
        };
        let mut out = vec![event(
            "asked",
            json!({"call": ask.call, "contact": ringing.contact, "media": ask.media, "class": ask.class, "ring": ask.ring}),
        )];
        self.make_room(&mut out);
        if ask.ring.is_some() {
            self.ring = None;
        }
        let stage = Stage::Calling { until_ms: now.mono_ms + self.settings.absent_ms };
        out.extend(self.to_page(&ask.contact, [Says::Ringing(ringing.clone())]));
        let (asked_ms, earlier, answered) = (now.mono_ms, Vec::new(), Vec::new());
        self.visits.push_back(Visit { ask, asked_ms, ringing, lease_s, stage, earlier, answered, reason: None, receipt: None });
        self.changed = true;
        Ok(out)
    }

    /// One box, one visit: whatever was rung for before is dead, its nonce with it. The oldest that is over makes room.
    fn make_room(&mut self, out: &mut Vec<Output>) {
        let mut dead = Vec::new();
        for visit in self.visits.iter_mut().filter(|v| !v.is_over()) {
            visit.end();
            dead.push((visit.ask.contact, visit.ask.call));
        }
        for (contact, call) in dead {
            out.extend(self.to_page(&contact, [Says::Missed { call, why: "CalledAgain".to_owned() }]));
        }
        if self.visits.len() >= MAX_VISITS {
            self.visits.pop_front();
        }
    }

    /// A question that answers a ring must answer the one that rings now.
    fn answers_ring(&self, ask: &Ask) -> Result<(), &'static str> {
        let Some(ring) = ask.ring else { return Ok(()) };
        let rings = |r: &Rung| r.ring == ring && r.contact == ask.contact;
        if self.ring.as_ref().is_some_and(rings) { Ok(()) } else { Err("CallerGone") }
    }

    /// What the visitor is told, and the lease, if the question is within the entitlement and the policy.
    fn entitled(&self, now: Now, ask: &Ask) -> Result<(Ringing, u32), &'static str> {
        let person = self.site.whose(&ask.contact).filter(|person| self.is_there(&person.person)).ok_or("NotEntitled")?;
        let ours = (ask.site, ask.device, ask.person) == (self.site.site, self.site.device, person.person);
        let direction = |c: &&Contact| if ask.ring.is_some() { c.incoming } else { c.outgoing };
        let contact =
            person.contact(&ask.contact).filter(|c| ours && direction(c) && c.class == ask.class).ok_or("NotEntitled")?;
        if self.is_denied(&contact.id) {
            return Err("Revoked");
        }
        let rule = self.policy.rule(ask.class).ok_or("NotEntitled")?;
        if ask.media == Media::Video && !(contact.media == Media::Video && rule.video) {
            return Err("NotEntitled");
        }
        let unix_s = now.unix_ms / 1000;
        let window = contact.open_window(unix_s).ok_or("OutsideWindow")?;
        // Windows that touch are one: a visit does not end at midnight because the day does.
        let end = contact.windows.iter().fold(window.to, |end, w| if w.from == end { w.to } else { end });
        let left = u32::try_from(end - unix_s).unwrap_or(u32::MAX);
        let ringing = Ringing {
            call: ask.call,
            ring: ask.ring,
            person: person.name.clone(),
            contact: contact.name.clone(),
            media: ask.media,
            class: ask.class,
            commitment: ask.commitment,
            slot_s: rule.longest_s.min(left),
            recorded_by: String::new(),
            watched_by: String::new(),
            price: rule.price.clone(),
        };
        let lease_s = ringing.slot_s + rule.make_good_s;
        Ok((ringing, lease_s))
    }
}
