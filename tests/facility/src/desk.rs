//! Owns: the facility's answers: pure, time as an argument; what comes in (box, page, staff, tick) gives what goes out.
//! Never: IO, a clock.
//! Called by: [`crate::office`], tests.

mod asking;
mod diagnosis;
mod ending;
mod joining;
mod kept;
mod media;
mod ringing;
mod signing;
mod staff;

pub use staff::Order;

use crate::limits::Allowance;
use crate::page::{Said, Says};
use crate::tamper::Tamper;
use crate::turn::Relays;
use crate::visit::{RingState, Rung, Visit};
use parloir_issuer::{Site, sign};
use parloir_link::topic::{Kind, Way, find};
use parloir_pass::{Contact, Deny, DenyTarget, Id, Party, SitePolicy, Time, Typ, VERSION};
use parloir_seal::keyring::{Clock, Keyring};
use parloir_seal::{PublicKey, random, sealed};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

/// Visits whose receipts may still come.
const MAX_VISITS: usize = 32;
/// Most revocations that are remembered here; the box remembers its own.
const MAX_DENIED: usize = 256;

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
    /// The console may send bytes of its own to the box.
    pub tamperable: bool,
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
    /// Whether there is a way to the broker.
    Broker {
        /** There is. */
        connected: bool,
    },
    /// A page opened its websocket.
    Opened {
        /** Of the link. */
        token: String,
        /** Number of the websocket; no two have the same. */
        page: u64,
        /** What the window calls itself, also after a reload. */
        tab: String,
    },
    /// A page's websocket is gone.
    Closed {
        /** Number of the websocket. */
        page: u64,
    },
    /// A page says.
    Page {
        /** Number of the websocket. */
        page: u64,
        /** What. */
        said: Said,
    },
    /// Staff says, at the console.
    Staff(Order),
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
    /// To a page. After `elsewhere` its websocket is closed.
    Page {
        /** Number of the websocket. */
        page: u64,
        /** What. */
        says: Box<Says>,
    },
    /// The same window opened another websocket: this one is dead.
    Drop {
        /** Number of the websocket. */
        page: u64,
    },
    /// For whoever reads our standard output.
    Event(Value),
    /// A file that staff wanted, and the event when it is written.
    File {
        /** Where. */
        path: PathBuf,
        /** What. */
        bytes: Vec<u8>,
        /** Said then. */
        event: Value,
    },
}

/// See the module.
pub struct Desk {
    site: Site,
    settings: Settings,
    policy: SitePolicy,
    box_key: PublicKey,
    /// What the links are made from, beside a secret of the site; another one makes other links.
    salt: Id,
    /// Token of the link to contact.
    links: BTreeMap<String, Id>,
    /// The one window of each contact that is heard.
    windows: BTreeMap<Id, Window>,
    visits: VecDeque<Visit>,
    ring: Option<Rung>,
    /// Contact to the instant before which it rings no more, monotonic ms.
    quiet: BTreeMap<Id, u64>,
    /// The oldest first.
    denied: Vec<DenyTarget>,
    /// A grant that is held back by [`Tamper::Late`], and until when.
    late: Option<(u64, Vec<u8>)>,
    /// Of this start; it grows with each.
    agenda_revision: u64,
    codes: signing::Codes,
    beats_on: bool,
    connected: bool,
    from_box: Allowance,
    asks: Allowance,
    diagnosis: Option<diagnosis::Diagnosis>,
    /// Something changed that a restart must not lose.
    changed: bool,
}

/// A page that is heard.
struct Window {
    page: u64,
    tab: String,
    /// Whether it was told that it may call.
    may_call: bool,
}

fn event(name: &str, mut members: Value) -> Output {
    members["event"] = name.into();
    Output::Event(members)
}

fn told(page: u64, says: Says) -> Output {
    Output::Page { page, says: Box::new(says) }
}

fn publish(name: &str, body: impl Into<Vec<u8>>) -> Result<Output, Wrong> {
    let kind = find(Way::Down, name).ok_or("a kind that no topic has")?;
    Ok(Output::Publish { kind, body: body.into() })
}

impl Desk {
    /// Opens the desk of a site, where the one before it stopped if `kept` is what it wrote.
    ///
    /// # Errors
    /// The site's own documents do not hold; `kept` is not this site's.
    pub fn new(site: Site, settings: Settings, now: Now, kept: Option<&[u8]>) -> Result<Self, Wrong> {
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
        let mut desk = Self {
            site,
            settings,
            policy,
            box_key,
            salt: random::id()?,
            links: BTreeMap::new(),
            windows: BTreeMap::new(),
            visits: VecDeque::new(),
            ring: None,
            quiet: BTreeMap::new(),
            denied: Vec::new(),
            late: None,
            agenda_revision: u64::try_from(now.unix_ms).unwrap_or(1),
            codes: signing::Codes::default(),
            beats_on: true,
            connected: true,
            from_box: Allowance::new(200, 50.0),
            asks: Allowance::new(10, 0.5),
            diagnosis: None,
            changed: true,
        };
        kept.map_or(Ok(()), |bytes| desk.restore(now, bytes))?;
        desk.links = desk.site.everybody().flat_map(|p| &p.contacts).map(|c| (desk.token(&c.id), c.id)).collect();
        Ok(desk)
    }

    /// The links: token and contact, in the entitlement's order.
    #[must_use]
    pub fn links(&self) -> Vec<(String, Contact)> {
        self.site.everybody().flat_map(|p| &p.contacts).map(|c| (self.token(&c.id), c.clone())).collect()
    }

    /// Whether a link exists.
    #[must_use]
    pub fn has_link(&self, token: &str) -> bool {
        self.links.contains_key(token)
    }

    /// Visits that are known, over or not.
    #[must_use]
    pub fn visits(&self) -> usize {
        self.visits.len()
    }

    /// The token of a contact's link: nobody who does not hold the site's grant key can make it.
    fn token(&self, contact: &Id) -> String {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &self.site.grant.bytes());
        let tag = ring::hmac::sign(&key, &[b"parloir/v1/link".as_slice(), &self.salt.0, &contact.0].concat());
        tag.as_ref()[..16].iter().map(|b| format!("{b:02x}")).collect()
    }

    /// The retained documents.
    ///
    /// # Errors
    /// One cannot be signed or sealed.
    pub fn documents(&self) -> Result<Vec<Output>, Wrong> {
        let mut out = vec![
            publish("authority", self.site.authority.clone())?,
            publish("policy", self.site.policy_jws.clone())?,
            publish("door-record", self.site.door_record.clone())?,
        ];
        // Where a code is asked for, what a person may do is nobody's to keep: it answers the code.
        out.push(if self.policy.sign_in {
            let agenda = self.site.agenda(self.agenda_revision);
            publish("agenda", self.seal(Typ::Agenda, &sign(&agenda, &self.site.entitlement)?)?)?
        } else {
            let entitlement = sign(&self.site.person, &self.site.entitlement)?;
            publish("entitlement", self.seal(Typ::Entitlement, &entitlement)?)?
        });
        Ok(out)
    }

    /// One step. What is wrong with the input becomes an event; nothing else changes then.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Output> {
        let done = match input {
            Input::Box { kind, body } => self.from_box(now, kind.name, &body),
            Input::Broker { connected } => {
                self.connected = connected;
                Ok(vec![event("broker", json!({"connected": connected}))])
            }
            Input::Opened { token, page, tab } => Ok(self.opened(now, &token, page, tab)),
            Input::Closed { page } => Ok(self.closed(now, page)),
            Input::Page { page, said } => self.from_page(now, page, said),
            Input::Staff(order) => self.staff(now, order),
            Input::Tick => self.tick(now),
        };
        done.unwrap_or_else(|e| vec![event("refused", json!({"error": e.to_string()}))])
    }

    fn from_box(&mut self, now: Now, kind: &str, body: &[u8]) -> Result<Vec<Output>, Wrong> {
        let allowed = match kind {
            "ask" | "sign-in" => self.asks.take(now.mono_ms),
            // A box that waited for a facility sends what it kept all at once; each is judged once.
            "receipt" => true,
            _ => self.from_box.take(now.mono_ms),
        };
        if !allowed {
            return Err(format!("more of kind {kind} than a box has to say").into());
        }
        match kind {
            "ask" => self.ask(now, body),
            "sign-in" => self.sign_in(now, body),
            "ring" => self.ring_said(now, body),
            "time-request" => self.time(now, body),
            "signal" => self.signal_from_box(body),
            "reveal" => self.reveal(body),
            "ended" => self.ended(body),
            "receipt" => self.receipt(body),
            "export" => self.export(now, body),
            "status" => {
                let status: Value = serde_json::from_slice(body)?;
                Ok(vec![event("attached", json!({"online": status["online"].as_bool()}))])
            }
            other => Err(format!("nothing of kind {other} comes up").into()),
        }
    }

    fn time(&mut self, now: Now, body: &[u8]) -> Result<Vec<Output>, Wrong> {
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
        let mut out = vec![publish("time", sign(&time, &self.site.grant)?)?, event("time", json!({}))];
        // A box asks for the time when it begins, and nothing rings in it before it knows: what rang is forgotten there.
        if let Some(contact) = self.ring.as_ref().filter(|r| r.state != RingState::Answered).map(|r| r.contact) {
            out.extend(self.cancel(now, &contact, "Offline")?);
        }
        Ok(out)
    }

    /// A window of a link. The one that is in a visit stays it: another gets `elsewhere`, and the visit is not disturbed.
    fn opened(&mut self, now: Now, token: &str, page: u64, tab: String) -> Vec<Output> {
        let Some(contact) = self.links.get(token).copied() else { return Vec::new() };
        let mut out = Vec::new();
        if let Some(old) = self.windows.get(&contact) {
            if old.tab == tab {
                out.push(Output::Drop { page: old.page });
            } else if self.is_busy_with(&contact) {
                return vec![told(page, Says::Elsewhere), event("elsewhere", json!({"contact": contact}))];
            } else {
                out.push(told(old.page, Says::Elsewhere));
            }
        }
        let may_call = self.may_ring(now, &contact).is_ok();
        self.windows.insert(contact, Window { page, tab, may_call });
        if let Some(rung) = self.ring.as_mut().filter(|r| r.contact == contact) {
            rung.gone_ms = None;
        }
        out.extend(self.for_new_page(now, &contact).into_iter().map(|says| told(page, says)));
        out
    }

    /// Whether a window of this contact is needed where it is.
    fn is_busy_with(&self, contact: &Id) -> bool {
        let granted = self.visits.back().is_some_and(|v| v.ask.contact == *contact && !v.is_over() && v.admission().is_some());
        granted || self.ring.as_ref().is_some_and(|r| r.contact == *contact)
    }

    /// What a page that opens now must be told, in order.
    fn for_new_page(&self, now: Now, contact: &Id) -> Vec<Says> {
        if let Some(visit) = self.visits.back().filter(|v| v.ask.contact == *contact && !v.is_over()) {
            let Some(admission) = visit.admission() else { return vec![Says::Ringing(visit.ringing.clone())] };
            let again = admission.signals.unanswered.iter().map(|body| Says::Signal { body: body.clone() });
            return std::iter::once(self.told(visit, admission, true)).chain(again).collect();
        }
        if let Some(rung) = self.ring.as_ref().filter(|r| r.contact == *contact) {
            return vec![self.calling(rung)];
        }
        // A page that was in a visit while nobody could tell it how it ended: a fresh one lets this pass.
        let over = self.visits.back().filter(|v| v.ask.contact == *contact && v.admission().is_some());
        let reason = over.and_then(|v| v.reason.clone().map(|reason| Says::Ended { call: v.ask.call, reason }));
        let receipt = over.and_then(|v| v.receipt.clone().map(Says::Receipt));
        reason.into_iter().chain(receipt).chain(self.waiting(now, contact)).collect()
    }

    fn waiting(&self, now: Now, contact: &Id) -> Option<Says> {
        let person = self.site.whose(contact)?;
        let found = person.contact(contact)?;
        Some(Says::Waiting {
            person: person.name.clone(),
            contact: found.name.clone(),
            site: self.policy.site_name.clone(),
            media: found.media,
            call: self.may_ring(now, contact).is_ok(),
        })
    }

    fn closed(&mut self, now: Now, page: u64) -> Vec<Output> {
        let Some(contact) = self.contact_of(page) else { return Vec::new() };
        self.windows.remove(&contact);
        if let Some(rung) = self.ring.as_mut().filter(|r| r.contact == contact) {
            rung.gone_ms = Some(now.mono_ms);
        }
        vec![event("closed", json!({"contact": contact}))]
    }

    /// The contact whose window this is; `None` for a window that is not heard.
    fn contact_of(&self, page: u64) -> Option<Id> {
        self.windows.iter().find(|(_, w)| w.page == page).map(|(contact, _)| *contact)
    }

    fn from_page(&mut self, now: Now, page: u64, said: Said) -> Result<Vec<Output>, Wrong> {
        let contact = self.contact_of(page).ok_or("a page that is not the one of its link")?;
        match said {
            Said::Ready {} => Ok(vec![event("page", json!({"contact": contact, "ready": true}))]),
            Said::Trouble { what, detail } => Ok(vec![event("trouble", json!({"what": what, "detail": detail}))]),
            Said::Call {} => self.call(now, &contact),
            Said::Cancel {} => self.cancel(now, &contact, "CallerGone"),
            Said::Join { call, certificate, statement_key, code_nonce } => {
                let of = self.site.whose(&contact).and_then(|person| person.contact(&contact));
                let name = of.map(|c| c.name.clone()).ok_or("no such contact")?;
                self.join(now, &contact, &call, Party { name, certificate, statement_key, code_nonce })
            }
            Said::Decline { call } => self.decline(&contact, &call),
            Said::Signal { body } => self.signal_from_page(&contact, body),
            Said::Statement { jws, stats } => self.statement(&contact, &jws, &stats),
        }
    }

    /// The visit that a page of this contact may speak of.
    fn visit_of(&mut self, contact: &Id, call: &Id) -> Result<&mut Visit, Wrong> {
        let found = self.visits.iter_mut().find(|v| v.ask.contact == *contact && v.ask.call == *call);
        found.ok_or_else(|| "a page speaks of a visit that is not its own".into())
    }

    fn seal(&self, typ: Typ, jws: &str) -> Result<Vec<u8>, Wrong> {
        Ok(sealed::seal(typ, &self.site.device, &self.site.box_seal, jws.as_bytes())?)
    }

    /// No, to one question or from now on. What names a person travels sealed.
    fn deny(&self, target: DenyTarget, words: &str, code: &str) -> Result<Output, Wrong> {
        let deny = Deny { v: VERSION, site: self.site.site, target, words: words.to_owned(), code: code.to_owned() };
        let signed = sign(&deny, &self.site.deny)?;
        match target {
            DenyTarget::Ask(_) => publish("deny", signed),
            DenyTarget::Grant(_)
            | DenyTarget::Contact(_)
            | DenyTarget::Person(_)
            | DenyTarget::Device(_)
            | DenyTarget::Ring(_)
            | DenyTarget::SignIn { .. } => publish("deny", self.seal(Typ::Deny, &signed)?),
        }
    }

    fn to_page(&self, contact: &Id, says: impl IntoIterator<Item = Says>) -> Vec<Output> {
        let Some(window) = self.windows.get(contact) else { return Vec::new() };
        says.into_iter().map(|says| told(window.page, says)).collect()
    }
}
