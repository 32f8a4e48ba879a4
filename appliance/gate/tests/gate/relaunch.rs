//! Owns: what follows when the call process ends by itself: doors shut, three new ones under the same ticket, no more.
//! Never: a mock of gate; it is the real binary, or the real function.
//! Called by: `cargo test -p parloir-gate --features bench`.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parloir_wire::gate::GateRefusal::NoLease;
use parloir_wire::gate::{FromGate, ShutReason, ToGate};

use crate::harness::{Arbiter, LEASE, Setup, World, is_dead, wait_dead};

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

/// The end that waits for a death is not given to whoever is started after the lease. The death takes as long as the test wants:
/// it writes what the control group says.
#[test]
fn a_lease_that_ends_while_its_call_dies_starts_nothing() {
    let clips = ["--bench-camera", "DIR/camera.y4m", "--bench-microphone", "DIR/microphone.wav", "--bench-hold", "slice"];
    let extra = clips.map(str::to_owned).to_vec();
    let world = World::with_files(Setup { extra, ..Setup::default() }, &["slice/cgroup.events"]);
    let group = |text: &str| std::fs::write(world.dir.join("slice/cgroup.events"), text).expect("control group");
    let arbiter = world.ready_arbiter();
    for _ in 0..2 {
        group("populated 1\n");
        let pid = world.open(&arbiter, 1);
        let _end = arbiter.with_end(&ToGate::Relaunch { lease: LEASE });
        std::thread::sleep(Duration::from_millis(1100));
        world.assert_no_report();
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).expect("kill");
        wait_dead(pid);
        group("populated 0\n");
        assert_eq!(arbiter.shut().0, ShutReason::RunOver);
        world.assert_no_report();
    }
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
