//! Owns: Q6 at gate: whatever ends a lease, the call process is dead and nobody has the camera within 200 ms.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use parloir_wire::gate::{ShutReason, ToGate};

use crate::harness::{LEASE, Setup, World, wait_dead};

const SOON: Duration = Duration::from_millis(200);

#[test]
fn the_run_ends_by_gates_own_timer() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let pid = world.open(&arbiter, 1);
    let opened = Instant::now();
    let (reason, took_ms) = arbiter.shut();
    let ran = opened.elapsed();
    assert_eq!(reason, ShutReason::RunOver);
    assert!(took_ms < 200, "{took_ms} ms");
    assert!(ran > Duration::from_millis(900) && ran < Duration::from_secs(1) + SOON, "{ran:?}");
    assert!(world.clip_holders().is_empty());
    wait_dead(pid);
}

#[test]
fn a_silent_arbiter_ends_the_run_two_seconds_after_its_last_heartbeat() {
    let world = World::new(Setup::default());
    let mut arbiter = world.ready_arbiter();
    let pid = world.open(&arbiter, 60);
    let last = arbiter.stop_heart();
    let (reason, _) = arbiter.shut();
    wait_dead(pid);
    let silence = last.elapsed();
    assert_eq!(reason, ShutReason::HeartbeatLost);
    assert!(silence > Duration::from_millis(1900) && silence < Duration::from_millis(2200), "{silence:?}");
    assert!(world.clip_holders().is_empty());
}

#[test]
fn an_arbiter_that_is_gone_takes_the_call_with_it() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let pid = world.open(&arbiter, 60);
    // Messages that still wait to be read do not delay it.
    for count in 0..50 {
        arbiter.send(&ToGate::Heartbeat { count });
    }
    drop(arbiter);
    let took = wait_dead(pid);
    assert!(took < SOON, "{took:?}");
    assert!(world.clip_holders().is_empty());
}

#[test]
fn a_gate_told_to_stop_kills_first() {
    let mut world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let pid = world.open(&arbiter, 60);
    let told = Instant::now();
    assert!(world.stop_gate().success());
    assert!(told.elapsed() < SOON, "{:?}", told.elapsed());
    assert_eq!(arbiter.shut().0, ShutReason::GateStopped);
    wait_dead(pid);
    assert!(world.clip_holders().is_empty());
}

#[test]
fn a_killed_gate_takes_an_honest_call_with_it() {
    let mut world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let pid = world.open(&arbiter, 60);
    world.restart_gate();
    let took = wait_dead(pid);
    assert!(took < SOON, "{took:?}");
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
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let pid = world.open(&arbiter, 60);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.cast_signed()), Signal::SIGSTOP).expect("stop");
    arbiter.send(&ToGate::Close { lease: LEASE });
    let (reason, took_ms) = arbiter.shut();
    assert!(reason == ShutReason::Asked && took_ms < 200, "{reason:?} {took_ms}");
    wait_dead(pid);
}
