//! Owns: the path with the real gate in place of the stub: key, nonce, ticket, doors, the end; the test plays the call process.
//! Never: a check that gate's own tests have.
//! Called by: cargo test.

use crate::cell::{Courier, next};
use crate::facility::{self, Visitor};
use crate::house::{ARBITER, House, LIMIT, UI, inside};
use nix::libc;
use parloir_bus::proxy::{Calls1Proxy, ChangedStream, Remote1Proxy};
use parloir_bus::view::{Phase, View};
use parloir_shell::fds;
use parloir_wire::lease::{MAX, ToCall};
use parloir_wire::start::{self, Start};
use std::io::ErrorKind;
use std::os::fd::{AsFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant, SystemTime};

/// The gate binary with its bench doors, beside the arbiter's; built if it is not there.
fn gate_binary() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_parloir-arbiter")).with_file_name("parloir-gate");
    let has_bench = || {
        let out = Command::new(&path).args(["--bench-remote", "/x"]).output();
        out.is_ok_and(|o| !String::from_utf8_lossy(&o.stderr).contains("unknown flag"))
    };
    if !has_bench() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "-q", "-p", "parloir-gate", "--features", "parloir-gate/bench"]).current_dir(House::tree());
        assert!(build.status().unwrap().success() && has_bench(), "no gate with bench doors");
    }
    path
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_gate(house: &House, binary: &Path) -> Ended {
    for clip in ["camera.y4m", "microphone.wav"] {
        std::fs::write(house.dir.join(clip), b"clip").unwrap();
    }
    std::fs::create_dir(house.dir.join("gate-state")).unwrap();
    let mut command = Command::new(binary);
    let mut flag = |name: &str, value: &str| {
        command.args([name, value]);
    };
    let at = |name: &str| house.dir.join(name).to_str().unwrap().to_owned();
    flag("--device", &house.site.device.to_string());
    flag("--site", &house.site.site.to_string());
    flag("--roots", &at("keys/roots.bin"));
    flag("--state", &at("gate-state"));
    flag("--socket", &at("gate/socket"));
    flag("--arbiter-uid", &ARBITER.to_string());
    flag("--call-socket", &at("call"));
    flag("--call-uid", &ARBITER.to_string());
    flag("--bench-remote", &at("remote"));
    flag("--bench-camera", &at("camera.y4m"));
    flag("--bench-microphone", &at("microphone.wav"));
    Ended(command.spawn().unwrap())
}

async fn wait<T>(what: &str, mut get: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = get() {
            return value;
        }
        assert!(start.elapsed() < LIMIT, "{what} does not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn receive(fd: &OwnedFd, max: usize) -> Option<fds::Message> {
    match fds::recv(fd, max, 1) {
        Ok(message) => Some(message.expect("hung up")),
        Err(e) if e.kind() == ErrorKind::WouldBlock => None,
        Err(e) => panic!("{e}"),
    }
}

/// One OK on the remote, as the kernel would tell it.
fn press_ok(house: &House) {
    let mut event = [0; 24];
    event[16..18].copy_from_slice(&1_u16.to_ne_bytes());
    event[18..20].copy_from_slice(&parloir_wire::keys::Key::Ok.evdev().to_ne_bytes());
    event[20..].copy_from_slice(&1_i32.to_ne_bytes());
    UnixDatagram::unbound().unwrap().send_to(&event, house.dir.join("remote")).unwrap();
}

/// Plays the supervisor and the start of the call process: a process that gate may kill, and its start connection.
async fn start_call(listener: &OwnedFd) -> (Ended, OwnedFd, OwnedFd) {
    let start = wait("gate's connection", || fds::accept(listener).ok()).await;
    let process = Ended(Command::new("sleep").arg("60").spawn().unwrap());
    let pid = process.0.id();
    // SAFETY: plain numbers in, a new descriptor or -1 out.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    assert!(raw >= 0);
    // SAFETY: the kernel has just made it for us.
    let pidfd = unsafe { OwnedFd::from_raw_fd(raw as i32) };
    fds::send(&start, &Start::Spawned { pid }.encode(), &[pidfd.as_fd()]).unwrap();
    let mut begin = wait("Begin", || receive(&start, start::SIZE)).await;
    assert!(matches!(Start::decode(&begin.bytes).unwrap(), Start::Begin { .. }));
    (process, start, begin.fds.remove(0))
}

struct Screen {
    calls: Calls1Proxy<'static>,
    changes: ChangedStream,
    view: View,
    keys: OwnedFd,
}

impl Screen {
    async fn attach(house: &House) -> Self {
        let bus = house.connect(UI).await;
        let calls = Calls1Proxy::new(&bus).await.unwrap();
        let changes = calls.receive_changed().await.unwrap();
        let view = calls.attach().await.unwrap();
        let keys = Remote1Proxy::new(&bus).await.unwrap().focus().await.unwrap().into();
        Self { calls, changes, view, keys }
    }

    async fn until(&mut self, holds: impl Fn(&View) -> bool) {
        while !holds(&self.view) {
            self.view = next(&mut self.changes).await.args().unwrap().view().clone();
        }
    }
}

async fn deliver(house: &House, courier: &mut Courier) {
    let site = &house.site;
    courier.proxy.online(true).await.unwrap();
    courier.deliver("authority", &site.authority).await.unwrap();
    courier.deliver("policy", &site.policy_jws).await.unwrap();
    courier.deliver("door-record", &site.door_record).await.unwrap();
    courier.deliver("entitlement", &facility::entitlement(site, &site.person)).await.unwrap();
    let (_, body) = courier.next_of("time-request").await;
    let request: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let nonce = request["nonce"].as_str().unwrap().parse().unwrap();
    courier.deliver("time", &facility::time(site, nonce, i64::try_from(now).unwrap())).await.unwrap();
}

#[test]
fn ok_ticket_doors_and_the_end_with_the_real_gate() {
    let binary = gate_binary();
    inside("real_gate::ok_ticket_doors_and_the_end_with_the_real_gate", |mut house| async move {
        let calls = fds::listen_at(&house.dir.join("call")).unwrap();
        let _gate = start_gate(&house, &binary);
        house.start_arbiter().await;
        house.logged("gate connected").await;
        let mut courier = Courier::attach(&house).await;
        let mut screen = Screen::attach(&house).await;
        deliver(&house, &mut courier).await;
        house.logged("gate keeps the door record").await;
        screen.until(|v| v.phase == Phase::Home && v.clock_trusted).await;
        assert!(screen.view.contacts.iter().any(|c| c.can_call), "{:?}", screen.view);

        press_ok(&house);
        let press = wait("the key", || receive(&screen.keys, 24)).await;
        let serial = parloir_wire::keys::KeyPress::decode(&press.bytes).unwrap().serial;
        let ana = screen.view.contacts[0].id.clone();
        screen.calls.place(&ana, "video", serial).await.unwrap();
        let (mut process, start, end) = start_call(&calls).await;
        let certificate = wait("the certificate", || receive(&end, MAX)).await;
        assert_eq!(ToCall::decode(&certificate.bytes).unwrap(), ToCall::Certificate);
        let (_, body) = courier.next_of("ask").await;
        assert!(fds::recv(&start, start::SIZE, 1).is_err(), "a door before the grant");

        let visitor = Visitor::new();
        let grant = facility::grant(&house.site, &facility::open_ask(&house.site, &body), &visitor);
        courier.deliver("grant", &facility::seal(&house.site, &grant, &house.site.grant)).await.unwrap();
        for media in [1, 2] {
            let door = wait("a door", || receive(&start, start::SIZE)).await;
            assert_eq!((Start::decode(&door.bytes).unwrap(), door.fds.len()), (Start::Door { media }, 1));
        }
        let plan = wait("the plan", || receive(&end, MAX)).await;
        assert!(matches!(ToCall::decode(&plan.bytes).unwrap(), ToCall::Plan(_)));
        screen.until(|v| v.phase == Phase::Joining).await;

        screen.calls.end().await.unwrap();
        wait("the end of the call process", || process.0.try_wait().unwrap()).await;
        house.logged("shut_reason=Asked").await;
        let (_, body) = courier.next_of("receipt").await;
        assert_eq!(facility::open_receipt(&house.site, &body).0.reason, "PersonEnded");
        screen.until(|v| v.outcome.as_ref().is_some_and(|o| o.camera_shut)).await;
    });
}

/// The two-second rule from outside: an arbiter that is stopped (not dead) loses its doors.
#[test]
fn an_arbiter_that_hangs_loses_the_call_process_within_the_heartbeat_limit() {
    let binary = gate_binary();
    inside("real_gate::an_arbiter_that_hangs_loses_the_call_process_within_the_heartbeat_limit", |mut house| async move {
        let calls = fds::listen_at(&house.dir.join("call")).unwrap();
        let _gate = start_gate(&house, &binary);
        house.start_arbiter().await;
        let mut courier = Courier::attach(&house).await;
        let mut screen = Screen::attach(&house).await;
        deliver(&house, &mut courier).await;
        house.logged("gate keeps the door record").await;
        screen.until(|v| v.phase == Phase::Home && v.clock_trusted).await;
        press_ok(&house);
        let press = wait("the key", || receive(&screen.keys, 24)).await;
        let serial = parloir_wire::keys::KeyPress::decode(&press.bytes).unwrap().serial;
        screen.calls.place(&screen.view.contacts[0].id.clone(), "video", serial).await.unwrap();
        let (mut process, _start, _end) = start_call(&calls).await;
        let (_, body) = courier.next_of("ask").await;
        let grant = facility::grant(&house.site, &facility::open_ask(&house.site, &body), &Visitor::new());
        courier.deliver("grant", &facility::seal(&house.site, &grant, &house.site.grant)).await.unwrap();
        screen.until(|v| v.phase == Phase::Joining).await;
        let stopped = Instant::now();
        let pid = nix::unistd::Pid::from_raw(house.arbiter_pid().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
        wait("the end of the call process", || process.0.try_wait().unwrap()).await;
        let took = stopped.elapsed();
        assert!(took > Duration::from_millis(1200) && took < Duration::from_millis(2600), "{took:?}");
    });
}
