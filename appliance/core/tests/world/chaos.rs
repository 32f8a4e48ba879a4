//! Owns: anything, from anybody, about anything: what a hostile or broken neighbour could bring.
//! Never: a forged signature; what comes here was verified by seal.
//! Called by: walk.rs.

use super::{Dice, World, any, authority, denial, policy, short_entitlement};
use crate::bed::*;
use parloir_core::*;
use parloir_pass::*;

impl World {
    /// Anything, from anybody, about anything.
    pub fn chaos(&mut self, dice: &mut Dice) -> Event {
        let call = if dice.one_in(4) { dice.id() } else { self.lease.or(self.closing).unwrap_or(GRANT) };
        let caller = if dice.one_in(3) { other() } else { screen() };
        let request = Request(3);
        match dice.roll(56) {
            0 => Event::Gate(GateFact::Gone),
            1 => Event::Gate(GateFact::Hello { device: if dice.one_in(3) { SITE } else { DEVICE } }),
            2 | 3 => Event::Gate(GateFact::CallGone { lease: call }),
            4 => Event::Gate(GateFact::Relaunched { lease: call }),
            5 => Event::Gate(GateFact::Opened { lease: call, camera: true, microphone: true }),
            6 => Event::Gate(GateFact::Prepared { lease: call, nonce: dice.id() }),
            7 => Event::Gate(GateFact::Shut { lease: call, reason: any(dice, &SHUTS), took_ms: 3 }),
            8 | 9 => Event::Gate(GateFact::Refused { lease: call, why: any(dice, &REFUSALS) }),
            10 => self.key(any(dice, &[Stroke::OkDown, Stroke::BackDown, Stroke::OtherDown, Stroke::NotDown])),
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
            28 => Event::CertificateMade { call, fingerprint: FAR, commitment: FAR },
            29 => Event::CertificateFailed { call },
            30 => Event::Entitlement(Box::new(Entitlement { revision: dice.roll(9), ..short_entitlement() })),
            31 => Event::Policy(Box::new(SitePolicy { revision: dice.roll(7), ..policy() })),
            55 => Event::Agenda(Box::new(Agenda { revision: dice.roll(4), ..agenda() })),
            32 => Event::Authority(Box::new(Authority { revision: dice.roll(5), ..authority() })),
            33 => self.statement(dice, true, true),
            34 | 46 => Event::Call { call, fact: CallFact::Trouble(any(dice, &TROUBLES)) },
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
            39 | 40 => Event::Ring(self.bent_ring(dice)),
            41 => {
                let ring = self.ringing.map_or(SITE, |(ring, _)| ring);
                let ring = if dice.one_in(4) { SITE } else { ring };
                self.answer(dice, ring, caller)
            }
            42 => Event::Decline { request, caller, ring: if dice.one_in(2) { SITE } else { call } },
            43 => Event::AskAgain { call, fresh: dice.id() },
            44 => Event::Call { call, fact: CallFact::FarAgain },
            47 => self.begin(dice, caller),
            50 => self.begin_code(dice, caller),
            51 if dice.one_in(4) => Event::SignOut { request, caller },
            52 => self.key(any(dice, &[Stroke::Digit(Hidden(5)), Stroke::DigitUp, Stroke::Step(Hidden(1))])),
            53 if dice.one_in(8) => Event::Policy(Box::new(shared_policy())),
            54 => no_to(if dice.one_in(2) { self.code.nonce } else { dice.id() }, 1, "WrongCode"),
            48 => Event::LeaseDropped { owner: if dice.one_in(2) { updater() } else { caller } },
            49 => Event::Report { request, version: "1".to_owned(), word: any(dice, update::Word::ALL) },
            45 if dice.one_in(8) => Event::Stopping,
            _ => Event::Tick { fresh: dice.id() },
        }
    }

    pub fn bent_ring(&mut self, dice: &mut Dice) -> Ring {
        let mut ring = self.ring(dice);
        match dice.roll(9) {
            0 => ring.site = dice.id(),
            1 => ring.device = dice.id(),
            2 => ring.person = dice.id(),
            3 => ring.contact = dice.id(),
            4 => ring.class = Class::Lawyer,
            5 => ring.at += 200,
            6 => ring.at -= 200,
            // Replayed, as a courier can.
            7 => ring = self.sent.get(dice.roll(4) as usize).copied().unwrap_or(ring),
            _ => {}
        }
        ring
    }

    pub fn stale_place(&mut self, dice: &mut Dice, caller: Owner) -> Event {
        let fresh = Fresh { call: dice.id(), nonce: dice.id(), receipt: dice.id() };
        let serial = self.serial.saturating_sub(dice.roll(4));
        Event::Place { request: Request(4), caller, contact: ANA, video: true, serial, fresh }
    }

    pub fn bent_grant(&mut self, dice: &mut Dice) -> Event {
        let Some(ask) = self.again.as_ref().or(self.ask.as_ref()) else { return Event::Unverified { typ: Typ::Grant } };
        let (mut grant, mut ticket) = good_grant(ask);
        if self.again.is_some() {
            grant.grant = dice.id();
        }
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
        granted(grant, ticket)
    }

    pub fn deny(&mut self, dice: &mut Dice) -> Event {
        let nonce = self.again.as_ref().or(self.ask.as_ref()).map_or(SITE, |ask| ask.nonce);
        let targets = [DenyTarget::Ask(nonce), DenyTarget::Ask(nonce), DenyTarget::Grant(SITE), DenyTarget::Contact(BEN)];
        Event::Deny(Box::new(denial(any(dice, &targets), "NoBooking")))
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
