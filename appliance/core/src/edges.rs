//! Owns: what every change of the machine `Call` brings with it, by the edge that is crossed and never by its cause.
//! Never: decides where to go (the table does).
//! Called by: every event that brings a cause.
//!
//! Whatever the reason for leaving {Joining, Live, Held}, gate is told to close, the route is closed and the receipt follows.
//! A crossing for which the data is missing is a defect of ours: it shuts everything.

use crate::call::{self, Asking, Call, Came, Cause, Closing, Doors, EndKey, Ending, Held, Kind, Ringing, Stage, Want, Why};
use crate::camera::{self, Camera};
use crate::effect::{Effect, Entry, ToCall, ToGate};
use crate::event::ShutReason;
use crate::refusal::{Code, EndReason};
use crate::state::Last;
use crate::time::{CLOSING_MS, HELD_MS, JOIN_MS, PREPARE_MS};
use crate::turn::Turn;
use crate::visit::{Admission, Privacy, Side, Visit};
use parloir_pass::Id;

/// What a cause brings along.
pub(crate) enum What {
    Nothing,
    Want(Box<Want>),
    Ringing(Box<Ringing>),
    Admission(Box<Admission>),
    End(Ending),
}

impl Turn<'_> {
    /// Brings a cause to the table and crosses the edge that it names, if any.
    pub(crate) fn cross(&mut self, cause: Cause, what: What) {
        let before = self.state.call.kind();
        let after = call::next(before, cause);
        self.state.rows.push((before, cause, after));
        if before == after {
            return;
        }
        let old = core::mem::replace(&mut self.state.call, Call::Idle);
        self.state.call = self.move_on(old, after, what);
        self.leave(before, self.state.call.kind());
        self.enter();
    }

    /// The data of the new state out of that of the old one.
    fn move_on(&mut self, old: Call, after: Kind, what: What) -> Call {
        let now = self.now;
        match (old, after, what) {
            (Call::Idle, Kind::Ringing, What::Ringing(ringing)) => Call::Ringing(ringing),
            (Call::Ringing(ringing), Kind::Idle, What::End(ending)) => {
                self.ring_over(&ringing, &ending);
                Call::Idle
            }
            (Call::Idle | Call::Ringing(_), Kind::Asking, What::Want(want)) => {
                let (stage, until) = (Stage::Preparing, now.saturating_add(PREPARE_MS));
                Call::Asking(Box::new(Asking { want: *want, stage, until, end_key: EndKey::Untouched }))
            }
            (Call::Asking(asking), Kind::Joining, What::Admission(admission)) => match asking.stage {
                Stage::Asked { ask, at } => {
                    Call::Joining(Box::new(Visit::admit(asking.want, ask, at, asking.end_key, *admission, now)))
                }
                Stage::Preparing | Stage::Certificate(_) | Stage::Process { .. } => {
                    self.closing(Came::Unasked(asking.want), Code::Internal.into())
                }
            },
            (Call::Joining(visit) | Call::Live(visit), Kind::Held, _) => {
                Call::Held(Box::new(Held { visit: *visit, until: now.saturating_add(HELD_MS) }))
            }
            (Call::Joining(visit), Kind::Live, _) => Call::Live(visit),
            (Call::Held(held), Kind::Live, _) => Call::Live(Box::new(held.visit)),
            (Call::Asking(asking), _, What::End(ending)) => self.closing(asked_or_not(*asking), ending),
            (Call::Joining(visit) | Call::Live(visit), _, What::End(ending)) => self.closing(Came::Admitted(visit), ending),
            (Call::Held(held), _, What::End(ending)) => self.closing(Came::Admitted(Box::new(held.visit)), ending),
            (Call::Closing(closing), _, _) => {
                self.finish(*closing);
                Call::Idle
            }
            (old, _, _) => self.fail_closed(old),
        }
    }

    // Deny is the answer to every internal error.
    fn fail_closed(&mut self, old: Call) -> Call {
        let ending = Ending::from(Code::Internal);
        match old {
            Call::Idle | Call::Ringing(_) => Call::Idle,
            Call::Asking(asking) => self.closing(asked_or_not(*asking), ending),
            Call::Joining(visit) | Call::Live(visit) => self.closing(Came::Admitted(visit), ending),
            Call::Held(held) => self.closing(Came::Admitted(Box::new(held.visit)), ending),
            Call::Closing(closing) => Call::Closing(closing),
        }
    }

    fn closing(&mut self, mut came: Came, ending: Ending) -> Call {
        let now = self.now;
        if let Came::Admitted(visit) = &mut came {
            visit.clock.stop(now);
        }
        let doors = match self.state.camera {
            Camera::Absent => Doors::Lost,
            Camera::Shut => Doors::Shut(now),
            Camera::Leased(_) => Doors::Waiting,
        };
        Call::Closing(Box::new(Closing { came, ending, ended_at: now, doors, until: now.saturating_add(CLOSING_MS) }))
    }

    /// What leaving a set of states brings.
    fn leave(&mut self, before: Kind, after: Kind) {
        if after == Kind::Idle {
            let now = self.now;
            self.state.session.touch(now);
        }
        let Some(call) = self.state.call.want().map(|want| want.call) else { return };
        if before.holds_lease() && !after.holds_lease() && self.state.camera.is_about(call) {
            self.to_gate(ToGate::Close { lease: call });
        }
        if before.opens_doors() && !after.opens_doors() {
            self.push(Effect::CloseRoute { call });
        }
    }

    /// What entering a state brings.
    fn enter(&mut self) {
        match self.state.call.kind() {
            Kind::Idle | Kind::Ringing => {}
            Kind::Asking => self.enter_asking(),
            Kind::Joining => self.enter_joining(),
            Kind::Live | Kind::Held => self.keep_hold(),
            Kind::Closing => self.enter_closing(),
        }
    }

    fn enter_asking(&mut self) {
        let Call::Asking(asking) = &self.state.call else { return };
        let (call, serial) = (asking.want.call, asking.want.serial);
        self.push(Effect::MakeCertificate { call });
        self.to_gate(ToGate::Prepare { lease: call, serial });
    }

    fn enter_joining(&mut self) {
        let Some(visit) = self.state.call.visit() else { return };
        let (call, grant, ticket) = (visit.want.call, visit.grant.grant, visit.grant.ticket);
        let ends_share_a_code = matches!(visit.privacy, Privacy::EndToEnd { .. });
        self.write_record();
        self.push(Effect::Ledger(Entry::Admitted { call, grant }));
        self.to_gate(ToGate::Open { lease: call, ticket });
        if ends_share_a_code {
            self.push(Effect::SendReveal { call });
        }
    }

    fn enter_closing(&mut self) {
        let Call::Closing(closing) = &self.state.call else { return };
        let (call, ring) = (closing.came.want().call, closing.came.want().ring);
        let asked = !matches!(closing.came, Came::Unasked(_));
        let why = closing.ending.why;
        let entry = match why {
            Why::Ended(reason) => Entry::Ended { call, reason, seconds_counted: crate::receipt::seconds_counted(closing) },
            Why::Refused(code) => Entry::Refused { code, call, person: closing.came.want().person },
        };
        self.push(Effect::Ledger(entry));
        if asked {
            self.push(Effect::SendEnded { call, reason: why.name() });
        } else if let Some(ring) = ring {
            self.answered_in_vain(ring, why);
        }
    }

    /// The end of the end: receipt and outcome.
    fn finish(&mut self, closing: Closing) {
        let call = closing.came.want().call;
        if let Some(receipt) = self.state.receipt_of(&closing) {
            self.push(Effect::MakeReceipt { receipt: Box::new(receipt) });
        }
        if matches!(closing.came, Came::Admitted(_)) {
            self.push(Effect::CloseVisitRecord { call });
        }
        self.push(Effect::DropCall { call });
        self.state.denied.forget_grants();
        self.state.last = match self.state.outcome_of(&closing) {
            Some((phase, mut outcome)) => {
                if self.state.session.is_shut() {
                    outcome.name_nobody();
                }
                Last::Outcome { phase, call, outcome: Box::new(outcome) }
            }
            None => Last::Nothing,
        };
    }

    /// A message to gate, which is a cause for the doors' machine too.
    pub(crate) fn to_gate(&mut self, message: ToGate) {
        let (cause, lease) = match &message {
            ToGate::Prepare { lease, .. } => (camera::Cause::Prepare, *lease),
            ToGate::Open { lease, .. } => (camera::Cause::Open, *lease),
            ToGate::Relaunch { lease } => (camera::Cause::Relaunch, *lease),
            ToGate::Close { lease } => (camera::Cause::Close, *lease),
        };
        self.doors(cause, lease, (false, false));
        self.push(Effect::Gate(message));
    }

    /// Brings a cause to the doors' machine.
    pub(crate) fn doors(&mut self, cause: camera::Cause, lease: Id, media: (bool, bool)) {
        let before = self.state.camera.kind();
        self.state.camera = self.state.camera.after(cause, lease, media);
        self.state.door_rows.push((before, cause, self.state.camera.kind()));
    }

    /// While held, nothing leaves the box unless the far side's media arrives: then it is there, and only our media can bring it back.
    pub(crate) fn keep_hold(&mut self) {
        let held = self.state.call.kind() == Kind::Held;
        let runs = self.state.camera.kind() == camera::Kind::Open;
        let Some(visit) = self.state.call.visit_mut() else { return };
        let hold = held && matches!(visit.own, Side::Off { .. });
        if hold != visit.holding && runs {
            visit.holding = hold;
            let call = visit.want.call;
            self.push(Effect::SendToCall { call, message: ToCall::Hold { held: hold } });
        }
    }

    /// The doors are open, or the call process runs again: plan and route.
    pub(crate) fn send_plan(&mut self) {
        let Some(visit) = self.state.call.visit_mut() else { return };
        visit.generation += 1;
        visit.far_verified = false;
        let call = visit.want.call;
        let plan = ToCall::Plan {
            generation: visit.generation,
            far: visit.grant.parties.iter().map(|p| p.certificate).collect(),
            relays: visit.grant.relays.clone(),
            direct_candidates: visit.grant.direct_candidates,
            video: visit.grant.media == parloir_pass::Media::Video,
        };
        self.push(Effect::SendToCall { call, message: plan });
    }

    /// After another grant the far side has the whole wait once more, within the lease.
    pub(crate) fn begin_wait_anew(&mut self) {
        let now = self.now;
        match &mut self.state.call {
            Call::Joining(visit) => visit.join_until = now.saturating_add(JOIN_MS),
            Call::Held(held) => held.until = now.saturating_add(HELD_MS),
            Call::Idle | Call::Ringing(_) | Call::Asking(_) | Call::Live(_) | Call::Closing(_) => {}
        }
    }

    /// Gate shut the doors although nobody asked.
    pub(crate) fn shut_unasked(&mut self, reason: ShutReason) {
        let asking = self.state.call.kind() == Kind::Asking;
        let ending: Ending = match reason {
            ShutReason::RunOver => EndReason::LeaseOver.into(),
            ShutReason::NonceExpired => Code::NoAnswer.into(),
            ShutReason::CallEnded if asking => Code::CallNotStarted.into(),
            ShutReason::CallEnded => EndReason::CallFailed.into(),
            ShutReason::Asked | ShutReason::HeartbeatLost | ShutReason::ArbiterGone if asking => Code::GateAbsent.into(),
            ShutReason::Asked | ShutReason::HeartbeatLost | ShutReason::ArbiterGone => EndReason::GateShut.into(),
        };
        self.end(Cause::DoorsShut, ending);
    }
}

fn asked_or_not(asking: Asking) -> Came {
    match asking.stage {
        Stage::Asked { at, .. } => Came::Asked { want: asking.want, at },
        Stage::Preparing | Stage::Certificate(_) | Stage::Process { .. } => Came::Unasked(asking.want),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::{Leased, LeasedState};
    use crate::state::{Floors, Settings, State};
    use parloir_pass::{Class, Media};

    const LEASE: Id = Id([7; 16]);

    fn asking() -> State {
        let mut state =
            State::new(Settings { device: Id([1; 16]), site: Id([2; 16]), bench_direct: false, floors: Floors::default() });
        let want = Want {
            call: LEASE,
            nonce: Id([3; 16]),
            receipt: Id([4; 16]),
            person: Id([5; 16]),
            contact: Id([6; 16]),
            name: "Ana".to_owned(),
            class: Class::Family,
            media: Media::Video,
            serial: 1,
            ring: None,
            wall_start: 0,
        };
        state.call = Call::Asking(Box::new(Asking { want, stage: Stage::Preparing, until: 10_000, end_key: EndKey::Untouched }));
        state.camera = Camera::Leased(Leased { lease: LEASE, state: LeasedState::Ready });
        state
    }

    // No event can bring these; a defect could. Deny is the answer to every internal error.
    #[test]
    fn a_crossing_without_its_data_shuts_everything() {
        let mut state = asking();
        let mut turn = Turn { state: &mut state, now: 1, effects: Vec::new(), verdict: crate::turn::Verdict::Taken };
        turn.cross(Cause::GrantFits, What::Nothing);
        assert!(turn.effects.contains(&Effect::Gate(ToGate::Close { lease: LEASE })));
        assert!(!turn.effects.iter().any(|e| matches!(e, Effect::Gate(ToGate::Open { .. }))));
        let Call::Closing(closing) = &state.call else { panic!("{:?}", state.call) };
        assert_eq!(closing.ending.why, Why::Refused(Code::Internal));
    }

    #[test]
    fn a_place_without_a_want_stays_idle() {
        let mut state = asking();
        (state.call, state.camera) = (Call::Idle, Camera::Shut);
        let mut turn = Turn { state: &mut state, now: 1, effects: Vec::new(), verdict: crate::turn::Verdict::Taken };
        turn.cross(Cause::PlaceAllowed, What::Nothing);
        assert!(turn.effects.is_empty());
        assert_eq!(state.call.kind(), Kind::Idle);
    }
}
