//! Owns: Q6 at gate: whatever ends a lease, the call process is dead and nobody has the camera within 200 ms.
//! Never: a mock of gate; it is the real binary, or the real function.
//! Called by: `cargo test -p parloir-gate --features bench`.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parloir_wire::gate::{ShutReason, ToGate};

use crate::harness::{LEASE, SOON, Setup, World, in_time, wait_dead};

#[test]
fn the_run_ends_by_gates_own_timer() {
    in_time(Duration::from_secs(1) + SOON, || {
        let world = World::new(Setup::default());
        let arbiter = world.ready_arbiter();
        let pid = world.open(&arbiter, 1);
        let opened = Instant::now();
        assert_eq!(arbiter.shut().0, ShutReason::RunOver);
        let ran = opened.elapsed();
        assert!(world.clip_holders().is_empty());
        wait_dead(pid);
        assert!(ran > Duration::from_millis(500), "{ran:?} is too early");
        ran
    });
}

#[test]
fn a_silent_arbiter_ends_the_run_two_seconds_after_its_last_heartbeat() {
    in_time(Duration::from_secs(2) + SOON, || {
        let world = World::new(Setup::default());
        let mut arbiter = world.ready_arbiter();
        let pid = world.open(&arbiter, 60);
        let last = arbiter.stop_heart();
        assert_eq!(arbiter.shut().0, ShutReason::HeartbeatLost);
        wait_dead(pid);
        let silence = last.elapsed();
        assert!(world.clip_holders().is_empty());
        assert!(silence > Duration::from_millis(1900), "{silence:?} is too early");
        silence
    });
}

#[test]
fn an_arbiter_that_is_gone_takes_the_call_with_it() {
    in_time(SOON, || {
        let world = World::new(Setup::default());
        let arbiter = world.ready_arbiter();
        let pid = world.open(&arbiter, 60);
        drop(arbiter);
        let took = wait_dead(pid);
        assert!(world.clip_holders().is_empty());
        took
    });
}

/// What an arbiter said before it died, and gate had not read yet, is not done any more.
#[test]
fn the_last_words_of_a_dead_arbiter_open_nothing() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let nonce = world.prepare(&arbiter);
    let pid = world.born();
    assert_eq!(world.report(), "begin 7 1");
    world.signal(Signal::SIGSTOP);
    arbiter.send(&world.sign(&world.ticket(nonce)));
    arbiter.drain();
    drop(arbiter);
    world.signal(Signal::SIGCONT);
    wait_dead(pid);
    world.assert_no_report();
    // The call process may have died too fast to tell; gate tells.
    assert!(!world.log().contains("open"), "{}", world.log());
}

#[test]
fn a_gate_told_to_stop_kills_first() {
    in_time(SOON, || {
        let mut world = World::new(Setup::default());
        let arbiter = world.ready_arbiter();
        let pid = world.open(&arbiter, 60);
        let told = Instant::now();
        assert!(world.stop_gate().success());
        let took = told.elapsed();
        assert_eq!(arbiter.shut().0, ShutReason::GateStopped);
        assert!(world.clip_holders().is_empty());
        wait_dead(pid);
        took
    });
}

#[test]
fn a_killed_gate_takes_an_honest_call_with_it() {
    in_time(SOON, || {
        let mut world = World::new(Setup::default());
        let arbiter = world.ready_arbiter();
        let pid = world.open(&arbiter, 60);
        let killed = Instant::now();
        world.kill_gate();
        wait_dead(pid);
        killed.elapsed()
    });
}

#[test]
fn close_before_the_ticket_ends_a_prepared_call() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    world.prepare(&arbiter);
    let pid = world.born();
    arbiter.send(&ToGate::Close { lease: LEASE });
    assert_eq!(arbiter.shut().0, ShutReason::Asked);
    wait_dead(pid);
}

#[test]
fn a_stopped_call_process_dies_all_the_same() {
    in_time(SOON, || {
        let world = World::new(Setup::default());
        let arbiter = world.ready_arbiter();
        let pid = world.open(&arbiter, 60);
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGSTOP).expect("stop");
        let asked = Instant::now();
        arbiter.send(&ToGate::Close { lease: LEASE });
        let (reason, told_ms) = arbiter.shut();
        let took = asked.elapsed();
        assert_eq!(reason, ShutReason::Asked);
        assert!(u128::from(told_ms) <= took.as_millis(), "gate tells {told_ms} ms, it was {took:?}");
        wait_dead(pid);
        took
    });
}
