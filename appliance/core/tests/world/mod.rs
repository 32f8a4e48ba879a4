//! Owns: the world around one box in the random walk: what it has heard of the box, and what would come next if everybody did as they should.
//! Never: knows how the machine is made; it sees events, effects and the view.
//! Called by: walk.rs, judge_walk.rs.

pub mod cells;
mod chaos;
mod code;
pub mod course;
pub mod never;
mod places;
mod watch;

use crate::bed::*;
use crate::twin::Twin;
use cells::Cells;
use parloir_core::call::Kind;
use parloir_core::refusal::Place;
use parloir_core::*;
use parloir_pass::*;
use std::collections::BTreeSet;

/// xorshift64*, so that a seed means the same on every machine.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }
    pub fn one_in(&mut self, n: u64) -> bool {
        self.roll(n) == 0
    }
    pub fn id(&mut self) -> Id {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.roll(1 << 31).to_le_bytes());
        bytes[8] = 0xff;
        Id(bytes)
    }
}

/// The world around one box: what it has heard from it, so that it can answer sensibly when it wants to.
pub struct World {
    pub state: State,
    pub twin: Twin,
    pub now: u64,
    pub serial: u64,
    pub routed: Vec<(u64, Owner, u64)>,
    pub used: BTreeSet<u64>,
    pub time_nonce: Option<Id>,
    pub prepared: Option<Id>,
    pub certificate: Option<Id>,
    pub ask: Option<Ask>,
    /// The pending question for another grant.
    pub again: Option<Ask>,
    pub ringing: Option<(Id, u64)>,
    pub rung: BTreeSet<Id>,
    /// The last four rings, newest first.
    pub sent: Vec<Ring>,
    pub grant: Id,
    pub granted_at: u64,
    pub far: Bytes32,
    pub granted: BTreeSet<Id>,
    pub lease: Option<Id>,
    pub opening: bool,
    pub relaunching: bool,
    pub closing: Option<Id>,
    pub count: u64,
    pub beats: u64,
    pub decoded_ms: u64,
    pub mood: Mood,
    /// Where each code was seen.
    pub seen: BTreeSet<(&'static str, Place)>,
    pub stopped: bool,
    /// Who may change the box, and until when at most.
    pub leased: Option<(Owner, u64)>,
    pub cells: Cells,
    pub code: code::Code,
    /// When the call process spoke last.
    pub spoke: u64,
    pub log: Vec<(u64, Event)>,
    pub effects: u64,
    /// The twin's count, and when.
    pub counted: (u64, u64),
}

/// How likely each run is to be sensible, so that some get far and some do not.
#[derive(Clone, Copy)]
pub struct Mood {
    pub chaos: u64,
    pub patience: u64,
    /// The far side never sees anything.
    pub blind: bool,
    /// The site asks for a code.
    pub shared: bool,
}

impl World {
    pub fn new(dice: &mut Dice) -> Self {
        let (chaos, patience) = ([6, 20, 60, 400][dice.roll(4) as usize], [400, 1500, 6000][dice.roll(3) as usize]);
        let mood = Mood { chaos, patience, blind: dice.one_in(8), shared: dice.one_in(4) };
        Self {
            state: State::new(settings()),
            twin: Twin::default(),
            now: 1_000_000,
            serial: 0,
            routed: Vec::new(),
            used: BTreeSet::new(),
            time_nonce: None,
            prepared: None,
            certificate: None,
            ask: None,
            again: None,
            ringing: None,
            rung: BTreeSet::new(),
            sent: Vec::new(),
            grant: GRANT,
            granted_at: 0,
            far: FAR,
            granted: BTreeSet::new(),
            lease: None,
            opening: false,
            relaunching: false,
            closing: None,
            count: 0,
            beats: 0,
            decoded_ms: 0,
            mood,
            seen: BTreeSet::new(),
            stopped: false,
            leased: None,
            cells: Cells::default(),
            code: code::Code::default(),
            spoke: 0,
            log: Vec::new(),
            effects: 0,
            counted: (0, 1_000_000),
        }
    }

    /// Time passes; mostly the call process speaks meanwhile, as it does every half second.
    pub fn wait(&mut self, dice: &mut Dice) {
        let wait = match dice.roll(20) {
            0..=9 => dice.roll(300),
            10..=17 => dice.roll(self.mood.patience),
            18 => dice.roll(10) * 1000,
            _ => self.state.deadline().map_or(0, |at| at.saturating_sub(self.now)),
        };
        let end = self.now + wait;
        while let Some(call) = self.lease
            && self.state.call_kind().opens_doors()
            && end > self.spoke + 3000
            && !dice.one_in(40)
        {
            self.now = self.now.max(self.spoke + 2500);
            let (width, height) = (1280, 720);
            let fact = CallFact::Progress { frames_decoded: 0, width, height, target_kbps: 900, loss_permille: 0, rtt_ms: 40 };
            self.step(Event::Call { call, fact });
        }
        self.now = end;
    }

    /// What would come next if everybody did as they should.
    pub fn sensible(&mut self, dice: &mut Dice) -> Event {
        if self.state.camera_kind() == camera::Kind::Absent {
            return Event::Gate(GateFact::Hello { device: DEVICE });
        }
        let view = self.state.view();
        let late = self.state.call_kind() == Kind::Ringing && dice.one_in(2);
        if !view.online && !late {
            return Event::Online { up: true, fresh: dice.id() };
        }
        if self.state.authority().is_none() {
            return Event::Authority(Box::new(authority()));
        }
        if view.phase == view::Phase::Starting {
            return match dice.roll(3) {
                0 => Event::Policy(Box::new(if self.mood.shared { shared_policy() } else { policy() })),
                1 => Event::Agenda(Box::new(agenda())),
                _ => Event::Entitlement(Box::new(short_entitlement())),
            };
        }
        if let (Some(nonce), true) = (self.time_nonce, dice.one_in(3)) {
            return Event::Time(Time { v: 1, device: DEVICE, nonce, unix_ms: NOON * 1000 });
        }
        if let Some(event) = self.of_the_code(dice) {
            return event;
        }
        match self.state.call_kind() {
            Kind::Idle if self.leased.is_some() => self.while_changing(dice),
            Kind::Idle => self.from_home(dice),
            Kind::Ringing => self.while_ringing(dice),
            Kind::Asking => self.while_asking(dice),
            Kind::Joining | Kind::Live | Kind::Held => self.in_visit(dice),
            Kind::Closing => self.at_the_end(dice),
        }
    }

    /// Where a code is asked for, somebody enters it, and the facility answers; or they leave again.
    pub fn of_the_code(&mut self, dice: &mut Dice) -> Option<Event> {
        let request = Request(8);
        let quiet = matches!(self.state.call_kind(), Kind::Idle | Kind::Ringing) && self.leased.is_none();
        match self.state.session_kind() {
            _ if !quiet => None,
            session::Kind::Free => None,
            session::Kind::Closed if self.state.view().phase == view::Phase::Refused => {
                Some(Event::Dismiss { request, caller: screen() })
            }
            session::Kind::Closed if self.closing.is_some() || dice.one_in(6) => None,
            session::Kind::Closed => Some(match self.state.remote_kind() {
                remote::Kind::Free if dice.one_in(2) => Event::Attach { request, caller: screen() },
                remote::Kind::Free => Event::Focus { request, caller: screen() },
                remote::Kind::Focused => self.key(Stroke::OkDown),
                remote::Kind::Armed => self.begin_code(dice, screen()),
            }),
            session::Kind::Entering => Some(match dice.roll(16) {
                0 => self.key(Stroke::BackDown),
                1 | 2 => self.key(Stroke::OkDown),
                3 | 4 => self.key(Stroke::Step(Hidden(if dice.one_in(2) { 1 } else { 9 }))),
                5 => self.key(Stroke::DigitUp),
                _ => self.key(Stroke::Digit(Hidden(dice.roll(10) as u8))),
            }),
            session::Kind::Asking if dice.one_in(12) => Some(match dice.roll(5) {
                4 => Event::Policy(Box::new(shared_policy())),
                0 => Event::SignOut { request, caller: screen() },
                1 => self.begin_code(dice, screen()),
                2 => Event::Policy(Box::new(SitePolicy { revision: 6, ..policy() })),
                _ => Event::OwnerGone { owner: screen() },
            }),
            session::Kind::Asking => Some(match dice.roll(8) {
                0 => no_to(self.code.nonce, dice.roll(40) as u32, "WrongCode"),
                1 => Event::Entitlement(Box::new(answer_to(dice.id(), PERSON))),
                2 => Event::Entitlement(Box::new(answer_to(self.code.nonce, STRANGER))),
                3 => Event::Tick { fresh: dice.id() },
                _ => Event::Entitlement(Box::new(answer_to(self.code.nonce, self.code.whose()))),
            }),
            session::Kind::Open => match dice.roll(200) {
                0 => Some(Event::SignOut { request, caller: screen() }),
                1 => Some(no_to(self.code.nonce, 0, "Revoked")),
                2 => Some(Event::Entitlement(Box::new(answer_to(self.code.nonce, self.code.whose())))),
                _ => None,
            },
        }
    }

    pub fn begin_code(&mut self, dice: &mut Dice, caller: Owner) -> Event {
        let (tag, serial) = (1 + dice.roll(2) as u8, self.serial);
        Event::SignIn { request: Request(8), caller, tag, serial, nonce: dice.id(), dial: Hidden(DIAL) }
    }

    pub fn from_home(&mut self, dice: &mut Dice) -> Event {
        if let Some(lease) = self.closing {
            return Event::Gate(GateFact::Shut { lease, reason: ShutReason::Asked, took_ms: 10 });
        }
        let request = Request(0);
        match self.state.remote_kind() {
            _ if dice.one_in(25) => self.begin(dice, updater()),
            remote::Kind::Free if dice.one_in(2) => Event::Attach { request, caller: screen() },
            remote::Kind::Free => Event::Focus { request, caller: screen() },
            _ if dice.one_in(4) => Event::Ring(self.ring(dice)),
            remote::Kind::Focused => self.key(Stroke::OkDown),
            remote::Kind::Armed => self.place(dice),
        }
    }

    pub fn begin(&self, dice: &mut Dice, caller: Owner) -> Event {
        let stage = any(dice, &[Stage::Install, Stage::Install, Stage::Restart]);
        Event::Begin { request: Request(7), caller, stage, version: "1.2.3".to_owned() }
    }

    /// The updater works; meanwhile somebody presses, calls in, or books a visit.
    pub fn while_changing(&mut self, dice: &mut Dice) -> Event {
        match dice.roll(12) {
            0 => Event::LeaseDropped { owner: updater() },
            1 if dice.one_in(4) => Event::OwnerGone { owner: updater() },
            2 => self.place(dice),
            3 => self.key(Stroke::OkDown),
            4 => Event::Ring(self.ring(dice)),
            5 if dice.one_in(4) => {
                let from = self.wall_s() + dice.roll(3000) as i64;
                let bookings = vec![Booking { contact: ANA, from, to: from + 60 }];
                Event::Entitlement(Box::new(Entitlement { revision: 9, bookings, ..short_entitlement() }))
            }
            6 => self.begin(dice, updater()),
            7 if dice.one_in(12) => Event::Stopping,
            _ => Event::Tick { fresh: dice.id() },
        }
    }

    /// The wall clock that the facility told; noon if it has not.
    pub fn wall_s(&self) -> i64 {
        self.state.wall(Now { mono_ms: self.now }).seconds().unwrap_or(NOON)
    }

    pub fn ring(&self, dice: &mut Dice) -> Ring {
        let media = if dice.one_in(4) { Media::Voice } else { Media::Video };
        let at = self.wall_s() - dice.roll(40) as i64;
        Ring { v: 1, site: SITE, device: DEVICE, ring: dice.id(), person: PERSON, contact: ANA, class: Class::Family, media, at }
    }

    pub fn while_ringing(&mut self, dice: &mut Dice) -> Event {
        let (Some((ring, _)), request) = (self.ringing, Request(5)) else { return Event::Tick { fresh: dice.id() } };
        match dice.roll(8) {
            0 | 1 => self.key(Stroke::OkDown),
            2 | 3 if self.state.remote_kind() == remote::Kind::Armed => self.answer(dice, ring, screen()),
            4 if dice.one_in(4) => Event::Decline { request, caller: screen(), ring },
            5 if dice.one_in(6) => Event::End { request, caller: screen() },
            6 if dice.one_in(8) => Event::Deny(Box::new(denial(DenyTarget::Ring(ring), "CallerGone"))),
            6 if dice.one_in(8) => Event::Online { up: false, fresh: dice.id() },
            _ => Event::Tick { fresh: dice.id() },
        }
    }

    pub fn answer(&mut self, dice: &mut Dice, ring: Id, caller: Owner) -> Event {
        let fresh = Fresh { call: dice.id(), nonce: dice.id(), receipt: dice.id() };
        Event::Answer { request: Request(6), caller, ring, video: dice.one_in(2), serial: self.serial, fresh }
    }

    pub fn key(&mut self, stroke: Stroke) -> Event {
        self.serial += 1;
        Event::Gate(GateFact::Key(Press { serial: self.serial, stroke }))
    }

    pub fn place(&mut self, dice: &mut Dice) -> Event {
        let fresh = Fresh { call: dice.id(), nonce: dice.id(), receipt: dice.id() };
        let contact = if dice.one_in(4) { BEN } else { ANA };
        Event::Place { request: Request(1), caller: screen(), contact, video: !dice.one_in(5), serial: self.serial, fresh }
    }

    pub fn while_asking(&mut self, dice: &mut Dice) -> Event {
        if let Some(call) = self.certificate.take() {
            return Event::CertificateMade { call, fingerprint: OWN, commitment: COMMITMENT };
        }
        if let Some(lease) = self.prepared.take() {
            return Event::Gate(GateFact::Prepared { lease, nonce: dice.id() });
        }
        match &self.ask {
            _ if dice.one_in(40) => self.key(Stroke::BackDown),
            Some(_) if dice.one_in(20) => self.deny(dice),
            Some(ask) if dice.one_in(60) => good_answer(&Ask { nonce: dice.id(), call: dice.id(), ..ask.clone() }, dice),
            Some(ask) => good_answer(ask, dice),
            None => Event::Tick { fresh: dice.id() },
        }
    }

    pub fn in_visit(&mut self, dice: &mut Dice) -> Event {
        let Some(call) = self.lease else { return Event::Tick { fresh: dice.id() } };
        if self.opening {
            self.opening = false;
            return Event::Gate(GateFact::Opened { lease: call, camera: true, microphone: true });
        }
        if self.relaunching {
            self.relaunching = false;
            return Event::Gate(GateFact::Relaunched { lease: call });
        }
        if let (Some(ask), true) = (&self.again, dice.one_in(4)) {
            return self.another(&ask.clone(), dice);
        }
        if dice.one_in(400) {
            return self.key(Stroke::BackDown);
        }
        let at_ms = self.now.saturating_sub(dice.roll(2500));
        match dice.roll(14) {
            0 | 12 => Event::Call { call, fact: CallFact::FarVerified { fingerprint: self.far } },
            13 if dice.one_in(30) => Event::AskAgain { call, fresh: dice.id() },
            13 if dice.one_in(20) => Event::Call { call, fact: CallFact::FarAgain },
            1 | 2 => Event::Call { call, fact: CallFact::Decoding { on: true, at_ms } },
            3 if dice.one_in(3) => Event::Call { call, fact: CallFact::Decoding { on: false, at_ms } },
            4 if !self.mood.blind || dice.one_in(4) => Event::Beat(self.beat()),
            5 if dice.one_in(12) => Event::Gate(GateFact::CallGone { lease: call }),
            5 => Event::Tick { fresh: dice.id() },
            6 if dice.one_in(6) => Event::OwnerGone { owner: screen() },
            7 => Event::Attach { request: Request(2), caller: screen() },
            8 if dice.one_in(3) => self.statement(dice, false, false),
            _ => self.statement(dice, !self.mood.blind, false),
        }
    }

    pub fn at_the_end(&mut self, dice: &mut Dice) -> Event {
        match (self.closing, dice.roll(3)) {
            (Some(lease), 0) => Event::Gate(GateFact::Shut { lease, reason: ShutReason::Asked, took_ms: 10 }),
            (_, 1) => self.statement(dice, false, true),
            _ => Event::Tick { fresh: dice.id() },
        }
    }

    pub fn beat(&mut self) -> Beat {
        self.beats = (self.beats + 1).max(self.now.saturating_sub(self.granted_at) / 20_000);
        Beat { v: 1, device: DEVICE, grant: self.grant, count: self.beats }
    }

    /// Another grant, mostly for less than is left.
    pub fn another(&mut self, ask: &Ask, dice: &mut Dice) -> Event {
        let (mut grant, mut ticket) = good_grant(ask);
        grant.grant = if dice.one_in(20) { self.grant } else { dice.id() };
        grant.slot_s = any(dice, &[1, 3, 10, 60]);
        grant.lease_s = grant.slot_s + any(dice, &[0, 3]);
        ticket.longest_run_s = grant.lease_s;
        if dice.one_in(2) {
            grant.parties[0].certificate = Bytes32([dice.roll(250) as u8 + 4; 32]);
        }
        granted(grant, ticket)
    }

    pub fn statement(&mut self, dice: &mut Dice, decoding: bool, last: bool) -> Event {
        self.count += 1;
        self.decoded_ms += dice.roll(1500);
        let statement = Statement {
            v: 1,
            call: self.lease.unwrap_or(GRANT),
            count: self.count,
            decoding,
            decoded_ms: self.decoded_ms,
            frames: 0,
            width: 0,
            height: 0,
            first_frame_ms: 0,
            sound_heard: false,
            last,
        };
        Event::Statement { party: 0, statement, jws: String::new() }
    }
}

pub fn any<T: Clone>(dice: &mut Dice, of: &[T]) -> T {
    of[dice.roll(of.len() as u64) as usize].clone()
}

/// Ben is a lawyer here, so that some of the visits are private.
pub fn short_entitlement() -> Entitlement {
    let mut entitlement = entitlement();
    entitlement.contacts.iter_mut().filter(|contact| contact.id == BEN).for_each(|ben| ben.class = Class::Lawyer);
    entitlement
}

/// The bed's, with the lawyers' rule.
pub fn policy() -> SitePolicy {
    let mut policy = crate::bed::policy();
    let lawyer = ClassRule { class: Class::Lawyer, ..policy.classes[0].clone() };
    policy.classes.push(lawyer);
    policy
}

/// The bed's, whose keys may sign for lawyers too.
pub fn authority() -> Authority {
    let mut authority = crate::bed::authority();
    authority.keys.iter_mut().for_each(|key| key.classes = vec![Class::Family, Class::Lawyer]);
    authority
}

/// Slots from a few seconds to half an hour, so that every end is met.
pub fn good_answer(ask: &Ask, dice: &mut Dice) -> Event {
    let (mut grant, mut ticket) = good_grant(ask);
    grant.slot_s = any(dice, &[5, 20, 60, 600]);
    grant.lease_s = grant.slot_s + any(dice, &[0, 10, 300]);
    ticket.longest_run_s = grant.lease_s;
    granted(grant, ticket)
}

pub fn denial(target: DenyTarget, code: &str) -> Deny {
    Deny { v: 1, site: SITE, target, words: String::new(), code: code.to_owned() }
}
