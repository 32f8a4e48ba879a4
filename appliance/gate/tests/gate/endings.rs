//! Owns: Q6 at gate: whatever ends a lease, the call process is dead and nobody has the camera within 200 ms.
//! Never: a mock of gate; it is the real binary, or the real function.
//! Called by: `cargo test -p parloir-gate --features bench`.

use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parloir_wire::gate::{ShutReason, ToGate};

use crate::harness::{LEASE, SOON, Setup, World, eventually, in_time, is_dead, wait_dead};

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

/// Another process holds the arbiter's socket and is stopped: the socket stays open and nothing comes any more. Measured from
/// outside, by who has the camera.
#[test]
fn an_arbiter_that_is_stopped_is_as_good_as_silent() {
    in_time(Duration::from_secs(2) + SOON, || {
        let world = World::new(Setup::default());
        let mut arbiter = world.ready_arbiter();
        let pid = world.open(&arbiter, 60);
        let socket: OwnedFd = arbiter.socket.as_fd().try_clone_to_owned().expect("socket");
        let mut holder = Command::new("sleep").arg("60").stdin(Stdio::from(socket)).spawn().expect("holder");
        kill(Pid::from_raw(holder.id().cast_signed()), Signal::SIGSTOP).expect("stop");
        let last = arbiter.stop_heart();
        eventually("nobody has the camera", || world.clip_holders().is_empty());
        let took = last.elapsed();
        assert!(is_dead(pid));
        holder.kill().expect("kill");
        holder.wait().expect("wait");
        took
    });
}

/// The watchdog of gate's unit, 2 s: a gate that hangs says nothing to it, is killed, and takes the camera with it; the call
/// process was stopped too, so that it could not go by itself. `shut` is `ExecStopPost=`.
#[test]
fn a_gate_that_hangs_falls_silent_to_its_watchdog() {
    in_time(Duration::from_secs(3), || {
        let mut world = World::new(Setup::default());
        let arbiter = world.ready_arbiter();
        let pid = world.open(&arbiter, 60);
        assert!(world.pets() >= 2, "a gate that lives pets its watchdog twice a second");
        world.signal(Signal::SIGSTOP);
        let stopped = Instant::now();
        while world.pet_within(Duration::from_secs(2)) {
            assert!(stopped.elapsed() < Duration::from_secs(3), "a stopped gate pets its watchdog");
        }
        world.kill_gate();
        eventually("nobody has the camera", || world.clip_holders().is_empty());
        wait_dead(pid);
        stopped.elapsed()
    });
}

/// Back to life before its watchdog is up: what time has ended meanwhile is over before anything else is done.
#[test]
fn a_gate_that_was_stopped_ends_what_is_over_before_it_reads() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let nonce = world.prepare(&arbiter);
    world.born();
    arbiter.send(&world.sign(&parloir_wire::ticket::Ticket { longest_run_s: 1, ..world.ticket(nonce) }));
    arbiter.opened();
    world.signal(Signal::SIGSTOP);
    std::thread::sleep(Duration::from_millis(1100));
    let _end = arbiter.with_end(&ToGate::Relaunch { lease: LEASE });
    world.signal(Signal::SIGCONT);
    assert_eq!(arbiter.shut().0, ShutReason::RunOver);
    assert!(world.clip_holders().is_empty());
}

/// Gate starts no process of its own, so none can keep a door that gate has shut: the call process is another's child.
#[test]
fn gate_has_no_child_and_one_thread() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let pid = world.open(&arbiter, 60);
    let tasks = || std::fs::read_dir(format!("/proc/{}/task", world.gate_pid())).expect("gate").count();
    let children = || {
        let path = format!("/proc/{0}/task/{0}/children", world.gate_pid());
        std::fs::read_to_string(path).expect("children (CONFIG_PROC_CHILDREN)")
    };
    assert_eq!((tasks(), children().as_str()), (1, ""));
    let parent = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
    let parent = parent.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)).expect("parent").to_owned();
    assert_eq!(parent, std::process::id().to_string());
    arbiter.send(&ToGate::Close { lease: LEASE });
    arbiter.shut();
    assert_eq!((tasks(), children().as_str()), (1, ""));
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
    // A signal is on its way for a moment; a gate that still runs would hear a living arbiter.
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", world.gate_pid())).expect("stat");
    eventually("gate stands still", || state().contains(") T "));
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
fn a_stopped_or_deaf_call_process_dies_all_the_same() {
    dies("stay", Some(Signal::SIGSTOP));
    dies("deaf", Some(Signal::SIGTERM));
}

fn dies(stub_mode: &'static str, signal: Option<Signal>) {
    in_time(SOON, || {
        let world = World::new(Setup { stub_mode, ..Setup::default() });
        let arbiter = world.ready_arbiter();
        let pid = world.open(&arbiter, 60);
        kill(Pid::from_raw(pid.cast_signed()), signal).expect("signal");
        assert!(!is_dead(pid));
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

/// How it was broken: gate told systemd that it lives by a datagram that waits while the queue is full. A manager that hangs in a visit
/// stopped gate with every door open, and with it the run's own timer; nobody was left to end it.
#[test]
fn a_manager_that_does_not_read_keeps_no_door_open() {
    let world = World::new(Setup::default());
    let arbiter = world.ready_arbiter();
    let pid = world.open(&arbiter, 2);
    let full = std::os::unix::net::UnixDatagram::unbound().expect("socket");
    full.set_nonblocking(true).expect("nonblocking");
    while full.send_to(b"x", world.dir.join("notices")).is_ok() {}
    let start = Instant::now();
    assert_eq!(arbiter.shut().0, ShutReason::RunOver);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(is_dead(pid));
}
