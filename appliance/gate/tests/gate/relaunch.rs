//! Owns: what follows when the call process ends by itself: doors shut, three new ones under the same ticket, no more.
//! Never: a mock of gate; it is the real binary, or the real function.
//! Called by: `cargo test -p parloir-gate --features bench`.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parloir_wire::gate::GateRefusal::NoLease;
use parloir_wire::gate::{FromGate, ShutReason, ToGate};

use crate::harness::{Arbiter, LEASE, Setup, World, is_dead};

fn gone(arbiter: &Arbiter) {
    arbiter.expect(|m| matches!(m, FromGate::CallGone { lease: LEASE }).then_some(()));
}

#[test]
fn three_relaunches_and_no_fourth() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let mut pid = world.open(&arbiter, 60);
    for _ in 0..3 {
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).expect("kill");
        gone(&arbiter);
        assert!(world.clip_holders().is_empty(), "doors are shut while the call is gone");
        let _end = arbiter.with_end(&ToGate::Relaunch { lease: [8; 16] });
        assert_eq!(arbiter.refused(), ([8; 16], NoLease));
        let _end = arbiter.with_end(&ToGate::Relaunch { lease: LEASE });
        relaunched(&arbiter);
        pid = world.born();
        assert_eq!(world.report(), "begin 7 1");
        world.doors_given();
        assert_eq!(world.clip_holders(), [pid]);
    }
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).expect("kill");
    assert_eq!(arbiter.shut().0, ShutReason::CallEnded);
    let _end = arbiter.with_end(&ToGate::Relaunch { lease: LEASE });
    assert_eq!(arbiter.refused(), (LEASE, NoLease));
}

fn relaunched(arbiter: &Arbiter) {
    arbiter.expect(|m| matches!(m, FromGate::Relaunched { lease: LEASE }).then_some(()));
}

/// A call process that lives but does not answer: healthy, deaf to every signal but SIGKILL, or stopped.
#[test]
fn a_live_call_is_dead_before_the_next_one_is_started() {
    for (stub_mode, stopped) in [("stay", false), ("deaf", false), ("stay", true)] {
        let world = World::new(Setup { stub_mode, ..Setup::default() });
        let arbiter = world.ready_arbiter();
        let mut old = world.open(&arbiter, 60);
        for _ in 0..3 {
            if stopped {
                kill(Pid::from_raw(old.cast_signed()), Signal::SIGSTOP).expect("stop");
            }
            let _end = arbiter.with_end(&ToGate::Relaunch { lease: LEASE });
            let new = world.born();
            assert!(is_dead(old), "two call processes of one lease ({stub_mode}, stopped: {stopped})");
            // Nothing else is said: a CallGone would ask for a second relaunch.
            relaunched(&arbiter);
            assert_eq!(world.report(), "begin 7 1");
            world.doors_given();
            assert_eq!(world.clip_holders(), [new]);
            old = new;
        }
        let _end = arbiter.with_end(&ToGate::Relaunch { lease: LEASE });
        assert_eq!(arbiter.shut().0, ShutReason::CallEnded, "a fourth one ends the lease");
        assert!(is_dead(old) && world.clip_holders().is_empty());
        world.assert_no_report();
    }
}

/// The end that waits for a death is not given to whoever is started after the lease.
#[test]
fn a_lease_that_ends_while_its_call_dies_starts_nothing() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    world.open(&arbiter, 60);
    world.signal(Signal::SIGSTOP);
    let _end = arbiter.with_end(&ToGate::Relaunch { lease: LEASE });
    arbiter.send(&ToGate::Close { lease: LEASE });
    world.signal(Signal::SIGCONT);
    let why = arbiter.expect(|m| match m {
        FromGate::Relaunched { .. } => None,
        FromGate::Shut { reason, .. } => Some(reason),
        _ => None,
    });
    assert_eq!(why, ShutReason::Asked);
    assert!(world.clip_holders().is_empty());
    world.assert_no_report();

    let pid = world.open(&arbiter, 60);
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).expect("kill");
    gone(&arbiter);
    world.assert_no_report();
}

#[test]
fn a_call_that_waits_for_its_ticket_is_not_replaced() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    world.prepare(&arbiter);
    let pid = world.born();
    assert_eq!(world.report(), "begin 7 1");
    let _end = arbiter.with_end(&ToGate::Relaunch { lease: LEASE });
    assert_eq!(arbiter.shut().0, ShutReason::CallEnded);
    assert!(is_dead(pid));
    world.assert_no_report();
}

#[test]
fn a_call_that_hides_is_killed_before_it_counts_as_gone() {
    for stub_mode in ["hang-up", "speak"] {
        let world = World::new(Setup { stub_mode, ..Setup::default() });
        let arbiter = world.ready_arbiter();
        let nonce = world.prepare(&arbiter);
        let pid = world.born();
        arbiter.send(&world.sign(&world.ticket(nonce)));
        arbiter.opened();
        gone(&arbiter);
        assert!(is_dead(pid), "{stub_mode}: CallGone means dead");
        arbiter.send(&ToGate::Close { lease: LEASE });
        assert_eq!(arbiter.shut().0, ShutReason::Asked);
    }
}

#[test]
fn a_call_that_ends_before_its_ticket_ends_the_lease() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    world.prepare(&arbiter);
    let pid = world.born();
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).expect("kill");
    assert_eq!(arbiter.shut().0, ShutReason::CallEnded);
}

#[test]
fn the_run_goes_on_while_the_call_is_gone() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let pid = world.open(&arbiter, 1);
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).expect("kill");
    gone(&arbiter);
    assert_eq!(arbiter.shut().0, ShutReason::RunOver);
}
