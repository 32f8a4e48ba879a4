//! Owns: what can happen to a box in the exploration: everything that moves one of its machines, and what a liar would say.
//! Never: a sensible order; each is tried in every state.
//! Called by: explore/mod.rs.

use super::world::{BEAT_S, RINGS, Words, World, id};
use crate::bed::*;
use parloir_core::*;
use parloir_pass::*;

pub type Move = (&'static str, fn(&mut World));

/// Each code has the same one here: what answers an old one is tried by the walk.
const CODE_NONCE: Id = id(0x33);
const R: Request = Request(1);
const SILENT: Words = Words { breath: false, far: false, beats: false };
const CALM: Words = Words { breath: true, far: true, beats: false };
const GOOD: Words = Words { breath: true, far: true, beats: true };
const ALONE: Words = Words { breath: true, far: false, beats: true };

pub const MOVES: &[Move] = &[
    ("0.7 s pass", |w| w.pass(701, SILENT)),
    ("1 s passes", |w| w.pass(1001, SILENT)),
    ("4 s pass in silence", |w| w.pass(4001, SILENT)),
    ("16 s pass without renewal", |w| w.pass(16_001, CALM)),
    ("31 s of a good visit", |w| w.pass(31_000, GOOD)),
    ("61 s in which the far side is silent", |w| w.pass(61_000, ALONE)),
    ("31 min pass in silence", |w| w.pass_at_once(31 * 60_000)),
    ("broker connected", |w| w.step(Event::Online { up: true, fresh: id(0x71) })),
    ("broker lost", |w| w.step(Event::Online { up: false, fresh: id(0x71) })),
    ("SitePolicy that asks for codes", |w| {
        w.paper(8, Event::Policy(Box::new(SitePolicy { sign_in: true, revision: policy().revision, ..short_policy() })));
    }),
    ("Agenda", |w| w.paper(16, Event::Agenda(Box::new(agenda())))),
    ("SignIn", |w| {
        let (serial, nonce) = (w.serial, CODE_NONCE);
        w.step(Event::SignIn { request: R, caller: screen(), tag: 1, serial, nonce, dial: Hidden(DIAL) });
    }),
    ("SignOut", |w| w.step(Event::SignOut { request: R, caller: screen() })),
    ("a digit", |w| w.press(Stroke::Digit(Hidden(3)))),
    ("a whole code", |w| (0..6).for_each(|_| w.press(Stroke::Digit(Hidden(3))))),
    ("the code's person", |w| {
        w.step(Event::Entitlement(Box::new(Entitlement { bookings: Vec::new(), ..answer_to(CODE_NONCE, PERSON) })));
    }),
    ("the code's no", |w| w.step(no_to(CODE_NONCE, 0, "WrongCode"))),
    ("time statement", |w| {
        let unix_ms = NOON * 1000 + (w.now - super::key::EPOCH) as i64;
        w.step(Event::Time(Time { v: 1, device: DEVICE, nonce: id(0x71), unix_ms }));
    }),
    ("Authority", |w| w.paper(1, Event::Authority(Box::new(authority())))),
    ("SitePolicy", |w| w.paper(2, Event::Policy(Box::new(short_policy())))),
    ("Entitlement", |w| w.paper(4, Event::Entitlement(Box::new(unbooked())))),
    ("a visit is booked, and taken back", |w| {
        let from = NOON + ((w.now - super::key::EPOCH) / 1000) as i64 + 50;
        let bookings = vec![Booking { contact: ANA, from, to: from + 60 }];
        w.step(Event::Entitlement(Box::new(Entitlement { bookings, ..unbooked() })));
        w.paper(4, Event::Entitlement(Box::new(unbooked())));
    }),
    ("screen attaches", |w| w.step(Event::Attach { request: R, caller: screen() })),
    ("another attaches, and the screen again", |w| {
        w.step(Event::Attach { request: R, caller: other() });
        w.step(Event::Attach { request: R, caller: screen() });
    }),
    ("screen takes the keys", |w| w.step(Event::Focus { request: R, caller: screen() })),
    ("another takes the keys", |w| w.step(Event::Focus { request: R, caller: other() })),
    ("screen drops the keys", |w| w.step(Event::FocusDropped { owner: screen() })),
    ("screen leaves the bus", |w| w.step(Event::OwnerGone { owner: screen() })),
    ("another leaves the bus", |w| w.step(Event::OwnerGone { owner: other() })),
    ("OK down", |w| w.press(Stroke::OkDown)),
    ("Back down", |w| w.press(Stroke::BackDown)),
    ("a key up", |w| w.press(Stroke::NotDown)),
    ("Place", |w| w.place(screen(), w.serial)),
    ("Place by another", |w| w.place(other(), w.serial)),
    ("End", |w| w.step(Event::End { request: R, caller: screen() })),
    ("camera off", |w| w.let_out(false)),
    ("camera on", |w| w.let_out(true)),
    ("Dismiss", |w| w.step(Event::Dismiss { request: R, caller: screen() })),
    ("a ring", |w| {
        w.rung = if w.rung == 0xff { RINGS } else { w.rung + 1 };
        w.ring(id(w.rung));
    }),
    ("the last ring again", |w| w.ring(id(w.rung))),
    ("Answer", |w| w.answer(id(w.rung))),
    ("Answer another ring", |w| w.answer(SITE)),
    ("Decline", |w| w.step(Event::Decline { request: R, caller: screen(), ring: id(w.rung) })),
    ("certificate made", |w| w.certificate()),
    ("certificate failed", |w| w.step(Event::CertificateFailed { call: w.call })),
    ("gate: hello", |w| w.gate(GateFact::Hello { device: DEVICE })),
    ("gate: hello of another box", |w| w.gate(GateFact::Hello { device: SITE })),
    ("gate: gone", |w| w.gate(GateFact::Gone)),
    ("gate: prepared", |w| w.gate(GateFact::Prepared { lease: w.call, nonce: GATE_NONCE })),
    ("gate: opened", |w| w.gate(GateFact::Opened { lease: w.call, camera: true, microphone: true })),
    ("gate: call is gone", |w| w.gate(GateFact::CallGone { lease: w.call })),
    ("gate: relaunched", |w| w.gate(GateFact::Relaunched { lease: w.call })),
    ("gate: shut", |w| w.gate(GateFact::Shut { lease: w.call, reason: ShutReason::Asked, took_ms: 3 })),
    ("gate: shut, its run is over", |w| w.gate(GateFact::Shut { lease: w.call, reason: ShutReason::RunOver, took_ms: 3 })),
    ("gate: shut, of another call", |w| w.gate(GateFact::Shut { lease: w.stranger(), reason: ShutReason::Asked, took_ms: 3 })),
    ("gate: refused", |w| w.gate(GateFact::Refused { lease: w.call, why: GateRefusal::NoDevice })),
    ("gate: no such lease", |w| w.gate(GateFact::Refused { lease: w.call, why: GateRefusal::NoLease })),
    ("gate: refused of another call", |w| w.gate(GateFact::Refused { lease: w.stranger(), why: GateRefusal::NoLease })),
    ("a grant that fits", |w| w.grant(|_, _| ())),
    ("a grant with another certificate", |w| w.grant(|grant, _| grant.box_certificate = FAR)),
    ("a grant of another question", |w| w.grant(|grant, _| (grant.nonce, grant.call) = (id(0x77), w_stray()))),
    ("a grant that is not genuine", |w| w.step(Event::Unverified { typ: Typ::Grant })),
    ("another grant that fits", |w| w.regrant(5)),
    ("another grant that extends", |w| w.regrant(1000)),
    ("a beat", |w| {
        if let Some(beat) = w.beat() {
            w.step(beat);
        }
    }),
    ("a beat of another grant", |w| w.step(Event::Beat(Beat { v: 1, device: DEVICE, grant: SITE, count: 1 }))),
    ("Deny of the question", |w| w.deny(DenyTarget::Ask(w.ask.as_ref().map_or(SITE, |ask| ask.nonce)))),
    ("Deny of another question", |w| w.deny(DenyTarget::Ask(w.again.as_ref().map_or(SITE, |ask| ask.nonce)))),
    ("Deny of the grant", |w| w.deny(DenyTarget::Grant(w.grant))),
    ("Deny of the ring", |w| w.deny(DenyTarget::Ring(id(w.rung)))),
    ("Deny of the contact", |w| w.deny(DenyTarget::Contact(ANA))),
    ("ask again", |w| w.step(Event::AskAgain { call: w.call, fresh: id(0x50 + w.grants) })),
    ("call: far verified", |w| w.fact(CallFact::FarVerified { fingerprint: FAR })),
    ("call: a foreign far end", |w| w.fact(CallFact::FarVerified { fingerprint: OWN })),
    ("call: decodes", |w| w.fact(CallFact::Decoding { on: true, at_ms: w.now })),
    ("call: decodes no more", |w| w.fact(CallFact::Decoding { on: false, at_ms: w.now })),
    ("call: not connected", |w| w.fact(CallFact::Trouble(Trouble::NotConnected))),
    ("call: camera fails", |w| w.fact(CallFact::Trouble(Trouble::Camera))),
    ("call: hung up", |w| w.fact(CallFact::HungUp)),
    ("call: the far side begins anew", |w| w.fact(CallFact::FarAgain)),
    ("call: the far side left", |w| w.fact(CallFact::FarLeft)),
    ("call of another visit: decodes", |w| {
        w.step(Event::Call { call: w.stranger(), fact: CallFact::Decoding { on: true, at_ms: w.now } });
    }),
    ("visitor decodes", |w| w.say(true, false)),
    ("visitor decodes no more", |w| w.say(false, false)),
    ("visitor leaves", |w| w.say(false, true)),
    ("Begin install", |w| w.begin(Stage::Install, updater())),
    ("Begin restart", |w| w.begin(Stage::Restart, updater())),
    ("updater drops its lease", |w| w.step(Event::LeaseDropped { owner: updater() })),
    ("updater leaves the bus", |w| w.step(Event::OwnerGone { owner: updater() })),
    ("the arbiter is told to stop", |w| w.step(Event::Stopping)),
];

fn w_stray() -> Id {
    id(0x78)
}

/// Renewed so often that an hour is not needed to miss it.
fn short_policy() -> SitePolicy {
    let mut policy = policy();
    policy.classes[0].beat_every_s = BEAT_S as u32;
    policy.classes[0].beat_grace_s = 10;
    policy
}

fn unbooked() -> Entitlement {
    Entitlement { bookings: Vec::new(), ..entitlement() }
}

impl World {
    pub fn paper(&mut self, bit: u8, event: Event) {
        self.papers |= bit;
        self.step(event);
    }

    /// Nobody says anything, and nobody even counts.
    pub fn pass_at_once(&mut self, ms: u64) {
        self.now += ms;
        self.step(Event::Tick { fresh: id(0x71) });
    }

    fn gate(&mut self, fact: GateFact) {
        self.step(Event::Gate(fact));
    }

    fn press(&mut self, stroke: Stroke) {
        self.serial += 1;
        let press = Press { serial: self.serial, stroke };
        self.gate(GateFact::Key(press));
    }

    fn place(&mut self, caller: Owner, serial: u64) {
        let fresh = self.fresh();
        self.step(Event::Place { request: R, caller, contact: ANA, video: true, serial, fresh });
    }

    fn ring(&mut self, ring: Id) {
        let (class, media) = (Class::Family, Media::Video);
        let at = NOON + ((self.now - super::key::EPOCH) / 1000) as i64;
        self.step(Event::Ring(Ring { v: 1, site: SITE, device: DEVICE, ring, person: PERSON, contact: ANA, class, media, at }));
    }

    fn answer(&mut self, ring: Id) {
        let (fresh, serial) = (self.fresh(), self.serial);
        self.step(Event::Answer { request: R, caller: screen(), ring, video: true, serial, fresh });
    }

    fn let_out(&mut self, camera: bool) {
        let serial = self.serial;
        self.step(Event::Let { request: R, caller: screen(), camera, microphone: true, serial });
    }

    fn certificate(&mut self) {
        let call = self.call;
        self.step(Event::CertificateMade { call, fingerprint: OWN, commitment: COMMITMENT });
    }

    fn grant(&mut self, bend: impl FnOnce(&mut Grant, &mut TicketFacts)) {
        let Some(ask) = &self.ask else { return };
        let (mut grant, mut ticket) = good_grant(ask);
        (grant.slot_s, grant.lease_s, ticket.longest_run_s) = (30, 100, 100);
        bend(&mut grant, &mut ticket);
        self.step(granted(grant, ticket));
    }

    fn regrant(&mut self, slot_s: u32) {
        let Some(ask) = &self.again else { return };
        let (mut grant, mut ticket) = good_grant(ask);
        (grant.slot_s, grant.lease_s, ticket.longest_run_s) = (slot_s, slot_s + 5, slot_s + 5);
        grant.grant = id(0x68 + self.grants);
        self.step(granted(grant, ticket));
    }

    fn deny(&mut self, target: DenyTarget) {
        let (words, code) = (String::new(), "NoBooking".to_owned());
        self.step(Event::Deny(Box::new(Deny { v: 1, site: SITE, target, words, code })));
    }

    fn fact(&mut self, fact: CallFact) {
        let call = self.call;
        self.step(Event::Call { call, fact });
    }

    fn say(&mut self, decoding: bool, last: bool) {
        let statement = self.statement(decoding, last);
        self.step(statement);
    }

    fn begin(&mut self, stage: Stage, caller: Owner) {
        self.step(Event::Begin { request: R, caller, stage, version: "1".to_owned() });
    }
}

impl World {
    /// A move by its name.
    pub fn play(&mut self, name: &str) {
        let (_, happens) = MOVES.iter().find(|(move_, _)| *move_ == name).expect("a move of that name");
        happens(self);
    }
}
