//! Owns: an incoming call from the visitor's button to the box's question or its end.
//! Never: a grant; the person answers first, and the question that follows is judged like any other.
//! Called by: the desk.

use super::{Desk, Now, Output, Wrong, event, publish};
use crate::page::Says;
use crate::visit::{RingState, Rung};
use parloir_issuer::sign;
use parloir_pass::{DenyTarget, Id, Media, Ring, Typ, VERSION};
use parloir_seal::random;
use serde::Deserialize;
use serde_json::json;

/// How long a box has to say that it rings, ms.
const SENT_MS: u64 = 10_000;
/// How long it may ring: the box's own 45 s and the way there and back, ms.
const RINGING_MS: u64 = 52_000;
/// From the answer to the question, ms.
const ANSWERED_MS: u64 = 15_000;
/// How long a page may be gone before its call is given up: a reload takes less, ms.
const GONE_MS: u64 = 5000;
/// From the end of a call that nobody took to the next, ms.
const PAUSE_MS: u64 = 5000;

impl Desk {
    /// Whether a visitor may call from here now.
    pub(super) fn may_ring(&self, now: Now, contact: &Id) -> Result<(), &'static str> {
        let found = self.site.whose(contact).and_then(|p| p.contact(contact)).filter(|c| c.incoming).ok_or("NotEntitled")?;
        self.policy.rule(found.class).ok_or("NotEntitled")?;
        if self.is_denied(contact) {
            return Err("Revoked");
        }
        found.open_window(now.unix_ms / 1000).map(drop).ok_or("OutsideWindow")
    }

    pub(super) fn call(&mut self, now: Now, contact: &Id) -> Result<Vec<Output>, Wrong> {
        if self.ring.as_ref().is_some_and(|r| r.contact == *contact) {
            return Err("called twice".into());
        }
        let busy = self.ring.is_some() || self.visits.back().is_some_and(|v| !v.is_over());
        let soon = self.quiet.get(contact).is_some_and(|until| now.mono_ms < *until);
        let may = self.may_ring(now, contact).and(if busy { Err("Busy") } else { Ok(()) });
        if let Err(why) = may.and(if soon { Err("TooSoon") } else { Ok(()) }) {
            return Ok(self.not_reached(contact, None, why));
        }
        let person = self.site.whose(contact).ok_or("no such contact")?;
        let found = person.contact(contact).ok_or("no such contact")?;
        let video = found.media == Media::Video && self.policy.rule(found.class).is_some_and(|r| r.video);
        let ring = Ring {
            v: VERSION,
            site: self.site.site,
            device: self.site.device,
            ring: random::id()?,
            person: person.person,
            contact: *contact,
            class: found.class,
            media: if video { Media::Video } else { Media::Voice },
            at: now.unix_ms / 1000,
        };
        let body = self.seal(Typ::Ring, &sign(&ring, &self.site.grant)?)?;
        let until_ms = now.mono_ms + SENT_MS;
        let rung = Rung { ring: ring.ring, contact: *contact, state: RingState::Sent, until_ms, gone_ms: None };
        let mut out = vec![publish("ring", body)?, told(&rung, "")];
        out.extend(self.to_page(contact, [self.calling(&rung)]));
        self.ring = Some(rung);
        self.changed = true;
        Ok(out)
    }

    pub(super) fn calling(&self, rung: &Rung) -> Says {
        Says::Calling { person: self.person_name(&rung.contact), ring: rung.ring, rings: rung.state != RingState::Sent }
    }

    /// The caller gave up, or staff stopped it: the box is told.
    pub(super) fn cancel(&mut self, now: Now, contact: &Id, code: &str) -> Result<Vec<Output>, Wrong> {
        let rung = self.ring.take_if(|r| r.contact == *contact).ok_or("nothing rings")?;
        let mut out = vec![self.deny(DenyTarget::Ring(rung.ring), "", code)?];
        out.extend(self.give_up(now, &rung, code));
        Ok(out)
    }

    fn give_up(&mut self, now: Now, rung: &Rung, code: &str) -> Vec<Output> {
        self.changed = true;
        self.quiet.retain(|_, until| now.mono_ms < *until);
        self.quiet.insert(rung.contact, now.mono_ms + PAUSE_MS);
        if code == "CallerGone" {
            // The page gave up by itself: it waits again.
            let waiting = self.waiting(now, &rung.contact);
            let mut out = self.to_page(&rung.contact, waiting);
            out.push(over(&rung.contact, Some(rung.ring), code));
            return out;
        }
        self.not_reached(&rung.contact, Some(rung.ring), code)
    }

    fn not_reached(&self, contact: &Id, ring: Option<Id>, why: &str) -> Vec<Output> {
        let person = self.person_name(contact);
        let mut out = self.to_page(contact, [Says::NotReached { person, why: why.to_owned() }]);
        out.push(over(contact, ring, why));
        out
    }

    /// The box's word about a ring.
    pub(super) fn ring_said(&mut self, now: Now, body: &[u8]) -> Result<Vec<Output>, Wrong> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Word {
            v: u32,
            ring: Id,
            state: State,
            code: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum State {
            Ringing,
            Answered,
            Over,
        }
        let word: Word = serde_json::from_slice(body)?;
        let plain = word.code.len() <= 64 && word.code.bytes().all(|b| b.is_ascii_alphanumeric());
        if word.v != VERSION || !plain {
            return Err("a word about a ring of an unknown form".into());
        }
        // What the box says of a call that was given up here meanwhile changes nothing.
        let Some(rung) = self.ring.as_mut().filter(|r| r.ring == word.ring) else { return Ok(Vec::new()) };
        let (state, time) = match (word.state, rung.state) {
            (State::Ringing, RingState::Sent) => (RingState::Ringing, RINGING_MS),
            (State::Answered, RingState::Sent | RingState::Ringing) => (RingState::Answered, ANSWERED_MS),
            (State::Ringing, RingState::Ringing | RingState::Answered) | (State::Answered, RingState::Answered) => {
                return Ok(Vec::new());
            }
            (State::Over, _) => {
                let rung = rung.clone();
                self.ring = None;
                return Ok(self.give_up(now, &rung, if word.code.is_empty() { "RingMissed" } else { &word.code }));
            }
        };
        (rung.state, rung.until_ms) = (state, now.mono_ms + time);
        let rung = rung.clone();
        self.changed = true;
        let mut out = vec![told(&rung, "")];
        out.extend(self.to_page(&rung.contact, [self.calling(&rung)]));
        Ok(out)
    }

    /// A ring that nobody speaks of any more, at either end.
    pub(super) fn tick_ring(&mut self, now: Now) -> Result<Vec<Output>, Wrong> {
        let Some(rung) = &self.ring else { return Ok(Vec::new()) };
        let contact = rung.contact;
        if rung.gone_ms.is_some_and(|since| now.mono_ms >= since + GONE_MS) {
            return self.cancel(now, &contact, "CallerGone");
        }
        if now.mono_ms >= rung.until_ms {
            let code = if rung.state == RingState::Ringing { "RingMissed" } else { "Offline" };
            return self.cancel(now, &contact, code);
        }
        Ok(Vec::new())
    }

    /// Tells each page that waits when it may call, and when no more.
    pub(super) fn tick_windows(&mut self, now: Now) -> Vec<Output> {
        let idle = self.visits.back().is_none_or(crate::visit::Visit::is_over) && self.ring.is_none();
        if !idle {
            return Vec::new();
        }
        let contacts: Vec<Id> = self.windows.keys().copied().collect();
        let mut out = Vec::new();
        for contact in contacts {
            let may = self.may_ring(now, &contact).is_ok();
            let Some(window) = self.windows.get_mut(&contact).filter(|w| w.may_call != may) else { continue };
            window.may_call = may;
            out.extend(self.to_page(&contact, self.waiting(now, &contact)));
        }
        out
    }
}

fn told(rung: &Rung, code: &str) -> Output {
    event("ring", json!({"ring": rung.ring, "contact": rung.contact, "state": rung.state, "code": code}))
}

fn over(contact: &Id, ring: Option<Id>, code: &str) -> Output {
    event("ring", json!({"ring": ring, "contact": contact, "state": "over", "code": code}))
}
