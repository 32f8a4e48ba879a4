//! Owns: the box's own doors and its hold on the call process, on plain files in the place of device nodes, LED and cgroup.
//! Never: a mock of gate; it is the real binary, or the real function.
//! Called by: `cargo test -p parloir-gate --features bench`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use parloir_wire::gate::GateRefusal::{Busy, NoDevice};
use parloir_wire::gate::{FromGate, ShutReason, ToGate};
use parloir_wire::keys::{Key, Motion, to_event};

use crate::harness::{LEASE, Setup, World, eventually, own_uid};

/// The user who is given the nodes: another one where that is allowed, so that the owner tells open from shut.
fn call_uid() -> u32 {
    if own_uid() == 0 { 65534 } else { own_uid() }
}

fn node_world(lamp: &str) -> World {
    let uid = call_uid().to_string();
    let words = "--camera-node DIR/video0 --microphone-node DIR/pcm --microphone-node DIR/control --call-uid";
    let mut extra: Vec<String> = words.split(' ').map(str::to_owned).collect();
    extra.extend([uid, "--lamp".into(), lamp.into()]);
    World::with_files(Setup { extra, ..Setup::default() }, &["video0", "pcm", "control", "brightness"])
}

fn owner(path: &Path) -> (u32, u32) {
    let file = fs::metadata(path).expect("node");
    (file.uid(), file.mode() & 0o777)
}

#[test]
fn device_nodes_belong_to_the_call_user_exactly_while_open() {
    assert_eq!(own_uid(), 0, "giving a device node away needs root; run the tests as root, as on the box");
    let world = node_world("DIR/brightness");
    let owners = || ["video0", "pcm", "control"].map(|name| owner(&world.dir.join(name)));
    let lamp = || fs::read_to_string(world.dir.join("brightness")).expect("lamp");
    let arbiter = world.ready_arbiter();
    assert_eq!(owners(), [(0, 0o600); 3], "what an earlier gate may have left is taken back at the start");
    let nonce = world.prepare(&arbiter);
    assert_eq!(lamp(), "0");
    arbiter.send(&world.sign(&world.ticket(nonce)));
    arbiter.opened();
    assert_eq!(owners(), [(call_uid(), 0o600); 3]);
    assert_eq!(lamp(), "255");
    world.born();
    assert_eq!(world.report(), "begin 7 1");
    assert_eq!([world.report(), world.report()], ["door 1 0", "door 2 0"], "no fd: the node is the call user's");
    arbiter.send(&ToGate::Close { lease: LEASE });
    assert_eq!(arbiter.shut().0, ShutReason::Asked);
    assert_eq!(owners(), [(0, 0o600); 3]);
    assert_eq!(lamp(), "0");
}

#[test]
fn a_door_that_fails_shuts_all_and_ends_the_lease() {
    let world = node_world("DIR/brightness");
    fs::remove_file(world.dir.join("control")).expect("node");
    let arbiter = world.ready_arbiter();
    let nonce = world.prepare(&arbiter);
    arbiter.send(&world.sign(&world.ticket(nonce)));
    arbiter.opened();
    assert_refused_and_ended(&arbiter);
    assert_eq!(owner(&world.dir.join("video0")), (own_uid(), 0o600), "the camera had been given; it is taken back");
}

#[test]
fn no_lamp_no_door() {
    let world = node_world("DIR/no/brightness");
    let arbiter = world.ready_arbiter();
    let nonce = world.prepare(&arbiter);
    arbiter.send(&world.sign(&world.ticket(nonce)));
    assert_refused_and_ended(&arbiter);
    assert_eq!(owner(&world.dir.join("video0")), (own_uid(), 0o600));
}

fn assert_refused_and_ended(arbiter: &crate::harness::Arbiter) {
    let refused = arbiter.expect(|m| match m {
        FromGate::Refused { lease, why } => Some((lease, why)),
        FromGate::Heartbeat { .. } => None,
        other => panic!("{other:?}"),
    });
    assert_eq!(refused, (LEASE, NoDevice));
    assert_eq!(arbiter.shut().0, ShutReason::CallEnded);
}

/// A slice of plain files: gate writes `cgroup.kill`, and believes `cgroup.events` only together with the hang-up.
#[test]
fn dead_is_an_empty_slice_and_a_hang_up() {
    for empty_first in [true, false] {
        let extra = ["--bench-hold", "slice", "--bench-camera", "DIR/camera.y4m", "--bench-microphone", "DIR/microphone.wav"];
        let setup = Setup { extra: extra.map(str::to_owned).to_vec(), ..Setup::default() };
        let world = World::with_files(setup, &["slice/cgroup.kill", "slice/cgroup.events"]);
        let (kill, events) = (world.dir.join("slice/cgroup.kill"), world.dir.join("slice/cgroup.events"));
        assert_eq!(fs::read_to_string(&kill).expect("kill"), "1", "at the start, for what an earlier gate may have left");
        fs::write(&events, "populated 1\nfrozen 0\n").expect("events");
        fs::write(&kill, "").expect("kill");
        let arbiter = world.ready_arbiter();
        let pid = world.open(&arbiter, 60);
        assert_eq!(fs::read_to_string(&kill).expect("kill"), "");
        arbiter.send(&ToGate::Close { lease: LEASE });
        eventually("the slice is killed", || fs::read_to_string(&kill).expect("kill") == "1");
        let leave = || nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).expect("kill");
        let empty = || fs::write(&events, "populated 0\nfrozen 0\n").expect("events");
        if empty_first {
            empty()
        } else {
            leave()
        }
        std::thread::sleep(Duration::from_millis(100));
        let serial = world.press_ok(&arbiter);
        let _end = arbiter.prepare([8; 16], serial);
        assert_eq!(arbiter.refused(), ([8; 16], Busy), "one of the two is not enough, empty first: {empty_first}");
        if empty_first {
            leave()
        } else {
            empty()
        }
        assert_eq!(arbiter.shut().0, ShutReason::Asked);
    }
}

/// The kernel's own cgroup v2: also what the call process forked is gone, which a pidfd alone could not do.
#[test]
fn a_call_that_forks_dies_whole_in_its_control_group() {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts");
    let mount = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|fields| fields[2] == "cgroup2");
    let mount = mount.expect("cgroup v2, as on the box")[1].to_owned();
    let cgroup = Path::new(&mount).join(format!("parloir-gate-test-{}", std::process::id()));
    fs::create_dir(&cgroup).expect("a control group of its own; run the tests as root, as on the box");
    // Dropped after the world, also when the test fails.
    let group = Group(cgroup.clone());
    let extra = ["--bench-hold", "slice", "--bench-camera", "DIR/camera.y4m", "--bench-microphone", "DIR/microphone.wav"];
    let extra = extra.map(str::to_owned).to_vec();
    let world = World::new(Setup { stub_mode: "fork", cgroup: Some(cgroup.clone()), extra, ..Setup::default() });
    let arbiter = world.ready_arbiter();
    world.open(&arbiter, 60);
    eventually("the child has the camera too", || world.clip_holders().len() == 2);
    arbiter.send(&ToGate::Close { lease: LEASE });
    assert_eq!(arbiter.shut().0, ShutReason::Asked);
    assert_eq!(world.clip_holders(), [0u32; 0]);
    drop(world);
    drop(group);
    assert!(!cgroup.exists(), "the group is empty");
}

/// A control group that is killed and removed with its owner.
struct Group(std::path::PathBuf);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
        for _ in 0..500 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// `ExecStopPost=parloir-gate shut …`: whatever a killed gate left open is shut.
#[test]
fn shut_closes_what_a_killed_gate_left() {
    let world = World::with_files(Setup::default(), &["video0", "brightness", "slice/cgroup.kill"]);
    let path = |name: &str| world.dir.join(name);
    fs::set_permissions(path("video0"), fs::Permissions::from_mode(0o666)).expect("mode");
    fs::write(path("brightness"), "255").expect("lamp");
    let id = "00".repeat(16);
    let mut command = Command::new(env!("CARGO_BIN_EXE_parloir-gate"));
    command.args(["shut", "--device", &id, "--site", &id, "--arbiter-uid", "0", "--call-uid", "1"]);
    command.arg("--camera-node").arg(path("video0")).arg("--lamp").arg(path("brightness"));
    command.arg("--call-slice").arg(path("slice"));
    assert!(command.status().expect("gate").success());
    assert_eq!(owner(&path("video0")).1, 0o600);
    assert_eq!(fs::read_to_string(path("brightness")).expect("lamp"), "0");
    assert_eq!(fs::read_to_string(path("slice/cgroup.kill")).expect("kill"), "1");
}

/// A plain file refuses EVIOCGRAB, as a device does that someone else holds.
#[test]
fn a_remote_that_cannot_be_grabbed_gives_no_keys() {
    let clips = ["--bench-camera", "DIR/camera.y4m", "--bench-microphone", "DIR/microphone.wav"].map(str::to_owned);
    let extra = ["--remote".into(), "DIR/event0".into()].into_iter().chain(clips).collect();
    let world = World::with_files(Setup { extra, ..Setup::default() }, &["event0"]);
    let arbiter = world.arbiter();
    fs::write(world.dir.join("event0"), to_event(Key::Ok, Motion::Down).repeat(9)).expect("events");
    std::thread::sleep(Duration::from_millis(300));
    world.press(Key::Back, Motion::Down);
    let first = arbiter.expect(|m| if let FromGate::Key(press) = m { Some(press) } else { None });
    assert_eq!((first.serial, first.key), (1, Key::Back), "the first key is that of the remote that may enter");
}

#[test]
fn systemd_hears_that_gate_is_ready_and_that_it_lives() {
    let world = World::new(Setup::default());
    world.notices.set_read_timeout(Some(Duration::from_secs(2))).expect("timeout");
    let hear = || {
        let mut bytes = [0; 64];
        let len = world.notices.recv(&mut bytes).expect("a notice within WatchdogSec=2");
        String::from_utf8_lossy(&bytes[..len]).into_owned()
    };
    let heard = [hear(), hear(), hear(), hear()];
    assert_eq!(heard, ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"]);
}
