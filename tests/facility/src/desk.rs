//! Owns: the facility's answers: pure, time as an argument; what comes in (box, page, tick) gives what goes out.
//! Never: IO, a clock.
//! Called by: [`crate::office`], tests.

use crate::page::{IceServer, Ringing, Said, Says, Stats};
use crate::receipt::{self, judge};
use crate::tamper::Tamper;
use crate::turn::Relays;
use crate::visit::{Admission, Stage, Visit};
use parloir_issuer::{Site, sign};
use parloir_link::message::{read_signal, write_signal};
use parloir_link::topic::{Kind, Way, find};
use parloir_pass::{
    Ask, Beat, Bytes32, Contact, Deny, DenyTarget, Grant, Id, Media, Party, Route, SitePolicy, Time, Typ, VERSION,
};
use parloir_seal::keyring::{Clock, Keyring};
use parloir_seal::{PublicKey, jws, random, sealed};
use parloir_wire::signal::Signal;
use parloir_wire::ticket::{Kind as TicketKind, Ticket};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

/// Visits whose receipts may still come.
const MAX_VISITS: usize = 32;

/// What is wrong with something that came.
pub type Wrong = Box<dyn std::error::Error + Send + Sync>;

/// How this facility behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Relays, as the policy names them.
    pub relays: Relays,
    /// Host candidates too; the box refuses it outside of a bench.
    pub direct_candidates: bool,
    /// A visitor who has not joined by then is absent, ms. Below the 60 s that the box's nonce lives.
    pub absent_ms: u64,
    /// A lie for the tests.
    pub tamper: Option<Tamper>,
}

/// What time it is.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Monotonic.
    pub mono_ms: u64,
    /// UTC.
    pub unix_ms: i64,
}

/// What comes in.
#[derive(Clone, Debug)]
pub enum Input {
    /// From the box.
    Box {
        /** Of the topic. */
        kind: &'static Kind,
        /** Body. */
        body: Vec<u8>,
    },
    /// A page opened its websocket.
    Opened {
        /** Of the link. */
        token: String,
    },
    /// A page says.
    Page {
        /** Of the link. */
        token: String,
        /** What. */
        said: Said,
    },
    /// Time passes.
    Tick,
}

/// What goes out.
#[derive(Clone, Debug)]
pub enum Output {
    /// To the box.
    Publish {
        /** Of the topic. */
        kind: &'static Kind,
        /** Body. */
        body: Vec<u8>,
    },
    /// To the page of a link.
    Page {
        /** Of the link. */
        token: String,
        /** What. */
        says: Says,
    },
    /// For whoever reads our standard output.
    Event(Value),
}

/// See the module.
pub struct Desk {
    site: Site,
    settings: Settings,
    policy: SitePolicy,
    box_key: PublicKey,
    /// Token of the link to contact.
    links: BTreeMap<String, Id>,
    visits: VecDeque<Visit>,
}

fn event(name: &str, mut members: Value) -> Output {
    members["event"] = name.into();
    Output::Event(members)
}

fn publish(name: &str, body: impl Into<Vec<u8>>) -> Result<Output, Wrong> {
    let kind = find(Way::Down, name).ok_or("a kind that no topic has")?;
    Ok(Output::Publish { kind, body: body.into() })
}

impl Desk {
    /// Opens the desk of a site.
    ///
    /// # Errors
    /// The site's own documents do not hold.
    pub fn new(site: Site, settings: Settings, now: Now) -> Result<Self, Wrong> {
        let keyring = Keyring::open(&site.authority, &site.roots, &site.site, 0)?;
        let policy = keyring.policy(&site.policy_jws, Clock::Unix(now.unix_ms / 1000), 0)?;
        let unknown = settings.relays.urls.iter().find(|url| !policy.relays.contains(url));
        if let Some(url) = unknown {
            return Err(format!(
                "relay {url} is none of the policy's: give one of {:?} [org.parloir.Error.Relay]",
                policy.relays
            )
            .into());
        }
        let box_key = PublicKey::new(&site.box_key)?;
        let mut links = BTreeMap::new();
        for contact in &site.person.contacts {
            links.insert(random::id()?.to_string(), contact.id);
        }
        Ok(Self { site, settings, policy, box_key, links, visits: VecDeque::new() })
    }

    /// The links: token and contact, in the entitlement's order.
    #[must_use]
    pub fn links(&self) -> Vec<(String, Contact)> {
        let token = |c: &Contact| self.links.iter().find(|(_, id)| **id == c.id).map(|(t, _)| t.clone());
        self.site.person.contacts.iter().filter_map(|c| Some((token(c)?, c.clone()))).collect()
    }

    /// Whether a link exists.
    #[must_use]
    pub fn has_link(&self, token: &str) -> bool {
        self.links.contains_key(token)
    }

    /// The retained documents.
    ///
    /// # Errors
    /// One cannot be signed or sealed.
    pub fn documents(&self) -> Result<Vec<Output>, Wrong> {
        let entitlement = sign(&self.site.person, &self.site.entitlement)?;
        Ok(vec![
            publish("authority", self.site.authority.clone())?,
            publish("policy", self.site.policy_jws.clone())?,
            publish("door-record", self.site.door_record.clone())?,
            publish("entitlement", self.seal(Typ::Entitlement, &entitlement)?)?,
        ])
    }

    /// One step. What is wrong with the input becomes an event; nothing else changes then.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Output> {
        let done = match input {
            Input::Box { kind, body } => self.from_box(now, kind.name, &body),
            Input::Opened { token } => Ok(self.opened(&token)),
            Input::Page { token, said } => self.from_page(now, &token, said),
            Input::Tick => self.tick(now),
        };
        done.unwrap_or_else(|e| vec![event("refused", json!({"error": e.to_string()}))])
    }

    fn from_box(&mut self, now: Now, kind: &str, body: &[u8]) -> Result<Vec<Output>, Wrong> {
        match kind {
            "ask" => self.ask(now, body),
            "time-request" => self.time(now, body),
            "signal" => self.signal_from_box(body),
            "ended" => self.ended(body),
            "receipt" => self.receipt(body),
            "status" => {
                let status: Value = serde_json::from_slice(body)?;
                Ok(vec![event("attached", json!({"online": status["online"]}))])
            }
            other => Err(format!("nothing of kind {other} comes up").into()),
        }
    }

    fn time(&self, now: Now, body: &[u8]) -> Result<Vec<Output>, Wrong> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Request {
            v: u32,
            nonce: Id,
        }
        let request: Request = serde_json::from_slice(body)?;
        if request.v != VERSION {
            return Err("time-request of an unknown version".into());
        }
        let time = Time { v: VERSION, device: self.site.device, nonce: request.nonce, unix_ms: now.unix_ms };
        Ok(vec![publish("time", sign(&time, &self.site.grant)?)?, event("time", json!({}))])
    }

    fn ask(&mut self, now: Now, body: &[u8]) -> Result<Vec<Output>, Wrong> {
        let plain = sealed::open(Typ::Ask, &self.site.device, &self.site.seal, body)?;
        let ask: Ask = jws::verify(&plain, &self.box_key)?;
        if self.visits.iter().any(|v| v.ask.nonce == ask.nonce || v.ask.call == ask.call) {
            return Ok(Vec::new());
        }
        let (ringing, lease_s) = match self.entitled(now, &ask) {
            Ok(both) => both,
            Err(code) => return Ok(vec![self.deny(&ask, code)?, event("denied", json!({"call": ask.call, "code": code}))]),
        };
        let asked = event("asked", json!({"call": ask.call, "contact": ringing.contact, "media": ask.media, "class": ask.class}));
        let mut out = vec![asked];
        // One box, one visit: whatever was rung for before is dead, its nonce with it.
        let stale: Vec<_> = self.visits.iter_mut().filter(|v| !v.is_over()).collect();
        for visit in stale {
            visit.end();
            let says = Says::Missed { call: visit.ask.call, why: "CalledAgain".to_owned() };
            out.extend(token(&self.links, &visit.ask.contact).map(|token| Output::Page { token, says }));
        }
        let until_ms = now.mono_ms + self.settings.absent_ms;
        let visit = Visit { ask, ringing, lease_s, stage: Stage::Calling { until_ms } };
        out.extend(self.to_page(&visit, visit.for_new_page()));
        if self.visits.len() >= MAX_VISITS {
            self.visits.pop_front();
        }
        self.visits.push_back(visit);
        Ok(out)
    }

    /// What the visitor is told, and the lease, if the question is within the entitlement and the policy.
    fn entitled(&self, now: Now, ask: &Ask) -> Result<(Ringing, u32), &'static str> {
        let person = &self.site.person;
        let ours = (ask.site, ask.device, ask.person) == (self.site.site, self.site.device, person.person);
        let contact = person.contact(&ask.contact).filter(|c| ours && c.outgoing && c.class == ask.class).ok_or("NotEntitled")?;
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
            person: person.name.clone(),
            contact: contact.name.clone(),
            media: ask.media,
            class: ask.class,
            slot_s: rule.longest_s.min(left),
            recorded_by: String::new(),
            watched_by: String::new(),
            price: rule.price.clone(),
        };
        let lease_s = ringing.slot_s + rule.make_good_s;
        Ok((ringing, lease_s))
    }

    fn deny(&self, ask: &Ask, code: &str) -> Result<Output, Wrong> {
        let target = DenyTarget::Ask(ask.nonce);
        let deny = Deny { v: VERSION, site: self.site.site, target, words: String::new(), code: code.to_owned() };
        publish("deny", sign(&deny, &self.site.deny)?)
    }

    fn opened(&self, token: &str) -> Vec<Output> {
        let Some(contact) = self.links.get(token).and_then(|id| self.site.person.contact(id)) else { return Vec::new() };
        let current = self.visits.back().filter(|v| v.ask.contact == contact.id && !v.is_over());
        let says = current.map(Visit::for_new_page).unwrap_or_else(|| {
            let person = self.site.person.name.clone();
            let site = self.policy.site_name.clone();
            vec![Says::Waiting { person, contact: contact.name.clone(), site, media: contact.media }]
        });
        says.into_iter().map(|says| Output::Page { token: token.to_owned(), says }).collect()
    }

    fn from_page(&mut self, now: Now, token: &str, said: Said) -> Result<Vec<Output>, Wrong> {
        let contact = *self.links.get(token).ok_or("a page without a link")?;
        match said {
            Said::Ready => Ok(vec![event("page", json!({"contact": contact, "ready": true}))]),
            Said::Trouble { what, detail } => Ok(vec![event("trouble", json!({"what": what, "detail": detail}))]),
            Said::Join { call, certificate, statement_key } => self.join(now, &contact, &call, certificate, statement_key),
            Said::Decline { call } => self.decline(&contact, &call),
            Said::Signal { body } => self.signal_from_page(&contact, body),
            Said::Statement { jws, stats } => self.statement(&contact, &jws, stats),
        }
    }

    /// The visit that a page of this contact may speak of.
    fn visit_of(&mut self, contact: &Id, call: &Id) -> Result<&mut Visit, Wrong> {
        let found = self.visits.iter_mut().find(|v| v.ask.contact == *contact && v.ask.call == *call);
        found.ok_or_else(|| "a page speaks of a visit that is not its own".into())
    }

    fn join(&mut self, now: Now, contact: &Id, call: &Id, certificate: Bytes32, key: Bytes32) -> Result<Vec<Output>, Wrong> {
        PublicKey::new(&key)?;
        let grant_id = random::id()?;
        let visit = self.visit_of(contact, call)?;
        let Stage::Calling { until_ms } = visit.stage else { return Err("joined twice, or too late".into()) };
        if now.mono_ms >= until_ms {
            return Err("joined too late".into());
        }
        let (ask, ringing, lease_s) = (visit.ask.clone(), visit.ringing.clone(), visit.lease_s);
        let party = Party { name: ringing.contact.clone(), certificate, statement_key: key };
        let grant = self.grant(now, &ask, &ringing, lease_s, grant_id, party.clone())?;
        let expires = now.unix_ms / 1000 + i64::from(lease_s);
        let ice_servers = self.settings.relays.credentials(&format!("page-{call}"), expires);
        let told = Says::Admitted {
            ringing,
            box_certificate: ask.certificate,
            ice_servers: ice_servers.into_iter().map(IceServer::from).collect(),
            relay_only: !self.settings.direct_candidates,
        };
        let admission =
            Admission { grant: grant_id, party, statement: None, told: told.clone(), signals: Vec::new(), counts: (0, 0) };
        let every = self.policy.rule(ask.class).map_or(20, |r| r.beat_every_s);
        let beat_at_ms = now.mono_ms + u64::from(every) * 1000;
        let until_ms = now.mono_ms + u64::from(lease_s) * 1000;
        let visit = self.visit_of(contact, call)?;
        visit.stage = Stage::Admitted { admission, beats: 0, beat_at_ms, until_ms };
        let visit = visit.clone();
        let mut out = vec![event("joined", json!({"call": call})), publish("grant", grant)?];
        out.extend(self.to_page(&visit, [told]));
        out.push(event("admitted", json!({"call": call, "certificate": certificate})));
        out.push(event(
            "granted",
            json!({"call": call, "grant": grant_id, "tamper": self.settings.tamper.map(|t| format!("{t:?}"))}),
        ));
        Ok(out)
    }

    /// The grant with its ticket, signed and sealed to the box.
    fn grant(&self, now: Now, ask: &Ask, ringing: &Ringing, lease_s: u32, id: Id, party: Party) -> Result<Vec<u8>, Wrong> {
        let ticket = Ticket {
            kind: TicketKind::Nonce,
            media: parloir_seal::ticket::mask(ask.media),
            device: ask.device.0,
            nonce: ask.gate_nonce.0,
            lease: ask.call.0,
            longest_run_s: lease_s,
        };
        let expires = now.unix_ms / 1000 + i64::from(lease_s);
        let mut grant = Grant {
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
            parties: vec![party],
            route: Route::Direct,
            relays: self.settings.relays.credentials(&format!("box-{}", ask.call), expires),
            direct_candidates: self.settings.direct_candidates,
            recorded_by: ringing.recorded_by.clone(),
            watched_by: ringing.watched_by.clone(),
            price: ringing.price.clone(),
            slot_s: ringing.slot_s,
            lease_s,
            ticket: sign::ticket(&ticket, &self.site.door),
        };
        if let Some(tamper) = self.settings.tamper {
            tamper.document(&mut grant, &ticket)?;
        }
        let signed = sign(&grant, &self.site.grant)?;
        let signed = self.settings.tamper.map_or(signed.clone(), |t| t.signed(signed));
        self.seal(Typ::Grant, &signed)
    }

    fn seal(&self, typ: Typ, jws: &str) -> Result<Vec<u8>, Wrong> {
        Ok(sealed::seal(typ, &self.site.device, &self.site.box_seal, jws.as_bytes())?)
    }

    fn decline(&mut self, contact: &Id, call: &Id) -> Result<Vec<Output>, Wrong> {
        let visit = self.visit_of(contact, call)?;
        if !matches!(visit.stage, Stage::Calling { .. }) {
            return Err("declined twice, or too late".into());
        }
        self.miss(call, "VisitorDeclined")
    }

    /// It does not come to a visit: both sides are told.
    fn miss(&mut self, call: &Id, code: &str) -> Result<Vec<Output>, Wrong> {
        let visit = self.visits.iter_mut().find(|v| v.ask.call == *call).ok_or("no such visit")?;
        visit.end();
        let visit = visit.clone();
        let mut out = vec![self.deny(&visit.ask, code)?];
        out.extend(self.to_page(&visit, [Says::Missed { call: *call, why: code.to_owned() }]));
        out.push(event("denied", json!({"call": call, "code": code})));
        Ok(out)
    }

    fn signal_from_box(&mut self, body: &[u8]) -> Result<Vec<Output>, Wrong> {
        let (call, signal) = read_signal(body)?;
        let visit = self.visits.iter_mut().find(|v| v.ask.call.0 == call).ok_or("a signal about a visit that was not asked")?;
        let Stage::Admitted { admission, .. } = &mut visit.stage else { return Err("a signal outside of a visit".into()) };
        let value: Value = serde_json::from_slice(body)?;
        admission.keep(&value, matches!(signal, Signal::Offer { .. }));
        let told = event("signal", json!({"from": "box", "kind": value["kind"], "count": admission.counts.0}));
        let visit = visit.clone();
        let mut out = self.to_page(&visit, [Says::Signal { body: value }]);
        out.push(told);
        Ok(out)
    }

    fn signal_from_page(&mut self, contact: &Id, body: Value) -> Result<Vec<Output>, Wrong> {
        let (call, signal) = read_signal(&serde_json::to_vec(&body)?)?;
        if matches!(signal, Signal::Offer { .. }) {
            return Err("the page does not offer on this route".into());
        }
        let visit = self.visit_of(contact, &Id(call))?;
        let Stage::Admitted { admission, .. } = &mut visit.stage else { return Err("a signal outside of a visit".into()) };
        admission.counts.1 += 1;
        let told = event("signal", json!({"from": "page", "kind": body["kind"], "count": admission.counts.1}));
        Ok(vec![publish("signal", write_signal(&call, &signal))?, told])
    }

    fn statement(&mut self, contact: &Id, jws: &str, stats: Stats) -> Result<Vec<Output>, Wrong> {
        // A statement may come after the end: it is the last word. The one visit of this contact that it fits is the newest.
        let visit = self.visits.iter_mut().rev().find(|v| v.ask.contact == *contact && v.admission().is_some());
        let visit = visit.ok_or("a statement without a visit")?;
        let call = visit.ask.call;
        let admission = visit.admission_mut().ok_or("a statement without a visit")?;
        let statement = parloir_seal::jws::statement(jws.as_bytes(), &admission.party.statement_key, &call)?;
        if admission.statement.is_some_and(|s| s.count >= statement.count) {
            return Err("a statement whose count does not grow".into());
        }
        admission.statement = Some(statement);
        let mut told = serde_json::to_value(statement)?;
        let beside = serde_json::to_value(&stats)?;
        for name in ["fps", "codec", "audio_level", "generation", "frames_sent", "sent_height"] {
            told[name] = beside[name].clone();
        }
        Ok(vec![publish("statement", jws)?, event("statement", told)])
    }

    fn ended(&mut self, body: &[u8]) -> Result<Vec<Output>, Wrong> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Ended {
            v: u32,
            call: Id,
            reason: String,
        }
        let ended: Ended = serde_json::from_slice(body)?;
        if ended.v != VERSION || ended.reason.len() > 64 {
            return Err("an end of an unknown form".into());
        }
        let visit = self.visits.iter_mut().find(|v| v.ask.call == ended.call).ok_or("the end of a visit that was not asked")?;
        visit.end();
        let visit = visit.clone();
        let says = match visit.admission() {
            Some(_) => Says::Ended { call: ended.call, reason: ended.reason.clone() },
            None => Says::Missed { call: ended.call, why: ended.reason.clone() },
        };
        let mut out = self.to_page(&visit, [says]);
        out.push(event("ended", json!({"call": ended.call, "reason": ended.reason})));
        Ok(out)
    }

    fn receipt(&mut self, body: &[u8]) -> Result<Vec<Output>, Wrong> {
        let plain = sealed::open(Typ::Receipt, &self.site.device, &self.site.seal, body)?;
        let judged = judge(&plain, &self.box_key, |r| self.visits.iter().find(|v| v.ask.call == r.call))?;
        let (receipt, verified) = (&judged.receipt, judged.errors.is_empty());
        let told = event(
            "receipt",
            json!({
                "call": receipt.call,
                "receipt": receipt,
                "verified": verified,
                "visitor_statement": judged.statement,
                "seconds_counted": receipt.seconds_counted,
                "reason": receipt.reason,
                "error": judged.errors.join("; "),
            }),
        );
        let says = Says::Receipt {
            call: receipt.call,
            seconds_counted: receipt.seconds_counted,
            seconds_seen: judged.statement.map(|s| s.decoded_ms / 1000),
            seconds_lost: receipt::seconds_lost(receipt),
            reason: receipt.reason.clone(),
            verified,
            both_sides: judged.statement.is_some(),
            receipt: receipt.receipt,
        };
        let mut out = vec![told];
        if let Some(visit) = self.visits.iter_mut().find(|v| v.ask.call == receipt.call) {
            visit.end();
            let visit = visit.clone();
            out.extend(self.to_page(&visit, [says]));
        }
        Ok(out)
    }

    fn tick(&mut self, now: Now) -> Result<Vec<Output>, Wrong> {
        let Some(visit) = self.visits.back_mut() else { return Ok(Vec::new()) };
        let every_s = self.policy.rule(visit.ask.class).map_or(20, |r| r.beat_every_s);
        let call = visit.ask.call;
        match &mut visit.stage {
            Stage::Calling { until_ms } if now.mono_ms >= *until_ms => self.miss(&call, "VisitorAbsent"),
            Stage::Admitted { until_ms, .. } if now.mono_ms >= *until_ms => {
                visit.end();
                Ok(vec![event("lapsed", json!({"call": call}))])
            }
            Stage::Admitted { admission, beats, beat_at_ms, .. } if now.mono_ms >= *beat_at_ms => {
                *beats += 1;
                *beat_at_ms = now.mono_ms + u64::from(every_s) * 1000;
                let beat = Beat { v: VERSION, device: self.site.device, grant: admission.grant, count: *beats };
                let told = event("beat", json!({"call": call, "count": beats}));
                Ok(vec![publish("beat", sign(&beat, &self.site.grant)?)?, told])
            }
            Stage::Calling { .. } | Stage::Admitted { .. } | Stage::Over { .. } => Ok(Vec::new()),
        }
    }

    fn to_page(&self, visit: &Visit, says: impl IntoIterator<Item = Says>) -> Vec<Output> {
        let Some(token) = token(&self.links, &visit.ask.contact) else { return Vec::new() };
        says.into_iter().map(|says| Output::Page { token: token.clone(), says }).collect()
    }
}

fn token(links: &BTreeMap<String, Id>, contact: &Id) -> Option<String> {
    links.iter().find(|(_, id)| *id == contact).map(|(token, _)| token.clone())
}
