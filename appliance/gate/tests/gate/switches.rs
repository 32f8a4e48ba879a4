//! Owns: doors with a switch beside the node (USB `authorized`, a driver's `bind` and `unbind`), on a tree of plain files with a thread
//! that plays kernel and udev: it makes and takes the node away as the switch says.
//! Never: a mock of gate; it is the real binary.
//! Called by: `cargo test -p parloir-gate --features bench`. As root: device nodes change owners.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parloir_wire::gate::GateRefusal::NoDevice;
use parloir_wire::gate::{FromGate, ShutReason, ToGate};
use parloir_wire::ticket::Ticket;
use parloir_wire::{CAMERA, MICROPHONE};

use crate::harness::{Arbiter, LEASE, Setup, World, eventually, own_uid};

const CALL_UID: u32 = 65534;

/// A camera behind a USB port's `authorized`, a microphone behind a driver's `bind` and `unbind`.
fn world() -> World {
    assert_eq!(own_uid(), 0, "giving a device node away needs root; run the tests as root, as on the box");
    let words = "--camera-node DIR/camera --camera-switch DIR/port/authorized,1,DIR/port/authorized,0 \
        --microphone-node DIR/pcm --microphone-switch DIR/driver/bind,1-2:1.0,DIR/driver/unbind,1-2:1.0 --call-uid 65534";
    let extra = words.split_whitespace().map(str::to_owned).collect();
    World::with_files(Setup { extra, ..Setup::default() }, &["port/authorized", "driver/bind", "driver/unbind", "pcm"])
}

/// Kernel and udev: the camera's node is there, root's, some time after its port is authorized, and gone as soon as it is not.
struct Kernel(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl Kernel {
    fn new(dir: &Path, after: Duration) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (dir, stop) = (dir.to_path_buf(), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            let mut since = None;
            while !stop.load(Ordering::Relaxed) {
                let authorized = read(&dir.join("port/authorized")) == "1";
                since = authorized.then(|| since.unwrap_or_else(Instant::now));
                match since {
                    Some(at) if at.elapsed() >= after && !dir.join("camera").exists() => plug(&dir),
                    None if dir.join("camera").exists() => fs::remove_file(dir.join("camera")).expect("node"),
                    _ => {}
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Self(over, Some(thread))
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        let joined = self.1.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(joined, Some(Ok(()))));
    }
}

/// A new node, as devtmpfs makes it: root's, and complete from its first moment.
fn plug(dir: &Path) {
    fs::write(dir.join("camera.new"), "").expect("node");
    fs::set_permissions(dir.join("camera.new"), fs::Permissions::from_mode(0o600)).expect("mode");
    fs::rename(dir.join("camera.new"), dir.join("camera")).expect("node");
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn owner(path: &Path) -> Option<(u32, u32)> {
    fs::metadata(path).ok().map(|file| (file.uid(), file.mode() & 0o777))
}

fn paths(world: &World) -> [PathBuf; 4] {
    ["port/authorized", "driver/bind", "driver/unbind", "camera"].map(|name| world.dir.join(name))
}

fn admit(world: &World, arbiter: &Arbiter, media: Option<u8>) {
    let nonce = world.prepare(arbiter);
    world.born();
    assert_eq!(world.report(), "begin 7 1");
    let ticket = world.ticket(nonce);
    arbiter.send(&world.sign(&Ticket { media: media.unwrap_or(ticket.media), ..ticket }));
}

#[test]
fn switches_are_thrown_and_the_node_is_waited_for_while_gate_lives_on() {
    let world = world();
    let [authorized, bind, unbind, camera] = paths(&world);
    let _kernel = Kernel::new(&world.dir, Duration::from_millis(1500));
    assert_eq!([&authorized, &bind, &unbind].map(|path| read(path)), ["0", "", "1-2:1.0"], "shut at the start");
    let arbiter = world.ready_arbiter();
    fs::write(&unbind, "").expect("unbind");
    admit(&world, &arbiter, None);
    arbiter.opened();
    assert_eq!(world.report(), "door 2 0", "the microphone is there at once, and does not wait for the camera");
    assert_eq!([&authorized, &bind, &unbind].map(|path| read(path)), ["1", "1-2:1.0", ""]);
    assert!((2..4).contains(&world.pets()), "a heartbeat every 500 ms while the camera is waited for");
    assert_eq!(world.report(), "door 1 0");
    assert_eq!(owner(&camera), Some((CALL_UID, 0o600)), "given before it was told");
    arbiter.send(&ToGate::Close { lease: LEASE });
    assert_eq!(arbiter.shut().0, ShutReason::Asked);
    assert_eq!([&authorized, &unbind].map(|path| read(path)), ["0", "1-2:1.0"]);
    eventually("the kernel takes the node away", || !camera.exists());
    assert!(!world.log().contains("<3>"), "{}", world.log());
}

#[test]
fn a_camera_that_does_not_appear_ends_the_lease() {
    let world = world();
    let [authorized, _, unbind, _] = paths(&world);
    let arbiter = world.ready_arbiter();
    let start = Instant::now();
    admit(&world, &arbiter, None);
    arbiter.opened();
    assert_eq!(arbiter.refused(), (LEASE, NoDevice));
    assert!((3000..4500).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert_eq!(arbiter.shut().0, ShutReason::CallEnded);
    assert_eq!([&authorized, &unbind].map(|path| read(path)), ["0", "1-2:1.0"]);
    assert_eq!(owner(&world.dir.join("pcm")), Some((0, 0o600)), "the microphone had been given; it is taken back");
}

#[test]
fn a_voice_ticket_throws_the_microphones_switch_alone() {
    let world = world();
    let [authorized, bind, _, camera] = paths(&world);
    let _kernel = Kernel::new(&world.dir, Duration::ZERO);
    let arbiter = world.ready_arbiter();
    admit(&world, &arbiter, Some(MICROPHONE));
    arbiter.expect(|m| matches!(m, FromGate::Opened { media: MICROPHONE, .. }).then_some(()));
    assert_eq!(world.report(), "door 2 0");
    assert_eq!([&authorized, &bind].map(|path| read(path)), ["0", "1-2:1.0"]);
    assert!(!camera.exists());
}

#[test]
fn a_camera_pulled_out_in_a_visit_comes_back_as_roots() {
    let world = world();
    let [authorized, .., camera] = paths(&world);
    let arbiter = world.ready_arbiter();
    plug(&world.dir);
    admit(&world, &arbiter, None);
    arbiter.opened();
    world.doors_given();
    fs::remove_file(&camera).expect("unplug");
    std::thread::sleep(Duration::from_millis(100));
    plug(&world.dir);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(owner(&camera), Some((0, 0o600)), "a door is given once; a new device needs a new call process");
    fs::remove_file(&camera).expect("unplug");
    arbiter.send(&ToGate::Close { lease: LEASE });
    assert_eq!(arbiter.shut().0, ShutReason::Asked);
    assert_eq!(read(&authorized), "0");
    assert!(!world.log().contains("<3>"), "a node that vanished is shut: {}", world.log());
}

#[test]
fn a_switch_that_fails_leaves_no_other_door_open() {
    let world = world();
    let [authorized, .., camera] = paths(&world);
    let arbiter = world.ready_arbiter();
    plug(&world.dir);
    admit(&world, &arbiter, None);
    arbiter.opened();
    world.doors_given();
    // Writing to a directory fails as a driver does that refuses.
    fs::remove_file(&authorized).expect("switch");
    fs::create_dir(&authorized).expect("switch");
    arbiter.send(&ToGate::Close { lease: LEASE });
    assert_eq!(arbiter.shut().0, ShutReason::Asked, "the call process is dead all the same");
    assert_eq!([owner(&camera), owner(&world.dir.join("pcm"))], [Some((0, 0o600)); 2]);
    assert_eq!(read(&world.dir.join("driver/unbind")), "1-2:1.0");
    assert!(world.log().contains("port/authorized: not shut: Is a directory"), "{}", world.log());
    admit(&world, &arbiter, None);
    assert_eq!(arbiter.refused(), (LEASE, NoDevice), "a door that cannot be switched is not opened either");
    assert_eq!(arbiter.shut().0, ShutReason::CallEnded);
}

/// `ExecStopPost=parloir-gate shut …`, and what the kernel does by itself when the box starts: a camera is authorized, a driver bound.
#[test]
fn shut_throws_every_switch() {
    let world = world();
    let [authorized, _, unbind, _] = paths(&world);
    fs::write(&authorized, "1").expect("switch");
    fs::write(&unbind, "").expect("switch");
    let id = "00".repeat(16);
    let mut command = Command::new(env!("CARGO_BIN_EXE_parloir-gate"));
    command.args(["shut", "--device", &id, "--site", &id, "--arbiter-uid", "0", "--call-slice", "/nowhere"]);
    command.args(world.setup.extra.iter().map(|word| word.replace("DIR", &world.dir.display().to_string())));
    assert!(command.status().expect("gate").success());
    assert_eq!([&authorized, &unbind].map(|path| read(path)), ["0", "1-2:1.0"]);
}

/// The kernel's own USB port and camera driver: `docs/adr/0017` has the commands that make a camera in a guest. `PARLOIR_PORT` is its
/// device in sysfs, `PARLOIR_NODE` the link that udev gives its node.
#[test]
#[ignore = "needs a USB camera and udev; run in a guest"]
fn a_real_port_is_a_door() {
    let (port, node) = (real("PARLOIR_PORT").join("authorized"), real("PARLOIR_NODE"));
    let words = format!("--camera-node {0} --camera-switch {1},1,{1},0 --call-uid {CALL_UID}", node.display(), port.display());
    let world = World::new(Setup { extra: words.split(' ').map(str::to_owned).collect(), ..Setup::default() });
    let arbiter = world.ready_arbiter();
    for turn in 0..5 {
        assert_eq!(read(&port).trim(), "0", "shut at the start and after each lease");
        assert!(!node.exists());
        let nonce = world.prepare(&arbiter);
        world.born();
        assert_eq!(world.report(), "begin 7 1");
        let start = Instant::now();
        arbiter.send(&world.sign(&Ticket { media: CAMERA, ..world.ticket(nonce) }));
        arbiter.expect(|m| matches!(m, FromGate::Opened { media: CAMERA, .. }).then_some(()));
        let opened = start.elapsed();
        assert_eq!(world.report(), "door 1 0");
        let given = start.elapsed();
        assert_eq!(owner(&node), Some((CALL_UID, 0o600)));
        // Longer than udev takes for its last event: nobody takes the node away from the call process.
        std::thread::sleep(Duration::from_millis(700));
        assert_eq!(owner(&node), Some((CALL_UID, 0o600)));
        let start = Instant::now();
        arbiter.send(&ToGate::Close { lease: LEASE });
        let (reason, died_ms) = arbiter.shut();
        assert_eq!(reason, ShutReason::Asked);
        let shut = start.elapsed();
        eventually("the node is gone", || !node.exists());
        let gone = start.elapsed();
        println!(
            "lease {turn}: opened {opened:?}, given {given:?}; shut {shut:?} (call dead in {died_ms} ms), link gone {gone:?}"
        );
    }
    assert!(!world.log().contains("<3>"), "{}", world.log());
}

/// The same camera behind its driver, `PARLOIR_DRIVER` and `PARLOIR_DEVICE`, its port authorized. Somebody bound the driver while the door
/// was shut, as the kernel does when a camera is plugged in anew: gate lets it go first.
#[test]
#[ignore = "needs a USB camera and udev; run in a guest"]
fn a_real_driver_is_a_door_also_when_it_was_bound_meanwhile() {
    let (driver, node) = (real("PARLOIR_DRIVER"), real("PARLOIR_NODE"));
    let device = std::env::var("PARLOIR_DEVICE").expect("PARLOIR_DEVICE");
    let switch = format!("{0}/bind,{device},{0}/unbind,{device}", driver.display());
    let words = format!("--camera-node {} --camera-switch {switch} --call-uid {CALL_UID}", node.display());
    let world = World::new(Setup { extra: words.split(' ').map(str::to_owned).collect(), ..Setup::default() });
    let arbiter = world.ready_arbiter();
    for bound in [false, true] {
        eventually("the driver has let go", || !driver.join(&device).exists() && !node.exists());
        if bound {
            fs::write(driver.join("bind"), &device).expect("bind");
            eventually("the node is back", || node.exists());
            assert_eq!(owner(&node), Some((0, 0o600)), "shut, whoever bound it");
        }
        admit(&world, &arbiter, Some(CAMERA));
        arbiter.expect(|m| matches!(m, FromGate::Opened { media: CAMERA, .. }).then_some(()));
        assert_eq!(world.report(), "door 1 0");
        eventually("the node is the call user's", || owner(&node) == Some((CALL_UID, 0o600)));
        arbiter.send(&ToGate::Close { lease: LEASE });
        assert_eq!(arbiter.shut().0, ShutReason::Asked);
    }
    assert!(!world.log().contains("<3>"), "{}", world.log());
}

/// What the person who runs a test in a guest says of its hardware.
fn real(name: &str) -> PathBuf {
    PathBuf::from(std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set")))
}
