//! Owns: the desk's tests' box, pages and clock: no IO, time as the test says.
//! Never: a broker, a browser (world has them).
//! Called by: desk.rs, incoming.rs, again.rs, staff.rs.
#![allow(dead_code, reason = "each test file uses a part of it")]

use parloir_facility::desk::{Desk, Input, Now, Output, Settings};
use parloir_facility::page::{Said, Says, Stats};
use parloir_facility::tamper::Tamper;
use parloir_facility::turn::Relays;
use parloir_issuer::{Options, Secret, Site, files, provision, sign};
use parloir_link::topic::{Way, find};
use parloir_pass::receipt::Parcel;
use parloir_pass::{Ask, Bytes32, Class, Document, Grant, Id, Media, Receipt, Statement, Typ, VERSION};
use parloir_seal::{BoxKey, Clock, Keyring, UnsealKey, random, sealed};
use serde_json::Value;
use std::path::PathBuf;

/// A Monday, 12:00 UTC.
pub const NOON_S: i64 = 1_796_040_000;
pub const RELAY: &str = "turn:192.0.2.1:3478?transport=udp";
pub const VISITOR: [u8; 32] = [9; 32];
pub const PAGE: Bytes32 = Bytes32([0xfa; 32]);

pub struct Bench {
    pub dir: PathBuf,
    pub desk: Desk,
    pub now: Now,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// The settings of every test here.
pub fn settings(tamper: Option<Tamper>) -> Settings {
    let relays = Relays { urls: vec![RELAY.to_owned()], secret: b"north".to_vec() };
    Settings { relays, direct_candidates: false, absent_ms: 57_000, tamper, tamperable: false }
}

pub fn bench(name: &str, tamper: Option<Tamper>) -> Bench {
    bench_of(name, tamper, Options::default())
}

/// Two people share the box.
pub fn shared(name: &str) -> Bench {
    bench_of(name, None, Options { shared: true, ..Options::default() })
}

/// With a lawyer as the first contact.
pub fn lawyers(name: &str) -> Bench {
    bench_of(name, None, Options { first: Some((Class::Lawyer, "Lawyer Silva".to_owned())), ..Options::default() })
}

fn bench_of(name: &str, tamper: Option<Tamper>, options: Options) -> Bench {
    let dir = std::env::temp_dir().join(format!("parloir-desk-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let relays = vec![RELAY.to_owned()];
    let options = Options { relays, now: NOON_S, expired_key: true, ..options };
    let site = provision(&dir, &options).unwrap();
    let now = Now { mono_ms: 1_000_000_000, unix_ms: NOON_S * 1000 };
    let desk = Desk::new(site, settings(tamper), now, None).unwrap();
    let mut b = Bench { dir, desk, now };
    (0..3).for_each(|contact| drop(b.open(contact, contact as u64 + 1, "a")));
    b
}

/// What came out, sorted.
#[derive(Default, Debug)]
pub struct Out {
    pub sent: Vec<(&'static str, Vec<u8>)>,
    /// Number of the page's websocket: in these tests contact 0 has page 1, and so on.
    pub says: Vec<(u64, Says)>,
    pub dropped: Vec<u64>,
    pub events: Vec<Value>,
    pub files: Vec<Vec<u8>>,
}

impl Out {
    pub fn sent(&self, kind: &str) -> &[u8] {
        &self.sent.iter().find(|(k, _)| *k == kind).unwrap_or_else(|| panic!("no {kind} in {self:?}")).1
    }
    pub fn event(&self, name: &str) -> &Value {
        self.events.iter().find(|e| e["event"] == name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }
    /// Nothing but the event `refused`.
    pub fn refused(&self) -> String {
        assert!(self.sent.is_empty() && self.says.is_empty(), "{self:?}");
        self.event("refused")["error"].as_str().unwrap().to_owned()
    }
}

impl Bench {
    pub fn site(&self) -> Site {
        Site::load(&self.dir).unwrap()
    }
    pub fn box_key(&self) -> BoxKey {
        BoxKey::new(&files::read_32(&self.dir.join("box/ask.key")).unwrap())
    }
    pub fn keyring(&self) -> Keyring {
        let site = self.site();
        Keyring::open(&site.authority, &site.roots, &site.site, 0).unwrap()
    }
    pub fn token(&self, contact: usize) -> String {
        self.desk.links()[contact].0.clone()
    }
    pub fn step(&mut self, input: Input) -> Out {
        let mut out = Out::default();
        for output in self.desk.step(self.now, input) {
            match output {
                Output::Publish { kind, body } => out.sent.push((kind.name, body)),
                Output::Page { page, says } => out.says.push((page, *says)),
                Output::Drop { page } => out.dropped.push(page),
                Output::Event(value) => out.events.push(value),
                Output::File { bytes, event, .. } => {
                    out.files.push(bytes);
                    out.events.push(event);
                }
            }
        }
        out
    }
    pub fn from_box(&mut self, kind: &str, body: Vec<u8>) -> Out {
        self.step(Input::Box { kind: find(Way::Up, kind).unwrap(), body })
    }
    pub fn open(&mut self, contact: usize, page: u64, tab: &str) -> Out {
        let token = self.token(contact);
        self.step(Input::Opened { token, page, tab: tab.to_owned() })
    }
    pub fn from_page(&mut self, contact: usize, said: Said) -> Out {
        self.step(Input::Page { page: contact as u64 + 1, said })
    }
    pub fn after(&mut self, ms: u64) -> Out {
        self.now.mono_ms += ms;
        self.now.unix_ms += i64::try_from(ms).unwrap();
        self.step(Input::Tick)
    }
    pub fn ask(&self) -> Ask {
        let site = self.site();
        Ask {
            v: VERSION,
            site: site.site,
            device: site.device,
            call: random::id().unwrap(),
            person: site.person.person,
            contact: site.person.contacts[0].id,
            class: site.person.contacts[0].class,
            media: Media::Video,
            nonce: random::id().unwrap(),
            gate_nonce: random::id().unwrap(),
            certificate: Bytes32([0xb0; 32]),
            commitment: None,
            ring: None,
            regrant: None,
        }
    }
    pub fn sealed(&self, typ: Typ, plain: &[u8]) -> Vec<u8> {
        sealed::seal(typ, &self.site().device, &self.keyring().facility_seal(), plain).unwrap()
    }
    pub fn send_ask(&mut self, ask: &Ask) -> Out {
        let body = self.sealed(Typ::Ask, self.box_key().sign_ask(ask).unwrap().as_bytes());
        self.from_box("ask", body)
    }
    pub fn join(&mut self, ask: &Ask) -> Out {
        let statement_key = Secret::new(&VISITOR).public();
        self.from_page(0, Said::Join { call: ask.call, certificate: PAGE, statement_key, code_nonce: ask.commitment })
    }
    /// The facility dies, and comes back after `away_ms` on a machine whose monotonic clock began anew.
    pub fn restart(&mut self, away_ms: u64) {
        let kept = self.desk.kept(self.now).expect("something to keep");
        self.now = Now { mono_ms: 500_000_000, unix_ms: self.now.unix_ms + i64::try_from(away_ms).unwrap() };
        self.desk = Desk::new(self.site(), settings(None), self.now, Some(&kept)).unwrap();
    }
    /// Another certificate and key, from the first contact's page.
    pub fn join_as(&mut self, ask: &Ask, certificate: Bytes32, key: &[u8; 32]) -> Out {
        self.from_page(
            0,
            Said::Join { call: ask.call, certificate, statement_key: Secret::new(key).public(), code_nonce: ask.commitment },
        )
    }
    /// A statement of the first contact's page, by that key.
    pub fn state(&mut self, statement: &Statement, key: &[u8; 32]) -> Out {
        self.from_page(0, said(sign(statement, &Secret::new(key)).unwrap()))
    }
    pub fn send_receipt(&mut self, receipt: &Receipt) -> Out {
        let signed = self.box_key().sign_receipt(receipt).unwrap();
        let (visitor, earlier) = (receipt.visitor_statement.clone(), receipt.earlier_statements.clone());
        let parcel = serde_json::to_vec(&Parcel { receipt: signed, visitor, earlier }).unwrap();
        let body = self.sealed(Typ::Receipt, &parcel);
        self.from_box("receipt", body)
    }
    /// As the arbiter: opens a document that was sealed to the box.
    pub fn opened(&self, typ: Typ, body: &[u8]) -> Vec<u8> {
        let key = UnsealKey::new(&files::read_32(&self.dir.join("box/unseal.key")).unwrap()).unwrap();
        sealed::open(typ, &self.site().device, &key, body).unwrap()
    }
    /// As the arbiter: the seal and the signature, nothing else.
    pub fn unsealed(&self, body: &[u8]) -> Vec<u8> {
        let key = UnsealKey::new(&files::read_32(&self.dir.join("box/unseal.key")).unwrap()).unwrap();
        sealed::open(Typ::Grant, &self.site().device, &key, body).unwrap()
    }
    pub fn verify<D: Document>(&self, body: &[u8]) -> D {
        self.keyring().verify(body, Clock::Unix(NOON_S)).map(|(d, _)| d).unwrap()
    }
    pub fn granted(name: &str) -> (Self, Ask, Grant) {
        let mut b = bench(name, None);
        let ask = b.ask();
        b.send_ask(&ask);
        let out = b.join(&ask);
        let grant = b.keyring().grant(&b.unsealed(out.sent("grant")), &ask.device, Clock::Unix(NOON_S)).unwrap();
        (b, ask, grant)
    }
}

pub fn statement(call: Id, count: u64, decoded_ms: u64) -> Statement {
    Statement {
        v: VERSION,
        call,
        count,
        decoding: true,
        decoded_ms,
        frames: 100,
        width: 1280,
        height: 720,
        first_frame_ms: 300,
        sound_heard: true,
        last: false,
    }
}

pub fn said(jws: String) -> Said {
    Said::Statement { jws, stats: Stats::default() }
}

pub fn receipt(ask: &Ask, grant: Option<Id>, counted: u32, statement: Option<String>) -> Receipt {
    Receipt {
        v: VERSION,
        site: ask.site,
        device: ask.device,
        receipt: random::id().unwrap(),
        call: ask.call,
        grant,
        person: ask.person,
        contact: ask.contact,
        class: ask.class,
        asked_ms: 0,
        admitted_ms: Some(100),
        first_decoded_here_ms: Some(500),
        first_decoded_there_ms: Some(600),
        ended_ms: 60_000,
        gaps: Vec::new(),
        seconds_counted: counted,
        frames_decoded: 100,
        width: 1280,
        height: 720,
        reason: "PersonEnded".to_owned(),
        wall_start: NOON_S,
        ledger_head: Bytes32([1; 32]),
        visitor_statement: statement,
        regrants: Vec::new(),
        earlier_statements: Vec::new(),
    }
}
