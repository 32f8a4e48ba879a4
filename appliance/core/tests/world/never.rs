//! Owns: that each reason for which a cell of a table is never reached is true of a state; and that all other cells were reached.
//! Never: believes a reason because nothing came.
//! Called by: judge_explore.rs (in every state that is found).

use super::cells::Cells;
use crate::bed::*;
use parloir_core::call::Kind;
use parloir_core::camera::Kind as Doors;
use parloir_core::never::{self, Never};
use parloir_core::*;
use parloir_pass::{Ask, Id, Statement};

/// What the state answers to an event that would be the cause: nothing, or a refusal.
fn tried(state: &State, now: u64, event: Event) -> (State, Vec<Effect>) {
    let mut after = state.clone();
    let effects = after.step(Now { mono_ms: now }, event);
    (after, effects)
}

/// Whether the reason is true now.
pub fn holds(why: Never, state: &State, now: u64, call: Id, ask: Option<&Ask>) -> bool {
    let kind = state.call_kind();
    let leased = state.maintenance_kind() != maintenance::Kind::Idle;
    let doors = state.camera_kind();
    let dead = |fact: CallFact| tried(state, now, Event::Call { call, fact }).1.is_empty();
    let same = |event: Event| tried(state, now, event).0.call_kind() == kind;
    let gate = |fact: GateFact| tried(state, now, Event::Gate(fact)).0.camera_kind() == doors;
    match why {
        Never::Busy => (kind == Kind::Idle && !leased) || state.view().contacts.iter().all(|contact| contact.why_not.is_some()),
        Never::NothingRings => (kind == Kind::Ringing) == (state.view().phase == view::Phase::Ringing),
        Never::NothingAsked => {
            let Some(ask) = ask.filter(|_| kind != Kind::Asking) else { return true };
            let (grant, ticket) = good_grant(ask);
            tried(state, now, granted(grant, ticket)).0.verdict() == Some(Code::GrantStray)
        }
        Never::NoCall if matches!(kind, Kind::Idle | Kind::Closing) => same(Event::OwnerGone { owner: screen() }),
        Never::NobodySpeaks if matches!(kind, Kind::Idle | Kind::Ringing | Kind::Closing) => {
            dead(CallFact::FarLeft) && dead(CallFact::Trouble(Trouble::Pipeline)) && dead(CallFact::FarAgain)
        }
        Never::NotGranted if kind == Kind::Asking => dead(CallFact::FarLeft) && dead(CallFact::FarAgain),
        Never::FairClock => {
            let counted = |at: u64| state.counted_ms(Now { mono_ms: at });
            (kind == Kind::Live) == (counted(now + 1) > counted(now))
        }
        Never::DiedOnce => kind != Kind::Joining || matches!(doors, Doors::Opening | Doors::Open),
        Never::NothingTold if matches!(kind, Kind::Live | Kind::Held) => matches!(doors, Doors::Open | Doors::Restarting),
        Never::NoDeadline if kind == Kind::Live => state.deadline().is_some_and(|at| at <= now + 1000),
        Never::NoGrant if !kind.opens_doors() => state.counted_ms(Now { mono_ms: now }) == 0 && !doors.wants_doors_open(),
        Never::NotClosing if kind != Kind::Closing => {
            tried(state, now, last_word(call)).0.call_kind() == kind || kind.opens_doors()
        }
        Never::NoLease if matches!(doors, Doors::Absent | Doors::Shut) => {
            gate(GateFact::CallGone { lease: call })
                && gate(GateFact::Shut { lease: call, reason: ShutReason::Asked, took_ms: 1 })
        }
        Never::LostFirst => {
            let anew = tried(state, now, Event::Gate(GateFact::Hello { device: DEVICE })).0;
            anew.door_rows().iter().any(|(_, cause, _)| *cause == camera::Cause::Gone) == (doors != Doors::Absent)
        }
        Never::ToldOnce => (doors == Doors::Shutting) <= !kind.holds_lease(),
        Never::NotAwaited if doors != Doors::Opening => gate(GateFact::Opened { lease: call, camera: true, microphone: true }),
        Never::WithinAStep => doors != Doors::Broken,
        Never::NoHolder | Never::NoPress => {
            let quoted = Event::Let { request: Request(9), caller: screen(), camera: true, microphone: true, serial: u64::MAX };
            let rows = tried(state, now, quoted).0;
            rows.key_rows().iter().all(|(_, cause, _)| !matches!(cause, remote::Cause::Quoted | remote::Cause::QuotedLast))
        }
        Never::NotShut => {
            let begun =
                Event::SignIn { request: Request(9), caller: other(), tag: 1, serial: 0, nonce: SITE, dial: Hidden(DIAL) };
            let rows = tried(state, now, begun).0;
            rows.session_rows().iter().all(|(_, cause, _)| *cause != session::Cause::BeginAllowed)
        }
        Never::NoEntry => {
            let typed = Event::Gate(GateFact::Key(Press { serial: u64::MAX, stroke: Stroke::Digit(Hidden(1)) }));
            let counts = tried(state, now, typed).0.session_rows().iter().any(|(kind, ..)| *kind == session::Kind::Entering);
            !counts || state.session_kind() == session::Kind::Entering
        }
        Never::NoQuestion => {
            let came = Event::Entitlement(Box::new(answer_to(STRANGER, PERSON)));
            let rows = tried(state, now, came).0;
            rows.session_rows().iter().all(|(_, cause, _)| *cause != session::Cause::PersonCame)
        }
        // The reason is about other states than this one.
        _ => true,
    }
}

fn last_word(call: Id) -> Event {
    let statement = Statement {
        v: 1,
        call,
        count: 1_000_000,
        decoding: false,
        decoded_ms: 0,
        frames: 0,
        width: 0,
        height: 0,
        first_frame_ms: 0,
        sound_heard: false,
        last: true,
    };
    Event::Statement { party: 0, statement, jws: String::new() }
}

/// Cells that are marked and were reached, or are not marked and were not.
pub fn wrong(cells: &Cells) -> Vec<String> {
    let mut wrong = Vec::new();
    macro_rules! compare {
        ($machine:ident, $never:path) => {
            for kind in $machine::Kind::ALL {
                for cause in $machine::Cause::ALL {
                    let (never, used) = ($never(*kind, *cause), cells.$machine.contains_key(&(*kind, *cause)));
                    if never.is_some() == used {
                        let machine = stringify!($machine);
                        wrong.push(format!("{machine}: {} × {}: {never:?}, used: {used}", kind.name(), cause.name()));
                    }
                }
            }
        };
    }
    compare!(call, never::in_call);
    compare!(camera, never::in_camera);
    compare!(remote, never::in_remote);
    compare!(maintenance, never::in_maintenance);
    compare!(session, never::in_session);
    wrong
}
