//! Owns: the random walk: a million and a half of events, most of them sensible, many of them not, in any order and at any time.
//! Never: finds a run that cannot be found again: a failure prints seed, run and step; `SEED=n` walks another way, `EVENTS=n` further.
//! Called by: cargo test.
//!
//! After each step: every invariant (in `State::step`, debug builds), the twin's doors, lease and fair clock, and the deadline.
//! What it guards, tried by taking the code out: `Gate Close` on leaving (doors), the lease's and the slot's deadline (over), the cut
//! back of a late stop (fair clock), the silence after 3 s (both_decode), the used-up serial (serials), the single-use nonce (nonces).
#![allow(clippy::disallowed_methods, reason = "a test may read its surroundings; the core may not")]

mod bed;
mod twin;

use bed::*;
use parloir_core::call::{Cause, Kind};
use parloir_core::*;
use parloir_pass::*;
use std::collections::{BTreeMap, BTreeSet};
use twin::Twin;

/// xorshift64*, so that a seed means the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }
    fn one_in(&mut self, n: u64) -> bool {
        self.roll(n) == 0
    }
    fn id(&mut self) -> Id {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.roll(1 << 31).to_le_bytes());
        bytes[8] = 0xff;
        Id(bytes)
    }
}

/// The world around one box: what it has heard from it, so that it can answer sensibly when it wants to.
struct World {
    state: State,
    twin: Twin,
    now: u64,
    serial: u64,
    routed: Vec<(u64, Owner)>,
    used: BTreeSet<u64>,
    time_nonce: Option<Id>,
    prepared: Option<Id>,
    certificate: Option<Id>,
    ask: Option<Ask>,
    granted: BTreeSet<Id>,
    lease: Option<Id>,
    opening: bool,
    relaunching: bool,
    closing: Option<Id>,
    count: u64,
    beats: u64,
    decoded_ms: u64,
    mood: Mood,
    log: Vec<(u64, Event)>,
    effects: u64,
    /// The twin's count, and when.
    counted: (u64, u64),
}

/// How likely each run is to be sensible, so that some get far and some do not.
#[derive(Clone, Copy)]
struct Mood {
    chaos: u64,
    patience: u64,
}

impl World {
    fn new(dice: &mut Dice) -> Self {
        let mood = Mood { chaos: [6, 20, 60, 400][dice.roll(4) as usize], patience: [400, 1500, 6000][dice.roll(3) as usize] };
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
            granted: BTreeSet::new(),
            lease: None,
            opening: false,
            relaunching: false,
            closing: None,
            count: 0,
            beats: 0,
            decoded_ms: 0,
            mood,
            log: Vec::new(),
            effects: 0,
            counted: (0, 1_000_000),
        }
    }

    fn wait(&mut self, dice: &mut Dice) {
        self.now += match dice.roll(20) {
            0..=9 => dice.roll(300),
            10..=17 => dice.roll(self.mood.patience),
            18 => dice.roll(10) * 1000,
            _ => self.state.deadline().map_or(0, |at| at.saturating_sub(self.now)),
        };
    }

    /// What would come next if everybody did as they should.
    fn sensible(&mut self, dice: &mut Dice) -> Event {
        if self.state.camera_kind() == camera::Kind::Absent {
            return Event::Gate(GateFact::Hello { device: DEVICE });
        }
        let view = self.state.view();
        if !view.online {
            return Event::Online { up: true, fresh: dice.id() };
        }
        if self.state.authority().is_none() {
            return Event::Authority(Box::new(authority()));
        }
        if view.phase == view::Phase::Starting {
            return if dice.one_in(2) {
                Event::Policy(Box::new(policy()))
            } else {
                Event::Entitlement(Box::new(short_entitlement()))
            };
        }
        if let (Some(nonce), true) = (self.time_nonce, dice.one_in(3)) {
            return Event::Time(Time { v: 1, device: DEVICE, nonce, unix_ms: NOON * 1000 });
        }
        match self.state.call_kind() {
            Kind::Idle => self.from_home(dice),
            Kind::Ringing | Kind::Asking => self.while_asking(dice),
            Kind::Joining | Kind::Live | Kind::Held => self.in_visit(dice),
            Kind::Closing => self.at_the_end(dice),
        }
    }

    fn from_home(&mut self, dice: &mut Dice) -> Event {
        if let Some(lease) = self.closing {
            return Event::Gate(GateFact::Shut { lease, reason: ShutReason::Asked, took_ms: 10 });
        }
        let request = Request(0);
        match self.state.remote_kind() {
            remote::Kind::Free if dice.one_in(2) => Event::Attach { request, caller: screen() },
            remote::Kind::Free => Event::Focus { request, caller: screen() },
            remote::Kind::Focused => self.key(Stroke::OkDown),
            remote::Kind::Armed => self.place(dice),
        }
    }

    fn key(&mut self, stroke: Stroke) -> Event {
        self.serial += 1;
        Event::Gate(GateFact::Key(Press { serial: self.serial, stroke }))
    }

    fn place(&mut self, dice: &mut Dice) -> Event {
        let fresh = Fresh { call: dice.id(), nonce: dice.id(), receipt: dice.id() };
        let contact = if dice.one_in(4) { BEN } else { ANA };
        Event::Place { request: Request(1), caller: screen(), contact, video: !dice.one_in(5), serial: self.serial, fresh }
    }

    fn while_asking(&mut self, dice: &mut Dice) -> Event {
        if let Some(call) = self.certificate.take() {
            return Event::CertificateMade { call, fingerprint: OWN };
        }
        if let Some(lease) = self.prepared.take() {
            return Event::Gate(GateFact::Prepared { lease, nonce: dice.id() });
        }
        match &self.ask {
            Some(_) if dice.one_in(20) => self.deny(dice),
            Some(ask) => good_answer(ask, dice),
            None => Event::Tick { fresh: dice.id() },
        }
    }

    fn in_visit(&mut self, dice: &mut Dice) -> Event {
        let Some(call) = self.lease else { return Event::Tick { fresh: dice.id() } };
        if self.opening {
            self.opening = false;
            return Event::Gate(GateFact::Opened { lease: call, camera: true, microphone: true });
        }
        if self.relaunching {
            self.relaunching = false;
            return Event::Gate(GateFact::Relaunched { lease: call });
        }
        let at_ms = self.now.saturating_sub(dice.roll(2500));
        match dice.roll(12) {
            0 => Event::Call { call, fact: CallFact::FarVerified { fingerprint: FAR } },
            1 | 2 => Event::Call { call, fact: CallFact::Decoding { on: true, at_ms } },
            3 if dice.one_in(3) => Event::Call { call, fact: CallFact::Decoding { on: false, at_ms } },
            4 => Event::Beat(self.beat()),
            5 if dice.one_in(12) => Event::Gate(GateFact::CallGone { lease: call }),
            5 => Event::Tick { fresh: dice.id() },
            6 if dice.one_in(6) => Event::OwnerGone { owner: screen() },
            7 => Event::Attach { request: Request(2), caller: screen() },
            8 if dice.one_in(3) => self.statement(dice, false, false),
            _ => self.statement(dice, true, false),
        }
    }

    fn at_the_end(&mut self, dice: &mut Dice) -> Event {
        match (self.closing, dice.roll(3)) {
            (Some(lease), 0) => Event::Gate(GateFact::Shut { lease, reason: ShutReason::Asked, took_ms: 10 }),
            (_, 1) => self.statement(dice, false, true),
            _ => Event::Tick { fresh: dice.id() },
        }
    }

    fn beat(&mut self) -> Beat {
        self.beats += 1;
        Beat { v: 1, device: DEVICE, grant: GRANT, count: self.beats }
    }

    fn statement(&mut self, dice: &mut Dice, decoding: bool, last: bool) -> Event {
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

    /// Anything, from anybody, about anything.
    fn chaos(&mut self, dice: &mut Dice) -> Event {
        let call = if dice.one_in(4) { dice.id() } else { self.lease.or(self.closing).unwrap_or(GRANT) };
        let caller = if dice.one_in(3) { other() } else { screen() };
        let request = Request(3);
        match dice.roll(40) {
            0 => Event::Gate(GateFact::Gone),
            1 => Event::Gate(GateFact::Hello { device: if dice.one_in(3) { SITE } else { DEVICE } }),
            2 | 3 => Event::Gate(GateFact::CallGone { lease: call }),
            4 => Event::Gate(GateFact::Relaunched { lease: call }),
            5 => Event::Gate(GateFact::Opened { lease: call, camera: true, microphone: true }),
            6 => Event::Gate(GateFact::Prepared { lease: call, nonce: dice.id() }),
            7 => Event::Gate(GateFact::Shut { lease: call, reason: any(dice, &SHUTS), took_ms: 3 }),
            8 | 9 => Event::Gate(GateFact::Refused { lease: call, why: any(dice, &REFUSALS) }),
            10 => self.key(any(dice, &[Stroke::OkDown, Stroke::OtherDown, Stroke::NotDown])),
            11 => self.stale_place(dice, caller),
            12 => Event::End { request, caller },
            13 => Event::Let { request, caller, camera: dice.one_in(2), microphone: dice.one_in(2), serial: self.serial },
            14 => Event::Frames { request, caller },
            15 => Event::Dismiss { request, caller },
            16 => Event::Signalling { request, call },
            17 => Event::Attach { request, caller },
            18 => Event::Focus { request, caller },
            19 => Event::FocusDropped { owner: caller },
            20 => Event::OwnerGone { owner: caller },
            21 => Event::Online { up: false, fresh: dice.id() },
            22 | 23 => self.bent_grant(dice),
            24 if dice.one_in(4) => self.deny(dice),
            25 => {
                Event::Beat(Beat { v: 1, device: DEVICE, grant: if dice.one_in(2) { GRANT } else { SITE }, count: dice.roll(9) })
            }
            26 => Event::Time(Time { v: 1, device: DEVICE, nonce: dice.id(), unix_ms: 5 }),
            27 => Event::Unverified { typ: any(dice, &Typ::ALL) },
            28 => Event::CertificateMade { call, fingerprint: FAR },
            29 => Event::CertificateFailed { call },
            30 => Event::Entitlement(Box::new(Entitlement { revision: dice.roll(9), ..short_entitlement() })),
            31 => Event::Policy(Box::new(SitePolicy { revision: dice.roll(7), ..policy() })),
            32 => Event::Authority(Box::new(Authority { revision: dice.roll(5), ..authority() })),
            33 => self.statement(dice, true, true),
            34 => Event::Call { call, fact: CallFact::Trouble(any(dice, &TROUBLES)) },
            35 => Event::Call {
                call,
                fact: any(
                    dice,
                    &[CallFact::HungUp, CallFact::FarLeft, CallFact::Ready, CallFact::FarVerified { fingerprint: OWN }],
                ),
            },
            36 => Event::Call { call, fact: CallFact::Decoding { on: dice.one_in(2), at_ms: dice.roll(4_000_000) } },
            37 => Event::Call { call, fact: CallFact::Lets { camera: dice.one_in(2), microphone: true } },
            38 => Event::Call { call, fact: CallFact::FirstPicture { at_ms: dice.roll(4_000_000) } },
            _ => Event::Tick { fresh: dice.id() },
        }
    }

    fn stale_place(&mut self, dice: &mut Dice, caller: Owner) -> Event {
        let fresh = Fresh { call: dice.id(), nonce: dice.id(), receipt: dice.id() };
        let serial = self.serial.saturating_sub(dice.roll(4));
        Event::Place { request: Request(4), caller, contact: ANA, video: true, serial, fresh }
    }

    fn bent_grant(&mut self, dice: &mut Dice) -> Event {
        let Some(ask) = &self.ask else { return Event::Unverified { typ: Typ::Grant } };
        let (mut grant, mut ticket) = good_grant(ask);
        match dice.roll(9) {
            0 => grant.nonce = dice.id(),
            1 => grant.call = dice.id(),
            2 => (grant.nonce, grant.call) = (dice.id(), dice.id()),
            3 => grant.device = dice.id(),
            4 => grant.box_certificate = FAR,
            5 => grant.lease_s += 10_000,
            6 => ticket.nonce = dice.id(),
            7 => grant.relays.clear(),
            _ => grant.contact = dice.id(),
        }
        Event::Grant { grant: Box::new(grant), key: GRANT_KEY, ticket }
    }

    fn deny(&mut self, dice: &mut Dice) -> Event {
        let nonce = self.ask.as_ref().map_or(SITE, |ask| ask.nonce);
        let targets = [DenyTarget::Ask(nonce), DenyTarget::Ask(nonce), DenyTarget::Grant(SITE), DenyTarget::Contact(BEN)];
        let target = any(dice, &targets);
        Event::Deny(Box::new(Deny { v: 1, site: SITE, target, words: String::new(), code: "NoBooking".to_owned() }))
    }

    /// One step of the machine and of its twin.
    fn step(&mut self, event: Event) {
        self.log.push((self.now, event.clone()));
        let effects = self.state.step(Now { mono_ms: self.now }, event.clone());
        self.effects += effects.len() as u64;
        if matches!(event, Event::Time(_)) && self.state.view().clock_trusted {
            self.twin.trust();
        }
        if let Event::Beat(_) = event
            && !ledger_refusals(&effects).contains(&Code::BeatStray)
        {
            self.twin.beat(self.now);
        }
        let (then, at) = self.counted;
        let unheard = self.twin.counted_ms(self.now);
        self.twin.hear(self.now, &event);
        let heard = self.twin.counted_ms(self.now);
        self.twin.follow(self.now, &event, &effects);
        self.compare(then.min(heard).min(unheard), heard.max(then + self.now - at), &effects);
        self.counted = (self.twin.counted_ms(self.now), self.now);
        self.listen(&event, &effects);
    }

    /// `least`, `most`: what can have been counted, milliseconds, if the visit ended in this step (perhaps by a deadline before the event).
    fn compare(&self, least: u64, most: u64, effects: &[Effect]) {
        let open = self.state.call_kind().opens_doors();
        assert_eq!(self.twin.lease().is_some(), open, "doors");
        if open {
            assert_eq!(self.twin.over(self.now), None, "a visit that should be over goes on");
            assert_eq!(self.state.counted_ms(Now { mono_ms: self.now }), self.twin.counted_ms(self.now), "fair clock");
            assert_eq!(self.state.call_kind() == Kind::Live, self.twin.both_decode(self.now), "Live when both decode");
        }
        if let Some(receipt) = receipt(effects) {
            assert_eq!(receipt.check(), Ok(()), "a receipt that its own rules refuse");
            let gaps: u64 = receipt.gaps.iter().map(|gap| gap.to_ms - gap.from_ms).sum();
            assert!(receipt.seconds_counted <= receipt.ended_ms.div_ceil(1000) as u32 && gaps <= receipt.ended_ms);
        }
        for effect in effects {
            if let Effect::Ledger(Entry::Ended { seconds_counted, .. }) = effect {
                let counted = u64::from(*seconds_counted) * 1000;
                assert!(counted <= most + 500 && counted + 500 >= least, "counted {counted}, twin {least} to {most}");
            }
        }
        let due = self.state.deadline();
        assert!(due.is_some() || self.state.call_kind() == Kind::Idle, "no deadline");
    }

    /// What the world learns from the effects.
    fn listen(&mut self, event: &Event, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::SendTimeRequest { nonce } => self.time_nonce = Some(*nonce),
                Effect::RouteKey { holder, serial } => self.routed.push((*serial, holder.clone())),
                Effect::MakeCertificate { call } => self.certificate = Some(*call),
                Effect::Gate(ToGate::Prepare { lease, serial }) => {
                    assert!(self.used.insert(*serial), "a serial used twice");
                    assert!(
                        self.routed.iter().any(|(s, holder)| s == serial && *holder == place_caller(event)),
                        "not this caller's press"
                    );
                    self.prepared = Some(*lease);
                    self.lease = Some(*lease);
                    self.ask = None;
                    (self.count, self.beats, self.decoded_ms) = (0, 0, 0);
                }
                Effect::SendAsk(ask) => self.ask = Some((**ask).clone()),
                Effect::Gate(ToGate::Open { .. }) => {
                    let Event::Grant { grant, .. } = event else { panic!("Open without a grant") };
                    assert!(self.granted.insert(grant.nonce), "a nonce answered twice");
                    assert_eq!(Some(grant.nonce), self.ask.as_ref().map(|ask| ask.nonce), "another question answered");
                    self.opening = true;
                }
                Effect::Gate(ToGate::Relaunch { .. }) => self.relaunching = true,
                Effect::Gate(ToGate::Close { lease }) => {
                    self.closing = Some(*lease);
                    (self.opening, self.relaunching) = (false, false);
                }
                _ => {}
            }
        }
        if matches!(self.state.camera_kind(), camera::Kind::Shut | camera::Kind::Absent) {
            self.closing = None;
        }
    }
}

const SHUTS: [ShutReason; 6] = [
    ShutReason::Asked,
    ShutReason::RunOver,
    ShutReason::HeartbeatLost,
    ShutReason::ArbiterGone,
    ShutReason::CallEnded,
    ShutReason::NonceExpired,
];
const REFUSALS: [GateRefusal; 6] = [
    GateRefusal::NoFreshKey,
    GateRefusal::TicketSignature,
    GateRefusal::NonceExpired,
    GateRefusal::NoLease,
    GateRefusal::NoCall,
    GateRefusal::Malformed,
];
const TROUBLES: [Trouble; 6] = [
    Trouble::FarCertificate,
    Trouble::NotConnected,
    Trouble::Camera,
    Trouble::Microphone,
    Trouble::Signalling,
    Trouble::Pipeline,
];

fn any<T: Clone>(dice: &mut Dice, of: &[T]) -> T {
    of[dice.roll(of.len() as u64) as usize].clone()
}

fn place_caller(event: &Event) -> Owner {
    match event {
        Event::Place { caller, .. } => caller.clone(),
        other => panic!("Prepare by {other:?}"),
    }
}

fn short_entitlement() -> Entitlement {
    entitlement()
}

/// Slots from a few seconds to half an hour, so that every end is met.
fn good_answer(ask: &Ask, dice: &mut Dice) -> Event {
    let (mut grant, mut ticket) = good_grant(ask);
    grant.slot_s = any(dice, &[5, 20, 60, 600]);
    grant.lease_s = grant.slot_s + any(dice, &[0, 10, 300]);
    ticket.longest_run_s = grant.lease_s;
    Event::Grant { grant: Box::new(grant), key: GRANT_KEY, ticket }
}

fn env(name: &str, or: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(or)
}

/// One run; its log.
fn run(seed: u64, steps: u64, rows: &mut BTreeMap<(Kind, Cause), u64>) -> World {
    let mut dice = Dice(seed | 1);
    let mut world = World::new(&mut dice);
    for _ in 0..steps {
        world.wait(&mut dice);
        let event = if dice.one_in(world.mood.chaos) { world.chaos(&mut dice) } else { world.sensible(&mut dice) };
        if std::env::var_os("TRACE").is_some() {
            eprintln!("{} {:?} {event:?}", world.now, world.state.call_kind());
        }
        world.step(event);
        for (before, cause, _) in world.state.rows() {
            *rows.entry((*before, *cause)).or_default() += 1;
        }
    }
    world
}

/// Rows that move the machine and that no event can bring: the table has them so that it fails closed.
fn unreachable(kind: Kind, cause: Cause) -> bool {
    use Cause::*;
    match kind {
        Kind::Ringing => true,
        Kind::Asking => matches!(cause, ProcessSpent | SlotOver | LeaseOver | BeatMissing | Settled | FarLeft),
        // After the first death a visit is never joining again.
        Kind::Joining => matches!(cause, ProcessSpent | SlotOver | Settled),
        Kind::Live => matches!(cause, GateRefused | TimeUp | Settled),
        Kind::Held => matches!(cause, GateRefused | SlotOver | Settled),
        Kind::Idle | Kind::Closing => false,
    }
}

#[test]
fn a_million_random_events_break_no_invariant() {
    let (seed, events) = (env("SEED", 20_261_121), env("EVENTS", 1_500_000));
    let steps = 1000;
    let mut rows = BTreeMap::new();
    let (mut done, mut effects, mut number) = (0, 0, 0_u64);
    while done < events {
        let this = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number);
        let walked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(this, steps, &mut rows)));
        let world = walked.unwrap_or_else(|_| panic!("SEED={seed}: run {number} (dice {this}) broke; see above"));
        (done, effects, number) = (done + steps, effects + world.effects, number + 1);
    }
    let live: u64 = rows.iter().filter(|((kind, _), _)| kind.opens_doors()).map(|(_, n)| n).sum();
    println!("SEED={seed}: {live} causes in open doors; {done} events, {effects} effects, {} rows used", rows.len());
    if std::env::var_os("EVENTS").is_none() {
        covered(&rows);
    }
}

/// Every row that moves the machine was used often, but for those that cannot be, and those were not.
fn covered(rows: &BTreeMap<(Kind, Cause), u64>) {
    let mut missing = Vec::new();
    for kind in Kind::ALL {
        for cause in Cause::ALL {
            let moves = call::next(*kind, *cause) != *kind;
            let used = rows.get(&(*kind, *cause)).copied().unwrap_or(0);
            if moves && (unreachable(*kind, *cause) == (used > 0) || (used > 0 && used < 10)) {
                missing.push(format!("{} × {}: {used}", kind.name(), cause.name()));
            }
        }
    }
    assert!(missing.is_empty(), "rows used too seldom, or used although thought unreachable:\n{}", missing.join("\n"));
}

#[test]
fn the_same_log_makes_the_same_effects() {
    let mut rows = BTreeMap::new();
    for seed in 1..40 {
        let world = run(seed * 7919, 500, &mut rows);
        let (mut one, mut two) = (State::new(settings()), State::new(settings()));
        for (at, event) in world.log {
            let now = Now { mono_ms: at };
            assert_eq!(one.step(now, event.clone()), two.step(now, event));
        }
        assert_eq!(format!("{one:?}"), format!("{two:?}"));
    }
}
