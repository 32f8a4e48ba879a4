//! Owns: a box with its facility played by hand, at a time that the test sets: the shortest way into each state.
//! Never: judges; a test asks for what it wants to see.
//! Called by: every test of this directory.
#![allow(dead_code)]

use parloir_core::call::Kind;
use parloir_core::camera::Kind as Doors;
use parloir_core::state::Floors;
use parloir_core::*;
use parloir_pass::*;

pub const DEVICE: Id = Id([0xd0; 16]);
pub const SITE: Id = Id([0x51; 16]);
pub const PERSON: Id = Id([0xbe; 16]);
pub const ANA: Id = Id([0xa1; 16]);
pub const BEN: Id = Id([0xb2; 16]);
/// Of the other person.
pub const CARL: Id = Id([0xc3; 16]);
/// Another person of the cell, and of nobody's.
pub const OTHER: Id = Id([0xbf; 16]);
pub const STRANGER: Id = Id([0xb7; 16]);
pub const GRANT: Id = Id([0x67; 16]);
pub const GATE_NONCE: Id = Id([0x9a; 16]);
pub const GRANT_KEY: Bytes32 = Bytes32([0x6b; 32]);
pub const OWN: Bytes32 = Bytes32([0x01; 32]);
pub const FAR: Bytes32 = Bytes32([0x02; 32]);
pub const COMMITMENT: Bytes32 = Bytes32([0x04; 32]);
/// What the arbiter makes of both halves of the short code.
pub const CODE: u32 = 7_319;
pub const RELAY: &str = "turn:192.0.2.1:3478?transport=udp";
/// 2026-11-21T12:00:00Z.
pub const NOON: i64 = 1_795_262_400;

pub fn screen() -> Owner {
    Owner(":1.10".to_owned())
}

pub fn other() -> Owner {
    Owner(":1.11".to_owned())
}

pub fn updater() -> Owner {
    Owner(":1.20".to_owned())
}

pub fn authority() -> Authority {
    let key =
        |role, key, classes: Vec<Class>, longest_s| AuthorityKey { role, key, classes, longest_s, not_after: NOON + 86_400 };
    Authority {
        v: 1,
        site: SITE,
        revision: 3,
        keys: vec![
            key(Role::Grant, GRANT_KEY, vec![Class::Family], 4000),
            key(Role::Grant, Bytes32([0x6c; 32]), vec![Class::Lawyer], 9000),
            key(Role::Door, Bytes32([0xdd; 32]), vec![Class::Family], 4000),
        ],
        facility_seal: Bytes32([0xfa; 32]),
        always: Vec::new(),
    }
}

pub fn policy() -> SitePolicy {
    let rule = ClassRule {
        class: Class::Family,
        longest_s: 1800,
        beat_every_s: 20,
        beat_grace_s: 40,
        make_good_s: 300,
        recording: false,
        monitoring: false,
        price: String::new(),
        video: true,
    };
    SitePolicy {
        v: 1,
        site: SITE,
        revision: 5,
        site_name: "North".to_owned(),
        zone_minutes: 60,
        sign_in: false,
        classes: vec![rule],
        relays: vec![RELAY.to_owned()],
        languages: vec!["en".to_owned()],
    }
}

/// A site that asks for a code.
pub fn shared_policy() -> SitePolicy {
    SitePolicy { sign_in: true, revision: 6, ..policy() }
}

/// Two people of one cell.
pub fn agenda() -> Agenda {
    let people = vec![Occupant { tag: 1, person: PERSON }, Occupant { tag: 2, person: OTHER }];
    Agenda { v: 1, site: SITE, device: DEVICE, revision: 2, people, bookings: Vec::new() }
}

/// What answers a code.
pub fn answer_to(nonce: Id, person: Id) -> Entitlement {
    let name = if person == PERSON { "M." } else { "K." };
    let contacts = if person == PERSON { entitlement().contacts } else { vec![contact(CARL, "Carl")] };
    Entitlement { answers: Some(nonce), person, name: name.to_owned(), contacts, bookings: Vec::new(), ..entitlement() }
}

/// The facility's no to a code.
pub fn no_to(nonce: Id, wait_s: u32, code: &str) -> Event {
    let target = DenyTarget::SignIn { nonce, wait_s };
    Event::Deny(Box::new(Deny { v: 1, site: SITE, target, words: String::new(), code: code.to_owned() }))
}

pub fn contact(id: Id, name: &str) -> Contact {
    Contact {
        id,
        name: name.to_owned(),
        class: Class::Family,
        media: Media::Video,
        outgoing: true,
        incoming: true,
        windows: vec![Window { from: NOON - 3600, to: NOON + 7200 }],
    }
}

pub fn entitlement() -> Entitlement {
    Entitlement {
        v: 1,
        site: SITE,
        device: DEVICE,
        revision: 7,
        answers: None,
        person: PERSON,
        name: "M.".to_owned(),
        language: "sl".to_owned(),
        contacts: vec![contact(ANA, "Ana"), contact(BEN, "Ben")],
        bookings: vec![Booking { contact: ANA, from: NOON + 600, to: NOON + 1200 }],
    }
}

pub fn settings() -> Settings {
    Settings { device: DEVICE, site: SITE, bench_direct: false, floors: Floors::default() }
}

/// Where the dial begins, digit for digit.
pub const DIAL: [u8; 16] = [7, 13, 200, 0, 255, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

pub struct Bed {
    pub state: State,
    pub now: u64,
    pub serial: u64,
    pub requests: u64,
    pub calls: u8,
    pub count: u64,
    pub beats: u64,
    pub admitted: u64,
    pub decoded_ms: u64,
    /// What lies on the disk of a visit that nobody closed.
    pub last_record: Option<Receipt>,
}

/// What the effects hold that a test wants to see.
pub fn refused(effects: &[Effect]) -> Option<Code> {
    effects.iter().find_map(|e| match e {
        Effect::Reply { answer: Err(refusal), .. } => Some(refusal.code),
        _ => None,
    })
}

pub fn ledger_refusals(effects: &[Effect]) -> Vec<Code> {
    let code = |e: &Effect| match e {
        Effect::Ledger(Entry::Refused { code, .. }) => Some(*code),
        _ => None,
    };
    effects.iter().filter_map(code).collect()
}

pub fn receipt(effects: &[Effect]) -> Option<&Receipt> {
    effects.iter().find_map(|e| match e {
        Effect::MakeReceipt { receipt } => Some(&**receipt),
        _ => None,
    })
}

pub fn closes(effects: &[Effect]) -> usize {
    effects.iter().filter(|e| matches!(e, Effect::Gate(ToGate::Close { .. }))).count()
}

pub fn opens(effects: &[Effect]) -> usize {
    effects.iter().filter(|e| matches!(e, Effect::Gate(ToGate::Open { .. }))).count()
}

impl Bed {
    /// A box that knows nothing.
    pub fn bare() -> Self {
        let state = State::new(settings());
        Self {
            state,
            now: 1_000_000,
            serial: 0,
            requests: 0,
            calls: 0,
            count: 0,
            beats: 0,
            admitted: 0,
            decoded_ms: 0,
            last_record: None,
        }
    }

    /// Documents, gate, network and screen are here; the clock is believed.
    pub fn new() -> Self {
        let mut bed = Self::untimed();
        bed.time_said(NOON);
        bed
    }

    /// As `new`, but nobody has told the time.
    pub fn untimed() -> Self {
        let mut bed = Self::bare();
        bed.gate(GateFact::Hello { device: DEVICE });
        bed.step(Event::Authority(Box::new(authority())));
        bed.step(Event::Policy(Box::new(policy())));
        bed.step(Event::Entitlement(Box::new(entitlement())));
        bed.step(Event::Online { up: true, fresh: Id([0x71; 16]) });
        bed.attach(screen());
        bed.focus(screen());
        bed
    }

    /// As `new`, at a site that asks for a code; nobody is signed in.
    pub fn shared() -> Self {
        let mut bed = Self::new();
        bed.step(Event::Policy(Box::new(shared_policy())));
        bed.step(Event::Agenda(Box::new(agenda())));
        bed
    }

    /// An OK press, and the screen says whose code it shall be.
    pub fn begin_code(&mut self, tag: u8) -> Vec<Effect> {
        self.press(Stroke::OkDown);
        self.calls += 1;
        let (request, serial, nonce) = (self.request(), self.serial, self.sign_in_nonce());
        self.step(Event::SignIn { request, caller: screen(), tag, serial, nonce, dial: Hidden(DIAL) })
    }

    pub fn sign_in_nonce(&self) -> Id {
        Id([0x20 + self.calls; 16])
    }

    /// By digit keys.
    pub fn type_code(&mut self, code: &str) -> Vec<Effect> {
        code.bytes().flat_map(|b| self.press(Stroke::Digit(Hidden(b - b'0')))).collect()
    }

    /// Signed in, by a code that the facility takes.
    pub fn signed_in(&mut self, tag: u8, person: Id) {
        self.begin_code(tag);
        self.type_code("314159");
        let answer = answer_to(self.sign_in_nonce(), person);
        self.step(Event::Entitlement(Box::new(answer)));
        assert_eq!(self.state.session_kind(), session::Kind::Open);
    }

    pub fn step(&mut self, event: Event) -> Vec<Effect> {
        let effects = self.state.step(Now { mono_ms: self.now }, event);
        for effect in &effects {
            match effect {
                Effect::OpenVisitRecord { receipt } => self.last_record = Some((**receipt).clone()),
                Effect::CloseVisitRecord { .. } => self.last_record = None,
                _ => {}
            }
        }
        effects
    }

    pub fn time_said(&mut self, unix: i64) {
        self.step(Event::Time(Time { v: 1, device: DEVICE, nonce: Id([0x71; 16]), unix_ms: unix * 1000 }));
    }

    pub fn request(&mut self) -> Request {
        self.requests += 1;
        Request(self.requests)
    }

    pub fn gate(&mut self, fact: GateFact) -> Vec<Effect> {
        self.step(Event::Gate(fact))
    }

    pub fn attach(&mut self, caller: Owner) -> Vec<Effect> {
        let request = self.request();
        self.step(Event::Attach { request, caller })
    }

    pub fn focus(&mut self, caller: Owner) -> Vec<Effect> {
        let request = self.request();
        self.step(Event::Focus { request, caller })
    }

    pub fn press(&mut self, stroke: Stroke) -> Vec<Effect> {
        self.serial += 1;
        let serial = self.serial;
        self.gate(GateFact::Key(Press { serial, stroke }))
    }

    /// After `ms`, with a tick at each deadline on the way, as the arbiter does it, and a call process that speaks as long as it runs.
    pub fn pass(&mut self, ms: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        let end = self.now + ms;
        while self.now < end {
            let next = end.min(self.now + 500);
            effects.extend(self.pass_in_silence(next - self.now));
            effects.extend(self.breath());
        }
        effects
    }

    /// As `pass`, but the call process says nothing.
    pub fn pass_in_silence(&mut self, ms: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        let end = self.now + ms;
        while self.now < end {
            self.now = self.state.deadline().unwrap_or(end).clamp(self.now + 1, end);
            effects.extend(self.step(Event::Tick { fresh: Id([0x72; 16]) }));
        }
        effects
    }

    pub fn call_id(&self) -> Id {
        Id([self.calls; 16])
    }

    pub fn place_with(&mut self, caller: Owner, contact: Id, video: bool, serial: u64) -> Vec<Effect> {
        self.calls += 1;
        let call = self.call_id();
        let fresh = Fresh { call, nonce: Id([0x40 + self.calls; 16]), receipt: Id([0x80 + self.calls; 16]) };
        let request = self.request();
        self.step(Event::Place { request, caller, contact, video, serial, fresh })
    }

    pub fn place(&mut self) -> Vec<Effect> {
        self.press(Stroke::OkDown);
        self.place_with(screen(), ANA, true, self.serial)
    }

    /// Placed, prepared and asked: the Ask.
    pub fn ask(&mut self) -> Ask {
        self.place();
        self.prepare()
    }

    pub fn prepare(&mut self) -> Ask {
        let call = self.call_id();
        self.step(Event::CertificateMade { call, fingerprint: OWN, commitment: COMMITMENT });
        let effects = self.gate(GateFact::Prepared { lease: call, nonce: GATE_NONCE });
        let ask = effects.into_iter().find_map(|e| match e {
            Effect::SendAsk(ask) => Some(*ask),
            _ => None,
        });
        ask.expect("an Ask")
    }

    pub fn grant_event(&mut self, grant: Grant, ticket: TicketFacts) -> Vec<Effect> {
        (self.beats, self.admitted) = (0, self.now);
        self.step(granted(grant, ticket))
    }

    /// Doors wanted open; gate has not answered.
    pub fn granted(&mut self) -> Vec<Effect> {
        let ask = self.ask();
        let (grant, ticket) = good_grant(&ask);
        self.grant_event(grant, ticket)
    }

    pub fn opened(&mut self) -> Vec<Effect> {
        self.gate(GateFact::Opened { lease: self.call_id(), camera: true, microphone: true })
    }

    pub fn joining(&mut self) {
        self.granted();
        self.opened();
        self.verified();
        assert_eq!((self.state.call_kind(), self.state.camera_kind()), (Kind::Joining, Doors::Open));
    }

    pub fn fact(&mut self, fact: CallFact) -> Vec<Effect> {
        let call = self.call_id();
        self.step(Event::Call { call, fact })
    }

    /// The session is up: its certificate is the granted one.
    pub fn verified(&mut self) -> Vec<Effect> {
        self.fact(CallFact::FarVerified { fingerprint: FAR })
    }

    /// The call process lives, and nothing else.
    pub fn breath(&mut self) -> Vec<Effect> {
        let (width, height) = (1280, 720);
        let progress = CallFact::Progress { frames_decoded: 0, width, height, target_kbps: 1000, loss_permille: 0, rtt_ms: 40 };
        self.fact(progress)
    }

    pub fn own(&mut self, on: bool) -> Vec<Effect> {
        let at_ms = self.now;
        self.fact(CallFact::Decoding { on, at_ms })
    }

    pub fn far(&mut self, decoding: bool) -> Vec<Effect> {
        self.far_with(|s| s.decoding = decoding)
    }

    pub fn far_with(&mut self, change: impl FnOnce(&mut Statement)) -> Vec<Effect> {
        self.count += 1;
        let mut statement = Statement {
            v: 1,
            call: self.call_id(),
            count: self.count,
            decoding: false,
            decoded_ms: self.decoded_ms,
            frames: 0,
            width: 1280,
            height: 720,
            first_frame_ms: 0,
            sound_heard: false,
            last: false,
        };
        change(&mut statement);
        let jws = format!("jws-{}", statement.count);
        self.step(Event::Statement { party: 0, statement, jws })
    }

    /// As a facility counts them: by the time since the grant.
    pub fn beat(&mut self) -> Vec<Effect> {
        self.beats = (self.beats + 1).max((self.now - self.admitted) / 20_000);
        self.step(Event::Beat(Beat { v: 1, device: DEVICE, grant: GRANT, count: self.beats }))
    }

    pub fn live(&mut self) {
        self.joining();
        self.own(true);
        self.far(true);
        assert_eq!(self.state.call_kind(), Kind::Live);
    }

    /// `ms` of a good visit: statements every second, beats every 20 s.
    pub fn good_visit(&mut self, ms: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        for n in 0..ms / 1000 {
            effects.extend(self.pass(1000));
            if self.state.call_kind() == Kind::Live {
                self.decoded_ms += 1000;
                effects.extend(self.far(true));
            }
            if n % 20 == 19 && self.state.call_kind() == Kind::Live {
                effects.extend(self.beat());
            }
        }
        effects
    }

    /// The person lets pictures out, or takes them back.
    pub fn let_out(&mut self, camera: bool) -> Vec<Effect> {
        let (request, serial) = (self.request(), self.serial);
        self.step(Event::Let { request, caller: screen(), camera, microphone: true, serial })
    }

    pub fn end(&mut self) -> Vec<Effect> {
        let request = self.request();
        self.step(Event::End { request, caller: screen() })
    }

    pub fn shut(&mut self) -> Vec<Effect> {
        self.gate(GateFact::Shut { lease: self.call_id(), reason: ShutReason::Asked, took_ms: 40 })
    }

    pub fn outcome(&self) -> view::Outcome {
        self.state.view().outcome.expect("an outcome")
    }
}

/// As the arbiter hands it on: with a code wherever one can be made.
pub fn granted(grant: Grant, ticket: TicketFacts) -> Event {
    let code = grant.parties.first().and_then(|party| party.code_nonce).map(|_| CODE);
    Event::Grant { grant: Box::new(grant), key: GRANT_KEY, ticket, code }
}

pub fn good_grant(ask: &Ask) -> (Grant, TicketFacts) {
    let grant = Grant {
        v: 1,
        site: SITE,
        device: DEVICE,
        grant: GRANT,
        call: ask.call,
        nonce: ask.nonce,
        person: PERSON,
        contact: ask.contact,
        class: ask.class,
        media: ask.media,
        box_certificate: ask.certificate,
        parties: vec![Party {
            name: "Ana".to_owned(),
            certificate: FAR,
            statement_key: Bytes32([0x03; 32]),
            code_nonce: ask.commitment.map(|_| Bytes32([0x05; 32])),
        }],
        route: Route::Direct,
        relays: vec![RelayCredentials { url: RELAY.to_owned(), user: "u".to_owned(), password: "p".to_owned() }],
        direct_candidates: false,
        recorded_by: String::new(),
        watched_by: String::new(),
        price: String::new(),
        slot_s: 600,
        lease_s: 720,
        ticket: Ticket128([0x7c; 128]),
    };
    let ticket = TicketFacts {
        answers_nonce: true,
        camera: ask.media == Media::Video,
        microphone: true,
        device: DEVICE,
        nonce: ask.gate_nonce,
        lease: ask.call,
        longest_run_s: 720,
    };
    (grant, ticket)
}
