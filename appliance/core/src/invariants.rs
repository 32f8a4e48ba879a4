//! Owns: what must hold after every step, whatever happened (design section 3).
//! Never: repairs anything; a break is a defect of ours.
//! Called by: `State::step` in debug builds, hence every test.

use crate::call::{Call, Kind};
use crate::camera;
use crate::effect::{Effect, Entry, ToGate};
use crate::event::{Event, GateFact, Stroke};
use crate::maintenance::Maintenance;
use crate::session::Session;
use crate::state::{Clock, Screen, State};
use crate::time::{CLOSING_MS, END_KEY_MS, HELD_MS, INSTALL_MS, RESTART_MS, RING_MS};
use crate::turn::{NO_ID, focus_is_screens};
use crate::visit::{Privacy, Seat, Visit};
use parloir_pass::{Id, Route};

/// What the check needs of the state before.
#[derive(Clone, Debug)]
pub struct Before {
    kind: Kind,
    call: Id,
    camera: camera::Kind,
    trusted: bool,
    /// Of a visit: when its lease ends, and its slot, milliseconds; the greatest without one.
    bounds: (u64, u64),
}

impl Before {
    /// Of a state.
    #[must_use]
    pub fn of(state: &State) -> Self {
        Self {
            kind: state.call.kind(),
            call: state.call.want().map_or(crate::turn::NO_ID, |want| want.call),
            camera: state.camera.kind(),
            trusted: matches!(state.clock, Clock::Trusted { .. }),
            bounds: state.call.visit().map_or((u64::MAX, u64::MAX), |visit| (visit.lease_until, visit.slot_ms)),
        }
    }
}

fn must(holds: bool, what: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(what) }
}

/// Every invariant, after one step.
///
/// # Errors
/// The first that is broken.
pub fn check(before: &Before, event: &Event, after: &State, effects: &[Effect]) -> Result<(), &'static str> {
    doors(after)?;
    maintenance(after, effects)?;
    deadlines(after)?;
    owners(event, after)?;
    clocks(before, event, after)?;
    sessions(event, after, effects)?;
    refusals(effects)?;
    edges(before, after, effects)?;
    order(effects)
}

// Door open => one live lease with a verified grant; and the other way round while gate is there.
fn doors(state: &State) -> Result<(), &'static str> {
    let doors = state.camera.kind();
    match state.call.visit() {
        None => {
            let rings = state.call.kind() == Kind::Ringing;
            must(!rings || doors == camera::Kind::Shut, "it rings, and gate was told something")?;
            must(!doors.wants_doors_open(), "doors are wanted open without an admitted visit")
        }
        Some(visit) => {
            must(doors.wants_doors_open(), "an admitted visit without doors")?;
            must(state.camera.is_about(visit.want.call), "doors of another lease")?;
            must(visit.grant.nonce == visit.ask.nonce, "a grant for another question")?;
            must(!visit.earlier.is_empty() || visit.grant.nonce == visit.want.nonce, "a first grant for another question")?;
            must(visit.earlier.len() <= usize::from(crate::time::AGAINS), "more grants than a visit may have")?;
            must(
                visit.grant.call == visit.want.call && visit.grant.device == state.settings.device,
                "a grant for another call or box",
            )?;
            must(visit.grant.box_certificate == visit.ask.certificate, "a grant for another certificate")?;
            private(visit)
        }
    }
}

// What is private is end to end, shown as such only to whom it is, and unrecordable; nothing else has a code.
fn private(visit: &Visit) -> Result<(), &'static str> {
    let grant = &visit.grant;
    let private = grant.class.is_private();
    must(
        matches!(visit.privacy, Privacy::EndToEnd { .. }) == private,
        "a code in a class that has none, or none in a private one",
    )?;
    must(visit.ask.commitment.is_some() == private, "a private visit without a commitment")?;
    must(!private || visit.earlier.is_empty(), "a private visit with a second grant")?;
    must(!private || (grant.recorded_by.is_empty() && grant.watched_by.is_empty()), "a private visit that somebody hears")?;
    must(!private || grant.route == Route::Direct, "a private visit that is not end to end")?;
    must(visit.code().is_none() || (private && visit.far_verified), "a code for an end that nobody verified")
}

// Maintenance and Call never coexist: while the box is being changed there is no call, and none begins.
fn maintenance(state: &State, effects: &[Effect]) -> Result<(), &'static str> {
    let changed = state.maintenance != Maintenance::Idle;
    must(!changed || state.call.kind() == Kind::Idle, "a call while the box is being changed")?;
    let given = effects.iter().any(|e| matches!(e, Effect::HandLease { .. }));
    must(!given || changed, "a lease was handed over that nobody has")?;
    let longest = match &state.maintenance {
        Maintenance::Idle => return Ok(()),
        Maintenance::Installing(_) => INSTALL_MS,
        Maintenance::Restarting(_) => RESTART_MS,
    };
    let until = state.maintenance.lease().map_or(0, |lease| lease.until);
    must(until > state.at && until <= state.at + longest, "a lease that is overdue or longer than it may be")
}

// Every state but Idle has a deadline, and none is overdue.
fn deadlines(state: &State) -> Result<(), &'static str> {
    must(state.call_deadline().is_some() == (state.call.kind() != Kind::Idle), "a state without a deadline, or Idle with one")?;
    must(state.call_deadline().is_none_or(|at| at > state.at), "an overdue deadline")?;
    let end_key = state.call.end_key().until();
    must(end_key.is_none_or(|at| at <= state.at + END_KEY_MS), "an end key that waits for longer than 1 s")?;
    match &state.call {
        Call::Held(held) => must(held.until <= state.at + HELD_MS, "held for longer than 60 s"),
        Call::Closing(closing) => must(closing.until <= state.at + CLOSING_MS, "closing for longer than 3 s"),
        Call::Ringing(ringing) => must(ringing.until <= state.at + RING_MS, "ringing for longer than 45 s"),
        Call::Idle | Call::Asking(_) | Call::Joining(_) | Call::Live(_) => Ok(()),
    }
}

// An owner that vanishes loses what it held in the same step.
fn owners(event: &Event, state: &State) -> Result<(), &'static str> {
    must(focus_is_screens(&state.remote, &state.screen), "the keys are not the screen's")?;
    let empty = matches!(state.screen, Screen::Nobody);
    let seat_empty = state.call.visit().is_some_and(|visit| matches!(visit.seat, Seat::Empty { .. }));
    must(state.call.visit().is_none() || empty == seat_empty, "a visit that does not know whether a screen shows it")?;
    let needs = matches!(state.call.kind(), Kind::Asking | Kind::Ringing);
    must(!(empty && needs), "ringing or asking without a screen")?;
    let enters = matches!(state.session, Session::Entering(_) | Session::Asking(_));
    must(!(empty && enters), "a code without a screen")?;
    let Event::OwnerGone { owner } = event else { return Ok(()) };
    must(state.remote.holder() != Some(owner), "an owner that is gone holds the keys")?;
    let leased = state.maintenance.lease().is_some_and(|lease| lease.holder == *owner);
    must(!leased, "an owner that is gone may change the box")?;
    must(state.screen != Screen::Attached(owner.clone()), "an owner that is gone is the screen")
}

// The fair clock is within the slot, the lease within the grant; an untrusted clock never extends.
fn clocks(before: &Before, event: &Event, state: &State) -> Result<(), &'static str> {
    let trusted = matches!(state.clock, Clock::Trusted { .. });
    must(before.trusted || !trusted || matches!(event, Event::Time(_)), "a clock that is trusted without a time statement")?;
    let Some(visit) = state.call.visit() else { return Ok(()) };
    let lease_ms = visit.lease_until.saturating_sub(visit.granted_at);
    must(lease_ms <= u64::from(visit.grant.lease_s) * 1000, "a lease longer than the grant's")?;
    let longest = u64::from(visit.grant.slot_s) * 1000;
    must(trusted || lease_ms <= longest, "an untrusted clock extends the lease")?;
    let same = visit.want.call == before.call;
    must(!same || visit.lease_until <= before.bounds.0, "a lease that was extended")?;
    must(!same || visit.slot_ms <= before.bounds.1, "a slot that was extended")?;
    must(visit.beat_at <= state.at, "a beat that lasts into the future")?;
    must(visit.far_verified || matches!(visit.own, crate::visit::Side::Off { .. }), "decodes what nobody verified")?;
    must(visit.clock.counted_ms(state.at) < visit.slot_ms, "a visit beyond its slot")?;
    must(visit.clock.counted_ms(state.at) <= state.at - visit.admitted_at, "more counted than passed")?;
    must(visit.clock.runs() == (state.call.kind() == Kind::Live), "the fair clock does not run exactly in Live")
}

// Where a code is asked for: nobody is named, and nobody has a call, but who entered theirs; no digit goes to a screen.
fn sessions(event: &Event, state: &State, effects: &[Effect]) -> Result<(), &'static str> {
    let asks = state.policy.as_ref().is_some_and(|policy| policy.sign_in);
    must(asks == (state.session != Session::Free), "a session that is not as the policy says")?;
    must(state.session_due().is_none_or(|at| at > state.at), "an overdue session")?;
    if let Session::Open(open) = &state.session {
        let known = state.entitlement.as_ref();
        let theirs = known.is_some_and(|e| e.person == open.person && e.answers == Some(open.nonce));
        must(theirs, "somebody is signed in by no entitlement of theirs")?;
    }
    let tried = effects.iter().any(|e| matches!(e, Effect::SendSignIn { .. }));
    must(!tried || matches!(state.session, Session::Asking(_)), "a code was sent that nobody entered")?;
    let of_code = |stroke| matches!(stroke, Stroke::Digit(_) | Stroke::DigitUp);
    let digit = matches!(event, Event::Gate(GateFact::Key(press)) if of_code(press.stroke));
    let routed = effects.iter().any(|e| matches!(e, Effect::RouteKey { .. }));
    must(!(asks && digit && routed), "a digit went to the screen")?;
    if !state.session.is_shut() {
        return Ok(());
    }
    must(state.entitlement.is_none(), "an entitlement of nobody")?;
    must(!state.call.kind().holds_lease(), "a call of nobody")?;
    let view = &state.shown;
    must(
        view.person.is_empty() && view.contacts.is_empty() && view.next_visit.is_none(),
        "somebody is named before they sign in",
    )?;
    must(view.call.as_ref().is_none_or(|call| call.name.is_empty() && call.contact == NO_ID), "a caller is named to nobody")?;
    must(view.outcome.as_ref().is_none_or(|outcome| outcome.name.is_empty()), "whom a visit was with is told to nobody")
}

// Each refusal is written once: as many lines as bus calls, causes and documents that were refused; never two for one.
fn refusals(effects: &[Effect]) -> Result<(), &'static str> {
    let replies = effects.iter().filter(|e| matches!(e, Effect::Reply { answer: Err(_), .. })).count();
    let written = effects.iter().filter(|e| matches!(e, Effect::Ledger(Entry::Refused { .. }))).count();
    must(replies <= 1, "one event refused twice")?;
    must(written >= replies, "a refusal that is not written down")?;
    let sames = effects.windows(2).any(|pair| pair[0] == pair[1] && matches!(pair[0], Effect::Ledger(Entry::Refused { .. })));
    must(!sames, "a refusal written twice")
}

// Whatever the reason for leaving the states with a lease: gate is told to close, unless gate itself said so or is gone.
fn edges(before: &Before, after: &State, effects: &[Effect]) -> Result<(), &'static str> {
    let count = |wanted: &dyn Fn(&Effect) -> bool| effects.iter().filter(|e| wanted(e)).count();
    let opens = count(&|e| matches!(e, Effect::Gate(ToGate::Open { .. })));
    let closes = count(&|e| matches!(e, Effect::Gate(ToGate::Close { .. })));
    let joined = before.kind == Kind::Asking && after.call.kind().opens_doors();
    let reveals = count(&|e| matches!(e, Effect::SendReveal { .. }));
    must(reveals <= opens, "the box's half of a code is shown before, or without, the grant that it belongs to")?;
    must(opens == usize::from(joined) || (opens == 1 && closes == 1), "Open without the edge into Joining")?;
    let same_call = after.call.want().is_some_and(|want| want.call == before.call);
    let left = before.kind.holds_lease() && !(same_call && after.call.kind().holds_lease());
    let gate_did = matches!(after.camera.kind(), camera::Kind::Absent | camera::Kind::Shut);
    must(!left || gate_did || closes == 1, "a lease was left without Close")?;
    let routes = count(&|e| matches!(e, Effect::CloseRoute { .. }));
    let doors_left = before.kind.opens_doors() && !(same_call && after.call.kind().opens_doors());
    must(routes == usize::from(doors_left), "the route is closed exactly when the doors are")?;
    must(before.camera != camera::Kind::Absent || opens == 0, "Open although gate is absent")
}

// The record is on its way to the disk before the door opens.
fn order(effects: &[Effect]) -> Result<(), &'static str> {
    let at = |wanted: &dyn Fn(&Effect) -> bool| effects.iter().position(wanted);
    let open = at(&|e| matches!(e, Effect::Gate(ToGate::Open { .. })));
    let record = at(&|e| matches!(e, Effect::OpenVisitRecord { .. }));
    match (record, open) {
        (_, None) => Ok(()),
        (Some(record), Some(open)) => must(record < open, "the record comes after the door"),
        (None, Some(_)) => Err("a door without a record"),
    }
}
