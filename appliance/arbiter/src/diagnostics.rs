//! Owns: what a diagnostics export says: which codes were told and since when, what holds and since when, and one page of the ledger
//! or of the journal at a time.
//! Never: a name, a word of somebody, a key; a page for anybody but the facility, to whom it is sealed; decides.
//! Called by: run (a request, each turn), effects and deliver (what was told).

use crate::bus::{Answer, Reply};
use crate::input::Input;
use crate::journal::Journal;
use crate::ledger::Page;
use crate::run::{Arbiter, now};
use parloir_bus::error::BusError;
use parloir_core::effect::Entry;
use parloir_core::{Code, Effect, Event, Now, State};
use parloir_pass::export::{Export, Fact, JournalPage, LedgerPage, MAX_CODES, MAX_RECENT, Machines, Occurrence, Revisions, Told};
use parloir_pass::{Bytes32, Id, VERSION};
use parloir_seal::{Code as SealCode, Refused};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::time::timeout;

/// One page in this time on the average: whoever took link over must not keep the arbiter busy by it.
const EVERY_MS: u64 = 250;
/// So many at once.
const BURST: u64 = 32;
/// Longest wait for the disk; nobody but the asker waits.
const DISK: Duration = Duration::from_secs(2);

/// Bytes of a piece of the journal at first; JSON within JSON needs more.
const PIECE: usize = 14 * 1024;

/// A request (docs/mqtt.md, `diagnose`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    v: u32,
    request: Id,
    part: Part,
    from: u64,
}

/// What a page is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Part {
    /// Rows of the ledger from this number on.
    Ledger,
    /// The journal from this byte on; byte 0 is of the journal as it is then, all others are of that one.
    Journal,
}

impl Wanted {
    fn read(request: &[u8]) -> Result<Self, BusError> {
        match serde_json::from_slice::<Self>(request) {
            Ok(wanted) if wanted.v == VERSION => Ok(wanted),
            Ok(_) => Err(BusError::new("UnknownVersion", "A request of another version than 1; update this box.")),
            Err(_) => Err(BusError::new("MalformedArgument", "The request is not a diagnose of docs/mqtt.md.")),
        }
    }
}

/// What is remembered for the next export; in memory only.
#[derive(Debug)]
pub struct Diagnostics {
    started_ms: u64,
    codes: BTreeMap<&'static str, Told>,
    recent: VecDeque<Occurrence>,
    facts: BTreeMap<&'static str, (bool, u64)>,
    /// When the next page would be due if they were asked for evenly.
    due_ms: u64,
    journal: Journal,
    /// The journal that is being asked for, and its digest.
    frozen: Option<(String, [u8; 32])>,
}

impl Diagnostics {
    /// Of an arbiter that starts now; the salt is the journal's.
    #[must_use]
    pub fn new(started_ms: u64, salt: [u8; 32]) -> Self {
        let (codes, recent, facts) = (BTreeMap::new(), VecDeque::new(), BTreeMap::new());
        Self { started_ms, codes, recent, facts, due_ms: 0, journal: Journal::new(salt), frozen: None }
    }

    /// The core takes a step; the answer is for [`Self::stepped`].
    pub fn steps(&mut self, core: &State, now: Now, event: &Event) -> String {
        self.journal.before(core, now, event)
    }

    /// It did this.
    pub fn stepped(&mut self, line: String, effects: &[Effect]) {
        self.journal.after(line, effects);
    }

    /// A piece of the journal; `None` beyond its end, or when nobody asked for its beginning.
    fn piece(&mut self, from: u64) -> Option<JournalPage> {
        if from == 0 {
            let text = self.journal.text();
            let digest = Sha256::digest(&text).into();
            self.frozen = Some((text, digest));
        }
        let (text, digest) = self.frozen.as_ref()?;
        let rest = usize::try_from(from).ok().and_then(|from| text.get(from..))?;
        let piece = &rest[..rest.floor_char_boundary(PIECE)];
        Some(JournalPage { from, total: text.len() as u64, digest: Bytes32(*digest), text: piece.to_owned() })
    }

    /// A code was told, about this call if there is one.
    pub fn told(&mut self, code: &'static str, call: Option<Id>, now: Now, wall: i64) {
        let at_ms = now.mono_ms;
        let first = || Told { code: code.to_owned(), times: 0, first_ms: at_ms, last_ms: at_ms };
        let told = self.codes.entry(code).or_insert_with(first);
        told.times = told.times.saturating_add(1);
        told.last_ms = at_ms;
        // Who says the same again and again must not push out what else was told.
        if let Some(same) = self.recent.back_mut().filter(|last| last.code == code && last.call == call) {
            (same.at_ms, same.wall) = (at_ms, wall);
            return;
        }
        if self.recent.len() >= MAX_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Occurrence { at_ms, wall, code: code.to_owned(), call });
    }

    /// What holds now.
    fn observe(&mut self, now: Now, facts: &[(&'static str, bool)]) {
        for (name, holds) in facts {
            let since = if self.facts.is_empty() { self.started_ms } else { now.mono_ms };
            let fact = self.facts.entry(name).or_insert((*holds, since));
            if fact.0 != *holds {
                *fact = (*holds, now.mono_ms);
            }
        }
    }

    /// Whether another page may be made now.
    fn may(&mut self, now: Now) -> bool {
        let due = self.due_ms.max(now.mono_ms);
        let may = due - now.mono_ms < BURST * EVERY_MS;
        if may {
            self.due_ms = due + EVERY_MS;
        }
        may
    }

    fn facts(&self) -> Vec<Fact> {
        self.facts
            .iter()
            .map(|(name, (holds, since_ms))| Fact { name: (*name).to_owned(), holds: *holds, since_ms: *since_ms })
            .collect()
    }

    /// Those told last, by their name.
    fn codes(&self) -> Vec<Told> {
        let mut codes: Vec<_> = self.codes.values().cloned().collect();
        codes.sort_by_key(|told| std::cmp::Reverse(told.last_ms));
        codes.truncate(MAX_CODES);
        codes.sort_by(|a, b| a.code.cmp(&b.code));
        codes
    }
}

impl Arbiter {
    /// Notes what an entry of the ledger tells.
    pub(crate) fn note(&mut self, entry: &Entry) {
        let (code, call) = match entry {
            Entry::Refused { code, call, .. } => (code.name(), Some(*call).filter(|call| *call != Id::default())),
            Entry::Ended { call, reason, .. } => (reason.name(), Some(*call)),
            Entry::RingOver { code, .. } => (code.name(), None),
            _ => return,
        };
        let wall = self.core.wall(now()).seconds().unwrap_or(0);
        self.diagnostics.told(code, call, now(), wall);
    }

    /// Notes what holds.
    pub(crate) fn observe(&mut self) {
        let view = self.core.view();
        let facts = [
            ("gate", self.gate.is_some()),
            ("courier", self.has_courier()),
            ("online", view.online),
            ("clock", view.clock_trusted),
            ("documents", !view.person.is_empty()),
            ("screen", self.has_screen()),
            ("drawn", self.drawn),
        ];
        self.diagnostics.observe(now(), &facts);
    }

    /// A request for a page: the disk is asked apart from the loop, which nothing may keep waiting.
    pub(crate) fn look_up(&mut self, request: &[u8], answer: Answer) {
        let wanted = match Wanted::read(request) {
            Ok(_) if !self.documents.can_seal() => Err(BusError::new(Code::NotReady.name(), Code::NotReady.hint())),
            Ok(_) if !self.diagnostics.may(now()) => {
                Err(BusError::new("TooMany", "More pages of an export than four in a second; ask again later."))
            }
            read => read,
        };
        match wanted {
            Err(no) => drop(answer.send(Err(no))),
            Ok(wanted) if wanted.part == Part::Journal => drop(answer.send(self.export(&wanted, None))),
            Ok(wanted) => {
                let (store, inputs) = (self.store.clone(), self.inputs.clone());
                tokio::spawn(async move {
                    let page = timeout(DISK, store.ask(move |ledger| ledger.page(wanted.from))).await;
                    let page = page.ok().and_then(Result::ok);
                    let _ = inputs.send(Input::Page { wanted, page, answer }).await;
                });
            }
        }
    }

    /// The page, signed and sealed. A ledger that cannot be read is left out: the rest is what says why.
    pub(crate) fn export(&mut self, wanted: &Wanted, page: Option<Page>) -> Result<Reply, BusError> {
        self.observe();
        let mut export = self.page(wanted);
        if wanted.part == Part::Journal {
            export.journal = self.diagnostics.piece(wanted.from);
        }
        export.ledger = page.map(|page| LedgerPage {
            from: page.from,
            previous: Bytes32(page.previous),
            rows: page.rows,
            last: page.last,
            head: Bytes32(page.head),
        });
        loop {
            match self.documents.export(&export) {
                Ok(body) => return Ok(Reply::Document(body)),
                Err(no) if no.code == SealCode::TooLarge && shorten(&mut export) => {}
                Err(no) => return Err(failed(&no)),
            }
        }
    }

    fn page(&self, wanted: &Wanted) -> Export {
        let now = now();
        let core = &self.core;
        let floors = core.floors();
        Export {
            v: VERSION,
            site: self.documents.site(),
            device: self.documents.device(),
            request: wanted.request,
            boot: self.boot.replace('-', "").parse().unwrap_or_default(),
            at_ms: now.mono_ms,
            wall: core.wall(now).seconds().unwrap_or(0),
            started_ms: self.diagnostics.started_ms,
            release: env!("CARGO_PKG_VERSION").to_owned(),
            revisions: Revisions { authority: floors.authority, policy: floors.policy, entitlement: floors.entitlement },
            machines: Machines {
                call: core.call_kind().name().to_owned(),
                camera: core.camera_kind().name().to_owned(),
                remote: core.remote_kind().name().to_owned(),
                maintenance: core.maintenance_kind().name().to_owned(),
            },
            facts: self.diagnostics.facts(),
            codes: self.diagnostics.codes(),
            recent: self.diagnostics.recent.iter().cloned().collect(),
            ledger: None,
            journal: None,
        }
    }
}

/// Leaves a quarter of the page to the next one; answers whether there was anything to leave.
fn shorten(export: &mut Export) -> bool {
    match (&mut export.ledger, &mut export.journal) {
        (Some(page), _) if !page.rows.is_empty() => page.rows.truncate(page.rows.len() * 3 / 4),
        (_, Some(piece)) if !piece.text.is_empty() => {
            piece.text.truncate(piece.text.floor_char_boundary(piece.text.len() * 3 / 4))
        }
        _ => return false,
    }
    true
}

fn failed(no: &Refused) -> BusError {
    tracing::warn!(code = no.code.name(), hint = %no, "no page of an export");
    BusError::new(Code::Internal.name(), Code::Internal.hint())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ms: u64) -> Now {
        Now { mono_ms }
    }

    #[test]
    fn a_code_has_its_first_and_its_last_time_and_a_number() {
        let mut d = Diagnostics::new(5, [0; 32]);
        let call = Some(Id([7; 16]));
        d.told("Offline", None, at(10), 0);
        d.told("Offline", None, at(20), 0);
        d.told("NoAnswer", call, at(30), 99);
        d.told("Offline", None, at(40), 0);
        let offline = &d.codes()[1];
        assert_eq!((offline.times, offline.first_ms, offline.last_ms), (3, 10, 40));
        let recent: Vec<_> = d.recent.iter().map(|o| (o.at_ms, o.code.as_str(), o.call)).collect();
        assert_eq!(recent, [(20, "Offline", None), (30, "NoAnswer", call), (40, "Offline", None)]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut d = Diagnostics::new(0, [0; 32]);
        for n in 0..10_000_u64 {
            let code = Code::ALL[n as usize % Code::ALL.len()];
            d.told(code.name(), Some(Id(u128::from(n).to_le_bytes())), at(n), 0);
        }
        assert_eq!((d.recent.len(), d.codes.len(), d.codes().len()), (MAX_RECENT, Code::ALL.len(), MAX_CODES));
    }

    #[test]
    fn a_fact_says_since_when() {
        let mut d = Diagnostics::new(5, [0; 32]);
        d.observe(at(100), &[("online", false)]);
        d.observe(at(200), &[("online", false)]);
        let since = |d: &Diagnostics| (d.facts()[0].holds, d.facts()[0].since_ms);
        assert_eq!(since(&d), (false, 5));
        d.observe(at(300), &[("online", true)]);
        d.observe(at(400), &[("online", true)]);
        assert_eq!(since(&d), (true, 300));
    }

    #[test]
    fn thirty_two_pages_at_once_and_then_four_in_a_second() {
        let mut d = Diagnostics::new(0, [0; 32]);
        let allowed = |d: &mut Diagnostics, ms| (0..100).filter(|_| d.may(at(ms))).count();
        assert_eq!(allowed(&mut d, 1000), 32);
        assert_eq!(allowed(&mut d, 2000), 4);
        assert_eq!(allowed(&mut d, 100_000), 32);
    }

    #[test]
    fn a_request_is_read_strictly() {
        let good = br#"{"v":1,"request":"00112233445566778899aabbccddeeff","part":"ledger","from":1}"#;
        assert!(Wanted::read(good).is_ok());
        for wrong in [&good[..70], b"", b"[]", br#"{"v":1}"#] {
            assert!(Wanted::read(wrong).unwrap_err().name.ends_with(".MalformedArgument"));
        }
        let newer = String::from_utf8_lossy(good).replace("\"v\":1", "\"v\":2");
        assert!(Wanted::read(newer.as_bytes()).unwrap_err().name.ends_with(".UnknownVersion"));
    }
}
