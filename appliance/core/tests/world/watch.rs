//! Owns: what must be true after each step, whatever came: the twin's doors and clock, each press, nonce and ring used once.
//! Never: repairs anything.
//! Called by: walk.rs.

use super::World;
use crate::bed::*;
use parloir_core::call::Kind;
use parloir_core::effect::Entry;
use parloir_core::*;
use parloir_pass::*;

impl World {
    /// One step of the machine and of its twin.
    pub fn step(&mut self, event: Event) {
        self.log.push((self.now, event.clone()));
        self.stopped |= event == Event::Stopping;
        if matches!(event, Event::Call { .. } | Event::Gate(GateFact::Opened { .. } | GateFact::Relaunched { .. })) {
            self.spoke = self.now;
        }
        if let Event::Ring(ring) = event {
            self.sent.insert(0, ring);
            self.sent.truncate(4);
        }
        let effects = self.state.step(Now { mono_ms: self.now }, event.clone());
        self.effects += effects.len() as u64;
        self.cells.note(&self.state);
        if matches!(event, Event::Time(_)) && self.state.view().clock_trusted {
            self.twin.trust();
        }
        if let Event::Beat(beat) = &event
            && !ledger_refusals(&effects).contains(&Code::BeatStray)
        {
            self.twin.beat(self.now, beat.count);
        }
        let (then, at) = self.counted;
        let unheard = self.twin.counted_ms(self.now);
        self.twin.hear(self.now, &event);
        let heard = self.twin.counted_ms(self.now);
        self.twin.follow(self.now, &event, &effects);
        self.compare(then.min(heard).min(unheard), heard.max(then + self.now - at), &effects);
        self.counted = (self.twin.counted_ms(self.now), self.now);
        self.listen(&event, &effects);
        self.lease(&event, &effects);
        let view = self.state.view();
        self.code.follow(self.now, &event, &effects, &view);
        self.note_places(&event, &effects);
    }

    /// `least`, `most`: what can have been counted, milliseconds, if the visit ended in this step (perhaps by a deadline before the event).
    pub fn compare(&self, least: u64, most: u64, effects: &[Effect]) {
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

    /// Who may change the box: one, for a while, when nobody calls and no visit is booked; and nothing begins meanwhile.
    pub fn lease(&mut self, event: &Event, effects: &[Effect]) {
        let before = self.leased.is_some();
        for effect in effects {
            match effect {
                Effect::HandLease { holder, .. } => {
                    let Event::Begin { caller, stage, .. } = event else { panic!("a lease by {event:?}") };
                    assert_eq!((holder, self.leased.as_ref()), (caller, None), "a lease for another, or a second one");
                    let minutes = if *stage == Stage::Install { 30 } else { 3 };
                    self.leased = Some((holder.clone(), self.now + minutes * 60_000));
                    let booked = self.state.view().next_visit.map(|visit| visit.from - self.wall_s());
                    assert!(booked.is_none_or(|in_s| in_s > 1799), "a lease {booked:?} s before a booked visit");
                }
                Effect::TakeLease { holder } => {
                    assert_eq!(self.leased.take().map(|(owner, _)| owner), Some(holder.clone()), "taken from who has none");
                }
                _ => {}
            }
        }
        assert_eq!(self.leased.is_some(), self.state.maintenance_kind() != maintenance::Kind::Idle);
        let Some((_, until)) = self.leased else { return };
        assert!(self.now < until, "a lease that should be over goes on");
        assert_eq!(self.state.call_kind(), Kind::Idle, "a call while the box is being changed");
        let began =
            |e: &Effect| matches!(e, Effect::Gate(ToGate::Prepare { .. }) | Effect::SendRing { state: RingState::Ringing, .. });
        assert!(!before || !effects.iter().any(began), "a call begins while the box is being changed");
    }

    /// What the world learns from the effects.
    pub fn listen(&mut self, event: &Event, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::SendTimeRequest { nonce } => self.time_nonce = Some(*nonce),
                Effect::RouteKey { holder, serial } => self.routed.push((*serial, holder.clone(), self.now)),
                Effect::SendRing { ring, state } => self.ring_said(*ring, *state, event, effects),
                Effect::MakeCertificate { call } => self.certificate = Some(*call),
                Effect::Gate(ToGate::Prepare { lease, serial }) => {
                    assert!(self.used.insert(*serial), "a serial used twice");
                    assert!(
                        self.routed.iter().any(|(s, holder, _)| s == serial && *holder == place_caller(event)),
                        "not this caller's press"
                    );
                    self.prepared = Some(*lease);
                    self.lease = Some(*lease);
                    (self.ask, self.again) = (None, None);
                    (self.count, self.beats, self.decoded_ms) = (0, 0, 0);
                }
                Effect::SendAsk(ask) if ask.regrant.is_some() => self.asked_again(ask),
                Effect::SendAsk(ask) => self.ask = Some((**ask).clone()),
                Effect::Ledger(Entry::Regranted { grant, .. }) => self.regranted(*grant, event, effects),
                Effect::Gate(ToGate::Open { .. }) => {
                    let Event::Grant { grant, .. } = event else { panic!("Open without a grant") };
                    assert!(self.granted.insert(grant.nonce), "a nonce answered twice");
                    assert_eq!(Some(grant.nonce), self.ask.as_ref().map(|ask| ask.nonce), "another question answered");
                    self.opening = true;
                    (self.grant, self.far, self.granted_at) = (grant.grant, grant.parties[0].certificate, self.now);
                }
                Effect::SendReveal { call } => {
                    let Event::Grant { grant, code, .. } = event else { panic!("half of a code is shown by {event:?}") };
                    assert_eq!((grant.call, grant.class, code.is_some()), (*call, Class::Lawyer, true));
                    let opens = |e: &Effect| matches!(e, Effect::Gate(ToGate::Open { lease, .. }) if lease == call);
                    assert!(effects.iter().any(opens), "half of a code without the grant that fixes the other");
                }
                Effect::Gate(ToGate::Relaunch { .. }) => self.relaunching = true,
                Effect::Gate(ToGate::Close { lease }) => {
                    self.closing = Some(*lease);
                    self.again = None;
                    (self.opening, self.relaunching) = (false, false);
                }
                _ => {}
            }
        }
        if matches!(self.state.camera_kind(), camera::Kind::Shut | camera::Kind::Absent) {
            self.closing = None;
        }
    }

    /// A ring is answered by a press that is at least 0.7 s newer, and once; it opens nothing.
    pub fn ring_said(&mut self, ring: Id, state: RingState, event: &Event, effects: &[Effect]) {
        let gate = effects.iter().any(|e| matches!(e, Effect::Gate(ToGate::Open { .. })));
        assert!(!gate, "a ring opened a door");
        match state {
            RingState::Ringing => {
                assert!(self.rung.insert(ring), "it rings twice for one ring");
                self.ringing = Some((ring, self.now));
            }
            RingState::Answered => {
                let Event::Answer { serial, caller, .. } = event else { panic!("answered by {event:?}") };
                let (_, began) = self.ringing.take().expect("an answer without a ring");
                let newer = |(s, holder, at): &(u64, Owner, u64)| s == serial && holder == caller && *at >= began + 700;
                assert!(self.routed.iter().any(newer), "answered by a press that is not newer than the ring");
            }
            RingState::Over(_) => self.ringing = self.ringing.filter(|(rings, _)| *rings != ring),
        }
    }

    pub fn asked_again(&mut self, ask: &Ask) {
        let first = self.ask.as_ref().expect("the first question");
        let same = Ask { nonce: first.nonce, regrant: None, ..ask.clone() };
        assert_eq!(same, *first, "another question than the first, but for the nonce");
        assert_eq!(ask.regrant, Some(self.grant));
        self.again = Some(ask.clone());
    }

    pub fn regranted(&mut self, grant: Id, event: &Event, effects: &[Effect]) {
        let Event::Grant { grant: document, .. } = event else { panic!("regranted by {event:?}") };
        assert!(self.granted.insert(document.nonce), "a nonce answered twice");
        assert_eq!(Some(document.nonce), self.again.take().map(|ask| ask.nonce), "another question answered");
        assert!(
            !effects.iter().any(|e| matches!(e, Effect::Gate(ToGate::Open { .. } | ToGate::Prepare { .. }))),
            "a regrant opened a door"
        );
        (self.grant, self.far, self.granted_at) = (grant, document.parties[0].certificate, self.now);
        (self.count, self.beats, self.decoded_ms) = (0, 0, 0);
    }
}

fn place_caller(event: &Event) -> Owner {
    match event {
        Event::Place { caller, .. } | Event::Answer { caller, .. } => caller.clone(),
        other => panic!("Prepare by {other:?}"),
    }
}
