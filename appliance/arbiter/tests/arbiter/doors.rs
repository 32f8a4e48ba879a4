//! Owns: the real gate with its bench doors, and what a test plays around it: the remote's OK, the start of a call process, a screen.
//! Never: a check; its callers have those.
//! Called by: real_gate, `tests/judge`.

use crate::cell::{Courier, next};
use crate::facility;
use crate::house::{ARBITER, House, LIMIT, UI};
use nix::libc;
use parloir_bus::proxy::{Calls1Proxy, ChangedStream, Remote1Proxy};
use parloir_bus::view::View;
use parloir_shell::fds;
use parloir_wire::keys::Key;
use parloir_wire::start::{self, Start};
use std::io::ErrorKind;
use std::os::fd::{AsFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant, SystemTime};

/// The gate binary with its bench doors, beside the arbiter's; built if it is not there.
pub fn gate_binary() -> PathBuf {
    let path = House::program("parloir-gate");
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

/// A process that ends with the test.
pub struct Ended(pub Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn start_gate(house: &House, binary: &Path) -> Ended {
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

pub async fn wait<T>(what: &str, mut get: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = get() {
            return value;
        }
        assert!(start.elapsed() < LIMIT, "{what} does not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn receive(fd: &OwnedFd, max: usize) -> Option<fds::Message> {
    match fds::recv(fd, max, 1) {
        Ok(message) => Some(message.expect("hung up")),
        Err(e) if e.kind() == ErrorKind::WouldBlock => None,
        Err(e) => panic!("{e}"),
    }
}

/// One OK on the remote.
pub fn press_ok(house: &House) {
    press(house, Key::Ok);
}

/// A key of the remote goes down, as the kernel would tell it.
pub fn press(house: &House, key: Key) {
    let mut event = [0; 24];
    event[16..18].copy_from_slice(&1_u16.to_ne_bytes());
    event[18..20].copy_from_slice(&key.evdev().to_ne_bytes());
    event[20..].copy_from_slice(&1_i32.to_ne_bytes());
    UnixDatagram::unbound().unwrap().send_to(&event, house.dir.join("remote")).unwrap();
}

/// Plays the supervisor and the start of the call process: a process that gate may kill, and its start connection.
pub async fn start_call(listener: &OwnedFd) -> (Ended, OwnedFd, OwnedFd) {
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

/// A screen that has the keys.
pub struct Screen {
    pub calls: Calls1Proxy<'static>,
    changes: ChangedStream,
    pub view: View,
    pub keys: OwnedFd,
}

impl Screen {
    pub async fn attach(house: &House) -> Self {
        let bus = house.connect(UI).await;
        let calls = Calls1Proxy::new(&bus).await.unwrap();
        let changes = calls.receive_changed().await.unwrap();
        let view = calls.attach().await.unwrap();
        let keys = Remote1Proxy::new(&bus).await.unwrap().focus().await.unwrap().into();
        Self { calls, changes, view, keys }
    }

    pub async fn until(&mut self, holds: impl Fn(&View) -> bool) {
        while !holds(&self.view) {
            self.view = next(&mut self.changes).await.args().unwrap().view().clone();
        }
    }
}

/// As link does once its broker is connected, the answer to the time request included.
pub async fn deliver(house: &House, courier: &mut Courier) {
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
