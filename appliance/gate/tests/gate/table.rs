//! Owns: the lease's table by itself: every event in every state, with time as an argument.
//! Never: a mock of gate; it is the real binary, or the real function.
//! Called by: `cargo test -p parloir-gate --features bench`.

use parloir_gate::keys::{FRESH_NS, Keys};
use parloir_gate::lease::{Event, NONCE_NS, RELAUNCH_NS, RELAUNCHES, Run, State};
use parloir_wire::gate::ShutReason;
use parloir_wire::keys::{Key, Motion};

const LEASE: [u8; 16] = [7; 16];
const RUN: Run = Run { lease: LEASE, media: 3, until: 1000, relaunched: 0 };

fn states() -> Vec<State> {
    let last = Run { relaunched: RELAUNCHES, ..RUN };
    vec![
        State::Shut,
        State::Prepared { lease: LEASE, nonce: [1; 16], pressed: 0, until: 1000 },
        State::Open(RUN),
        State::Open(last),
        State::Falling(RUN),
        State::Gone(RUN, 500),
        State::Gone(RUN, 2000),
        State::Ending { lease: LEASE, reason: ShutReason::Asked, since: 0 },
    ]
}

fn events() -> Vec<Event> {
    let mut events = vec![
        Event::Started { lease: [8; 16], nonce: [2; 16], pressed: 0 },
        Event::Admitted { media: 3, ns: 100 },
        Event::Restarted,
        Event::CallEnded,
        Event::CallDead,
        Event::Tick,
    ];
    events.extend(ShutReason::ALL.map(Event::Stop));
    events
}

#[test]
fn doors_open_by_a_ticket_or_a_relaunch_and_in_no_other_way() {
    for state in states() {
        for event in events() {
            for now in [0, 499, 500, 999, 1000, 5000, u64::MAX] {
                let next = state.step(event, now);
                let opened = matches!(next, State::Open(_)) && !matches!(state, State::Open(_));
                let admitted = matches!((state, event), (State::Prepared { until, .. }, Event::Admitted { .. }) if now < until);
                let restarted =
                    matches!((state, event), (State::Gone(run, give_up), Event::Restarted) if now < run.until && now < give_up);
                assert_eq!(opened, admitted || restarted, "{state:?} {event:?} {now} -> {next:?}");
                let left = matches!(state, State::Open(_)) && !matches!(next, State::Open(_));
                assert!(!left || next.dying(), "every way out of Open kills: {state:?} {event:?} -> {next:?}");
                assert!(state == State::Shut || next.lease().is_none_or(|lease| lease == LEASE), "a lease keeps its name");
                let shut = next == State::Shut && state != State::Shut;
                assert!(!shut || event == Event::CallDead, "Shut means dead: {state:?} {event:?}");
            }
        }
    }
}

#[test]
fn a_stop_ends_every_live_state_with_its_own_reason() {
    for state in states() {
        for reason in ShutReason::ALL {
            let next = state.step(Event::Stop(reason), 42);
            match state {
                State::Shut | State::Ending { .. } => assert_eq!(next, state),
                State::Prepared { .. } | State::Open(_) | State::Falling(_) | State::Gone(..) => {
                    assert_eq!(next, State::Ending { lease: LEASE, reason, since: 42 });
                }
            }
        }
    }
}

#[test]
fn time_alone_ends_what_waits() {
    for state in states() {
        let due = match state {
            State::Shut | State::Ending { .. } => u64::MAX,
            State::Prepared { until, .. } | State::Open(Run { until, .. }) | State::Falling(Run { until, .. }) => until,
            State::Gone(run, give_up) => run.until.min(give_up),
        };
        assert_eq!(state.step(Event::Tick, due - 1), state);
        assert!(due == u64::MAX || matches!(state.step(Event::Tick, due), State::Ending { .. }), "{state:?}");
    }
    let prepared = State::Shut.step(Event::Started { lease: LEASE, nonce: [1; 16], pressed: 5 }, 10);
    assert_eq!(prepared.step(Event::Tick, 10 + NONCE_NS - 1), prepared);
    let ended = prepared.step(Event::Tick, 10 + NONCE_NS);
    assert_eq!(ended, State::Ending { lease: LEASE, reason: ShutReason::NonceExpired, since: 10 + NONCE_NS });
    let late = prepared.step(Event::Admitted { media: 3, ns: 1 }, 10 + NONCE_NS);
    assert_eq!(late, ended, "a ticket after the nonce's time opens nothing");
    let gone = State::Falling(Run { until: u64::MAX, ..RUN }).step(Event::CallDead, 10);
    assert_eq!(gone.step(Event::Tick, 10 + RELAUNCH_NS - 1), gone);
    let given_up = gone.step(Event::Restarted, 10 + RELAUNCH_NS);
    assert_eq!(given_up, State::Ending { lease: LEASE, reason: ShutReason::CallEnded, since: 10 + RELAUNCH_NS });
}

#[test]
fn a_run_is_measured_from_its_ticket_and_not_renewed_by_a_relaunch() {
    let prepared = State::Prepared { lease: LEASE, nonce: [1; 16], pressed: 0, until: 1000 };
    let open = prepared.step(Event::Admitted { media: 1, ns: 300 }, 50);
    assert_eq!(open, State::Open(Run { lease: LEASE, media: 1, until: 350, relaunched: 0 }));
    let again = open.step(Event::CallEnded, 100).step(Event::CallDead, 110).step(Event::Restarted, 120);
    assert_eq!(again, State::Open(Run { lease: LEASE, media: 1, until: 350, relaunched: 1 }));
    let endless = prepared.step(Event::Admitted { media: 1, ns: u64::MAX }, 50);
    assert!(matches!(endless, State::Open(Run { until: u64::MAX, .. })), "no overflow ends it at once");
}

#[test]
fn serials_grow_and_only_fresh_presses_of_ok_can_be_taken() {
    let mut keys = Keys::default();
    let press = keys.stamp((Key::Ok, Motion::Down), 100);
    assert_eq!((press.serial, press.at_ns), (1, 100));
    assert_eq!(keys.stamp((Key::Ok, Motion::Repeat), 100).serial, 2);
    assert_eq!(keys.stamp((Key::Red, Motion::Down), 100).serial, 3);
    assert_eq!([keys.take(2, 100), keys.take(3, 100), keys.take(4, 100)], [None; 3]);
    assert_eq!(keys.take(1, 100 + FRESH_NS + 1), None, "stale");
    assert_eq!(keys.take(1, 100 + FRESH_NS), Some(100));
    assert_eq!(keys.take(1, 100 + FRESH_NS), None, "used");
}
