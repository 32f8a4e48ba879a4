//! Owns: the answer to a question: the visitor joins, and the grant goes out; a page with another certificate joins again.
//! Never: a grant that answers no question of the box, or one that gives more than is left.
//! Called by: the desk.

use super::{Desk, Now, Output, Wrong, event, publish};
use crate::page::{IceServer, Ringing, Says};
use crate::tamper::{LATE_MS, Tamper};
use crate::visit::{Admission, Anew, Signals, Stage, Visit};
use parloir_issuer::sign;
use parloir_pass::receipt::MAX_REGRANTS;
use parloir_pass::{Ask, Bytes32, DenyTarget, Grant, Id, Party, Route, Typ, VERSION};
use parloir_seal::{PublicKey, code, random};
use parloir_wire::ticket::{Kind as TicketKind, Ticket};
use serde::Deserialize;
use serde_json::json;

/// How long the box has to ask again before it is told once more, ms. It takes no two within five seconds.
const HINT_MS: u64 = 7000;
/// Most hints for one page.
const MAX_HINTS: u32 = 8;

impl Desk {
    pub(super) fn join(&mut self, now: Now, contact: &Id, call: &Id, party: Party) -> Result<Vec<Output>, Wrong> {
        PublicKey::new(&party.statement_key)?;
        let certificate = party.certificate;
        let visit = self.visit_of(contact, call)?;
        if visit.ask.class.is_private() != party.code_nonce.is_some() {
            return Err("a page without half of a code in a private visit, or with one in another".into());
        }
        match &visit.stage {
            Stage::Calling { until_ms } if now.mono_ms < *until_ms => {}
            Stage::Admitted { admission, .. } if admission.party != party => return self.join_anew(now, contact, call, party),
            Stage::Calling { .. } | Stage::Admitted { .. } | Stage::Over { .. } => return Err("joined twice, or too late".into()),
        }
        let (visit, grant) = (visit.clone(), random::id()?);
        if self.is_stopped(&visit) {
            return self.miss(call, "Revoked");
        }
        let body = self.grant(now, &visit, &visit.ask, (visit.ringing.slot_s, visit.lease_s), grant, &party)?;
        let admission = admission(now, grant, party, (visit.ringing.slot_s, visit.lease_s));
        let until_ms = now.mono_ms + u64::from(visit.lease_s) * 1000;
        let told = self.told(&visit, &admission, false);
        self.visit_of(contact, call)?.stage = Stage::Admitted { admission, until_ms, anew: None };
        self.changed = true;
        let mut out = vec![event("joined", json!({"call": call}))];
        if self.settings.tamper == Some(Tamper::Late) {
            self.late = Some((visit.asked_ms + LATE_MS, body));
        } else {
            out.push(publish("grant", body)?);
        }
        out.extend(self.to_page(contact, [told]));
        out.push(event("admitted", json!({"call": call, "certificate": certificate})));
        let tamper = self.settings.tamper.map(|t| format!("{t:?}"));
        out.push(event("granted", json!({"call": call, "grant": grant, "tamper": tamper})));
        Ok(out)
    }

    /// The one window of the visit has another certificate than the grant names: the box is told, and asks if it wants to.
    fn join_anew(&mut self, now: Now, contact: &Id, call: &Id, party: Party) -> Result<Vec<Output>, Wrong> {
        let visit = self.visit_of(contact, call)?;
        // The box has shown its half of the code: a second page could choose its own to fit.
        if visit.ask.class.is_private() {
            return Err("a second page in a private visit".into());
        }
        let none = visit.earlier.len() >= MAX_REGRANTS || visit.left(now.mono_ms).is_none();
        let Stage::Admitted { anew, .. } = &mut visit.stage else { return Err("joined anew outside of a visit".into()) };
        if none {
            return Err("joined anew too often, or with no time left".into());
        }
        if anew.as_ref().is_some_and(|a| a.party == party) {
            return Ok(Vec::new());
        }
        // Whoever reloads again and again does not make the box ask again and again.
        let hints = anew.as_ref().map_or(0, |a| a.hints) + 1;
        *anew = Some(Anew { party, hints, again_ms: now.mono_ms + HINT_MS });
        Self::hint(call)
    }

    fn hint(call: &Id) -> Result<Vec<Output>, Wrong> {
        let body = json!({"v": VERSION, "call": call}).to_string();
        Ok(vec![publish("again", body)?, event("again", json!({"call": call}))])
    }

    /// Tells the box once more that a page waits for another grant.
    pub(super) fn hint_again(&mut self, now: Now) -> Result<Vec<Output>, Wrong> {
        let Some(visit) = self.visits.back_mut() else { return Ok(Vec::new()) };
        let call = visit.ask.call;
        let Stage::Admitted { anew: Some(anew), .. } = &mut visit.stage else { return Ok(Vec::new()) };
        if now.mono_ms < anew.again_ms || anew.hints >= MAX_HINTS {
            return Ok(Vec::new());
        }
        anew.hints += 1;
        anew.again_ms = now.mono_ms + HINT_MS;
        Self::hint(&call)
    }

    /// The box asks for a grant that replaces a live one: answered only while a page waits for it.
    pub(super) fn asked_again(&mut self, now: Now, ask: &Ask) -> Result<Vec<Output>, Wrong> {
        if self.visits.iter().any(|v| v.answered.contains(&ask.nonce)) {
            return Ok(Vec::new());
        }
        let stopped = self.visits.back().is_some_and(|visit| self.is_stopped(visit));
        let found = self.visits.back_mut().filter(|v| v.ask.call == ask.call && !stopped);
        let given = found.and_then(|visit| {
            let left = visit.left(now.mono_ms)?;
            let first = &visit.ask;
            let same = Ask { nonce: first.nonce, regrant: first.regrant, ..ask.clone() } == *first;
            let Stage::Admitted { admission, anew, .. } = &mut visit.stage else { return None };
            let wanted = same && ask.regrant == Some(admission.grant);
            let party = anew.take_if(|_| wanted)?.party;
            Some((left, party))
        });
        let Some((left, party)) = given else {
            let told = event("denied", json!({"call": ask.call, "code": "NotEntitled"}));
            return Ok(vec![self.deny(DenyTarget::Ask(ask.nonce), "", "NotEntitled")?, told]);
        };
        self.regrant(now, ask, left, party)
    }

    fn regrant(&mut self, now: Now, ask: &Ask, left: (u32, u32), party: Party) -> Result<Vec<Output>, Wrong> {
        let (slot_s, lease_s) = left;
        let visit = self.visits.back().ok_or("no visit")?.clone();
        let grant = random::id()?;
        let body = self.grant(now, &visit, ask, left, grant, &party)?;
        let next = admission(now, grant, party, left);
        let told = self.told(&visit, &next, false);
        let visit = self.visits.back_mut().ok_or("no visit")?;
        visit.answered.push(ask.nonce);
        if let Stage::Admitted { admission, .. } = &mut visit.stage {
            visit.earlier.push(std::mem::replace(admission, next));
        }
        self.changed = true;
        let mut out = vec![publish("grant", body)?];
        out.extend(self.to_page(&ask.contact, [told]));
        out.push(event("regranted", json!({"call": ask.call, "grant": grant, "slot_s": slot_s, "lease_s": lease_s})));
        Ok(out)
    }

    /// The box shows its half of the short code: it has the page's. The page checks it against the commitment by itself.
    pub(super) fn reveal(&mut self, body: &[u8]) -> Result<Vec<Output>, Wrong> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Reveal {
            v: u32,
            call: Id,
            half: Bytes32,
        }
        let Reveal { v, call, half } = serde_json::from_slice(body)?;
        let visit = self.visits.iter_mut().find(|visit| visit.ask.call == call).ok_or("half of a code of no visit")?;
        let fits = code::commitment(&call, &visit.ask.certificate, &half);
        if v != VERSION || visit.ask.commitment != Some(fits) {
            return Err("half of a code that nobody committed to".into());
        }
        let contact = visit.ask.contact;
        let Stage::Admitted { admission, .. } = &mut visit.stage else { return Err("half of a code outside of a visit".into()) };
        admission.half = Some(half);
        self.changed = true;
        let mut out = self.to_page(&contact, [Says::Reveal { call, half }]);
        out.push(event("reveal", json!({"call": call})));
        Ok(out)
    }

    /// What the page of an admission is told.
    pub(super) fn told(&self, visit: &Visit, admission: &Admission, resumed: bool) -> Says {
        let ice_servers = self.settings.relays.credentials(&format!("page-{}", visit.ask.call), admission.expires_s);
        Says::Admitted {
            ringing: Ringing { slot_s: admission.slot_s, ..visit.ringing.clone() },
            box_certificate: visit.ask.certificate,
            ice_servers: ice_servers.into_iter().map(IceServer::from).collect(),
            relay_only: !self.settings.direct_candidates,
            certificate: admission.party.certificate,
            count: admission.statement.map_or(0, |s| s.count),
            resumed,
            half: admission.half,
        }
    }

    /// A grant with its ticket, signed and sealed to the box. `left` is slot and lease, seconds.
    fn grant(&self, now: Now, visit: &Visit, ask: &Ask, left: (u32, u32), id: Id, party: &Party) -> Result<Vec<u8>, Wrong> {
        let (slot_s, lease_s) = left;
        let ticket = Ticket {
            kind: TicketKind::Nonce,
            media: parloir_seal::ticket::mask(ask.media),
            device: ask.device.0,
            nonce: ask.gate_nonce.0,
            lease: ask.call.0,
            longest_run_s: lease_s,
        };
        let expires = now.unix_ms / 1000 + i64::from(lease_s);
        let ringing = &visit.ringing;
        let grant = Grant {
            v: VERSION,
            site: ask.site,
            device: ask.device,
            grant: id,
            call: ask.call,
            nonce: ask.nonce,
            person: ask.person,
            contact: ask.contact,
            class: ask.class,
            media: ask.media,
            box_certificate: ask.certificate,
            parties: vec![party.clone()],
            route: Route::Direct,
            relays: self.settings.relays.credentials(&format!("box-{}", ask.call), expires),
            direct_candidates: self.settings.direct_candidates,
            recorded_by: ringing.recorded_by.clone(),
            watched_by: ringing.watched_by.clone(),
            price: ringing.price.clone(),
            slot_s,
            lease_s,
            ticket: sign::ticket(&ticket, &self.site.door),
        };
        let signed = match self.settings.tamper {
            None => sign(&grant, &self.site.grant)?,
            Some(tamper) => tamper.grant(grant, &ticket, &self.site)?,
        };
        self.seal(Typ::Grant, &signed)
    }
}

fn admission(now: Now, grant: Id, party: Party, (slot_s, lease_s): (u32, u32)) -> Admission {
    Admission {
        grant,
        slot_s,
        granted_ms: now.mono_ms,
        beats: 0,
        expires_s: now.unix_ms / 1000 + i64::from(lease_s),
        party,
        half: None,
        statement: None,
        pauses: 0,
        signals: Signals::default(),
    }
}
