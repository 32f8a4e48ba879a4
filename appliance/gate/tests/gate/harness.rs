//! Owns: a site with its keys, the real gate binary, a stub arbiter and a stub supervisor around it.
//! Never: a mock of gate; everything goes through its real sockets.
//! Called by: the tests beside it.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ed25519_dalek::{Signer, SigningKey};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parloir_gate::socket;
use parloir_wire::door_record::{self, DoorRecord};
use parloir_wire::gate::{FromGate, GateRefusal, SIZE, ShutReason, ToGate};
use parloir_wire::keys::{self, EVENT, Key, Motion};
use parloir_wire::start::Start;
use parloir_wire::ticket::{self, Kind, Ticket};
use parloir_wire::{CAMERA, Id, MICROPHONE};

pub const DEVICE: Id = [0xD1; 16];
pub const SITE: Id = [0x51; 16];
pub const LEASE: Id = [7; 16];
pub const BOTH: u8 = CAMERA | MICROPHONE;
/// How long anything that must happen may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(10);

static COUNT: AtomicU32 = AtomicU32::new(0);

/// What a test varies.
#[derive(Default)]
pub struct Setup {
    pub stub_mode: &'static str,
    pub arbiter_uid: Option<u32>,
    pub extra: Vec<String>,
    /// A real control group for the call process.
    pub cgroup: Option<PathBuf>,
}

/// A gate of its own, in a directory of its own.
pub struct World {
    pub dir: PathBuf,
    pub roots: Vec<SigningKey>,
    pub door: SigningKey,
    pub setup: Setup,
    gate: Child,
    reports: UnixDatagram,
    /// What gate tells systemd.
    pub notices: UnixDatagram,
    supervisor: Option<JoinHandle<()>>,
    over: Arc<AtomicBool>,
}

impl World {
    pub fn new(setup: Setup) -> Self {
        Self::with_files(setup, &[])
    }

    /// With these files in its directory before gate starts.
    pub fn with_files(setup: Setup, files: &[&str]) -> Self {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("parloir-gate-test-{}-{count}", std::process::id()));
        fs::create_dir_all(dir.join("state")).expect("directory");
        let roots: Vec<_> = (1..=3).map(|n| SigningKey::from_bytes(&[n; 32])).collect();
        let mut bytes = vec![2, 3];
        roots.iter().for_each(|root| bytes.extend(root.verifying_key().to_bytes()));
        fs::write(dir.join("roots.bin"), bytes).expect("roots");
        fs::write(dir.join("camera.y4m"), b"frames").expect("clip");
        fs::write(dir.join("microphone.wav"), b"sound").expect("clip");
        for file in files.iter().map(|file| dir.join(file)) {
            fs::create_dir_all(file.parent().expect("directory")).expect("directory");
            fs::write(file, "").expect("file");
        }
        let reports = UnixDatagram::bind(dir.join("reports")).expect("reports");
        reports.set_read_timeout(Some(PATIENCE)).expect("timeout");
        if let Some(cgroup) = &setup.cgroup {
            std::os::unix::fs::symlink(cgroup, dir.join("slice")).expect("slice");
        }
        let notices = UnixDatagram::bind(dir.join("notices")).expect("notices");
        let over = Arc::new(AtomicBool::new(false));
        let by_slice = setup.extra.iter().any(|word| word == "slice");
        let supervisor = supervise(&dir, setup.stub_mode, by_slice, &over);
        let gate = spawn_gate(&dir, &setup);
        let door = SigningKey::from_bytes(&[9; 32]);
        let world = Self { dir, roots, door, setup, gate, reports, notices, supervisor: Some(supervisor), over };
        world.wait_for_socket();
        world
    }

    fn wait_for_socket(&self) {
        eventually("gate listens", || socket::dial(&self.dir.join("gate.sock")).is_ok());
    }

    pub fn gate_pid(&self) -> u32 {
        self.gate.id()
    }

    pub fn kill_gate(&mut self) {
        self.gate.kill().expect("kill");
        self.gate.wait().expect("wait");
    }

    /// SIGKILL and a new gate over the same state.
    pub fn restart_gate(&mut self) {
        self.kill_gate();
        fs::remove_file(self.dir.join("gate.sock")).expect("old socket");
        self.gate = spawn_gate(&self.dir, &self.setup);
        self.wait_for_socket();
    }

    /// SIGTERM; the exit status.
    pub fn stop_gate(&mut self) -> std::process::ExitStatus {
        self.signal(Signal::SIGTERM);
        self.gate.wait().expect("wait")
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.gate.id().cast_signed()), signal).expect("signal");
    }

    /// The arbiter's connection, with its heart beating.
    pub fn arbiter(&self) -> Arbiter {
        let arbiter = Arbiter::connect(&self.dir.join("gate.sock"));
        arbiter.expect(|m| matches!(m, FromGate::Hello { .. }).then_some(()));
        arbiter
    }

    /// An arbiter that has delivered the door key record.
    pub fn ready_arbiter(&self) -> Arbiter {
        let arbiter = self.arbiter();
        arbiter.send(&ToGate::DoorRecord { record: Box::new(self.record(1, SITE, &[0, 1])) });
        assert_eq!(arbiter.expect(|m| if let FromGate::RecordKept { revision } = m { Some(revision) } else { None }), 1);
        arbiter
    }

    pub fn record(&self, revision: u64, site: Id, signers: &[usize]) -> [u8; door_record::SIZE] {
        let body = DoorRecord { site, door_key: self.door.verifying_key().to_bytes(), revision }.body();
        let message = [&door_record::CONTEXT[..], &body].concat();
        let mut signatures = [None; door_record::ROOTS];
        for signer in signers {
            signatures[*signer] = Some(self.roots[*signer].sign(&message).to_bytes());
        }
        DoorRecord::join(&body, &signatures)
    }

    pub fn ticket(&self, nonce: Id) -> Ticket {
        assert_ne!(nonce, [0; 16], "a nonce is never zero");
        Ticket { kind: Kind::Nonce, media: BOTH, device: DEVICE, nonce, lease: LEASE, longest_run_s: 60 }
    }

    pub fn sign(&self, ticket: &Ticket) -> ToGate {
        sign_with(&self.door, ticket)
    }

    /// Presses a key at the bench's remote door.
    pub fn press(&self, key: Key, motion: Motion) {
        self.datagram(&keys::to_event(key, motion));
    }

    pub fn event(&self, kind: u16, code: u16, value: i32) {
        let mut bytes = [0; EVENT];
        let at = EVENT - 8;
        bytes[at..at + 2].copy_from_slice(&kind.to_ne_bytes());
        bytes[at + 2..at + 4].copy_from_slice(&code.to_ne_bytes());
        bytes[at + 4..].copy_from_slice(&value.to_ne_bytes());
        self.datagram(&bytes);
    }

    pub fn datagram(&self, bytes: &[u8]) {
        let remote = UnixDatagram::unbound().expect("socket");
        remote.send_to(bytes, self.dir.join("remote")).expect("key");
    }

    /// OK on the remote; its serial as the arbiter hears it.
    pub fn press_ok(&self, arbiter: &Arbiter) -> u64 {
        self.press(Key::Ok, Motion::Down);
        arbiter.key(Motion::Down)
    }

    /// Key, `Prepare`, the call process born: the nonce.
    pub fn prepare(&self, arbiter: &Arbiter) -> Id {
        let serial = self.press_ok(arbiter);
        let _end = arbiter.prepare(LEASE, serial);
        let nonce = arbiter.expect(|m| if let FromGate::Prepared { lease, nonce } = m { Some((lease, nonce)) } else { None });
        assert_eq!(nonce.0, LEASE);
        nonce.1
    }

    /// All the way to open doors: the pid of the call process that holds the clips.
    pub fn open(&self, arbiter: &Arbiter, run_s: u32) -> u32 {
        let nonce = self.prepare(arbiter);
        let pid = self.born();
        assert_eq!(self.report(), "begin 7 1");
        arbiter.send(&self.sign(&Ticket { longest_run_s: run_s, ..self.ticket(nonce) }));
        arbiter.opened();
        self.doors_given();
        pid
    }

    /// Whether gate pets its watchdog within a time.
    pub fn pet_within(&self, limit: Duration) -> bool {
        self.notices.set_read_timeout(Some(limit)).expect("timeout");
        let mut bytes = [0; 100];
        self.notices.recv(&mut bytes).is_ok_and(|len| &bytes[..len] == b"WATCHDOG=1")
    }

    /// How often gate pets its watchdog in 1.2 s from now.
    pub fn pets(&self) -> usize {
        while self.notices.set_nonblocking(true).is_ok() && self.notices.recv(&mut [0; 100]).is_ok() {}
        self.notices.set_nonblocking(false).expect("blocking");
        let until = Instant::now() + Duration::from_millis(1200);
        (0..)
            .take_while(|_| self.pet_within(until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))))
            .count()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("gate.log")).expect("log")
    }

    pub fn doors_given(&self) {
        assert!(self.report().starts_with("door 1 "));
        assert!(self.report().starts_with("door 2 "));
    }

    /// The next thing that a call process told.
    pub fn report(&self) -> String {
        let mut bytes = [0; 200];
        let len = self.reports.recv(&mut bytes).expect("a report of the call process");
        String::from_utf8_lossy(&bytes[..len]).into_owned()
    }

    pub fn born(&self) -> u32 {
        self.report().strip_prefix("born ").and_then(|pid| pid.parse().ok()).expect("born")
    }

    /// Nothing was told by any call process for a while.
    pub fn assert_no_report(&self) {
        self.reports.set_read_timeout(Some(Duration::from_millis(300))).expect("timeout");
        let mut bytes = [0; 200];
        let told = self.reports.recv(&mut bytes).map(|len| String::from_utf8_lossy(&bytes[..len]).into_owned());
        assert!(told.is_err(), "the call process was given something: {told:?}");
        self.reports.set_read_timeout(Some(PATIENCE)).expect("timeout");
    }

    /// Processes that have the camera's clip open now, seen from outside.
    pub fn clip_holders(&self) -> Vec<u32> {
        let clip = fs::canonicalize(self.dir.join("camera.y4m")).expect("clip");
        let processes = fs::read_dir("/proc").expect("proc").flatten();
        let holds = |pid: &u32| {
            let fds = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            fds.into_iter().any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == clip))
        };
        processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(holds).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.gate.kill();
        let _ = self.gate.wait();
        self.over.store(true, Ordering::Relaxed);
        let _ = socket::dial(&self.dir.join("call.sock"));
        let joined = self.supervisor.take().map(JoinHandle::join);
        let log = fs::read_to_string(self.dir.join("gate.log")).unwrap_or_default();
        let _ = fs::remove_dir_all(&self.dir);
        if std::thread::panicking() {
            eprintln!("gate's log:\n{log}");
        } else {
            assert!(matches!(joined, Some(Ok(()))), "the stub supervisor failed");
        }
    }
}

/// A ticket signed by any key, as `Open`.
pub fn sign_with(key: &SigningKey, ticket: &Ticket) -> ToGate {
    let body = ticket.body();
    let signature = key.sign(&[&ticket::CONTEXT[..], &body].concat());
    ToGate::Open { ticket: Box::new(Ticket::join(&body, &signature.to_bytes())) }
}

fn hex(id: Id) -> String {
    id.iter().map(|b| format!("{b:02x}")).collect()
}

pub fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

fn spawn_gate(dir: &Path, setup: &Setup) -> Child {
    let path = |name: &str| dir.join(name).display().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_parloir-gate"));
    command.args(["--device", &hex(DEVICE), "--site", &hex(SITE), "--roots", &path("roots.bin"), "--state", &path("state")]);
    command.args(["--socket", &path("gate.sock"), "--call-socket", &path("call.sock"), "--call-slice", &path("slice")]);
    command.args(["--arbiter-uid", &setup.arbiter_uid.unwrap_or_else(own_uid).to_string()]);
    if !setup.extra.iter().any(|word| word == "--call-uid") {
        command.args(["--call-uid", &own_uid().to_string()]);
    }
    command.args(["--bench-remote", &path("remote")]).env("NOTIFY_SOCKET", dir.join("notices"));
    if setup.extra.is_empty() {
        command.args(["--bench-camera", &path("camera.y4m"), "--bench-microphone", &path("microphone.wav")]);
    }
    command.args(setup.extra.iter().map(|word| word.replace("DIR", &dir.display().to_string())));
    let log = fs::File::options().append(true).create(true).open(dir.join("gate.log")).expect("log");
    command.stderr(log).spawn().expect("gate")
}

/// The stub supervisor: for each connection one stub call process with the connection as its standard input.
fn supervise(dir: &Path, mode: &'static str, by_slice: bool, over: &Arc<AtomicBool>) -> JoinHandle<()> {
    let listener = socket::serve(&dir.join("call.sock"), own_uid()).expect("call socket");
    let (dir, over) = (dir.to_path_buf(), Arc::clone(over));
    let stub = Path::new(env!("CARGO_BIN_EXE_parloir-gate")).with_file_name("examples").join("stub_call");
    std::thread::spawn(move || {
        let mut children = Vec::new();
        loop {
            poll(&mut [PollFd::new(listener.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).expect("poll");
            let Ok((connection, _)) = socket::accept(&listener) else { continue };
            if over.load(Ordering::Relaxed) {
                break;
            }
            let group = dir.join("slice/cgroup.procs");
            let mut command = Command::new(if group.exists() { Path::new("sh") } else { &stub });
            if group.exists() {
                // Into its group before its first instruction, as systemd does it.
                command.args(["-c", "echo $$ > \"$0\" && exec \"$1\""]).arg(group).arg(&stub);
            }
            command.env("STUB_REPORT", dir.join("reports")).env("STUB_MODE", mode);
            command.stdin(Stdio::from(connection.try_clone().expect("clone"))).stdout(Stdio::null());
            let mut child = command.spawn().expect("stub call");
            drop(command);
            let pid = child.id();
            if !by_slice {
                socket::send(&connection, &Start::Spawned { pid }.encode(), &[pidfd(pid).as_raw_fd()]).expect("spawned");
            }
            children.push(std::thread::spawn(move || child.wait()));
        }
        children.into_iter().for_each(|child| drop(child.join()));
    })
}

#[allow(unsafe_code)]
fn pidfd(pid: u32) -> OwnedFd {
    // SAFETY: pidfd_open takes integers only and gives a new fd, which nothing else owns.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
        OwnedFd::from_raw_fd(i32::try_from(fd).ok().filter(|fd| *fd >= 0).expect("pidfd"))
    }
}

/// Requirement Q6: camera off within 200 ms of the end.
pub const SOON: Duration = Duration::from_millis(200);

/// A scenario that ends within `limit` of what it was to wait for. Three tries: a busy machine may be late once, a gate that
/// is late by design is late each time.
pub fn in_time(limit: Duration, scenario: impl Fn() -> Duration) {
    let mut late = Vec::new();
    while late.len() < 3 {
        match scenario() {
            took if took < limit => return,
            took => late.push(took),
        }
    }
    panic!("late each time: {late:?}, not within {limit:?}");
}

/// Waits until something is so.
pub fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "not so: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Gone, or a zombie that nobody reaped yet.
pub fn is_dead(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    matches!(state, None | Some('Z' | 'X'))
}

/// How long it took until a process was dead.
pub fn wait_dead(pid: u32) -> Duration {
    let start = Instant::now();
    eventually("the process is dead", || is_dead(pid));
    start.elapsed()
}

/// Connects to gate as user nobody; the exit code of the stub.
pub fn as_nobody(socket: &Path) -> i32 {
    let stub = Path::new(env!("CARGO_BIN_EXE_parloir-gate")).with_file_name("examples").join("stub_call");
    let mut command = Command::new(stub);
    command.arg("stranger").arg(socket).uid(65534).gid(65534);
    command.status().expect("stub").code().expect("exit code")
}

/// The stub arbiter.
pub struct Arbiter {
    pub socket: Arc<OwnedFd>,
    beating: Arc<AtomicBool>,
    heart: Option<JoinHandle<Instant>>,
}

impl Arbiter {
    pub fn connect(path: &Path) -> Self {
        let start = Instant::now();
        // An earlier connection may have to be noticed as gone first.
        let socket = loop {
            let socket = socket::dial(path).expect("gate's socket");
            poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)], PollTimeout::from(5000u16)).expect("poll");
            if !socket::ready(&socket).contains(nix::poll::PollFlags::POLLHUP) {
                break Arc::new(socket);
            }
            assert!(start.elapsed() < PATIENCE, "gate serves nobody");
        };
        let beating = Arc::new(AtomicBool::new(true));
        let heart = {
            let (socket, beating) = (Arc::clone(&socket), Arc::clone(&beating));
            std::thread::spawn(move || {
                let mut last = Instant::now();
                for count in 0.. {
                    if !beating.load(Ordering::Relaxed) {
                        break;
                    }
                    if count % 40 == 0 && socket::send(&socket, &ToGate::Heartbeat { count }.encode(), &[]).is_ok() {
                        last = Instant::now();
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
                last
            })
        };
        Self { socket, beating, heart: Some(heart) }
    }

    /// No more heartbeats; when the last one went.
    pub fn stop_heart(&mut self) -> Instant {
        self.beating.store(false, Ordering::Relaxed);
        self.heart.take().expect("a heart").join().expect("heart")
    }

    pub fn send(&self, message: &ToGate) {
        socket::send(&self.socket, &message.encode(), &[]).expect("to gate");
    }

    pub fn send_raw(&self, bytes: &[u8], fds: &[i32]) {
        socket::send(&self.socket, bytes, fds).expect("to gate");
    }

    /// `Prepare` with a fresh socketpair; the arbiter's end of it.
    pub fn prepare(&self, lease: Id, serial: u64) -> OwnedFd {
        self.with_end(&ToGate::Prepare { lease, serial })
    }

    pub fn with_end(&self, message: &ToGate) -> OwnedFd {
        use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
        let (mine, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).expect("socketpair");
        self.send_raw(&message.encode(), &[theirs.as_raw_fd()]);
        mine
    }

    /// Gate's next message but heartbeats, keys and `RecordKept` that `want` does not take; anything else fails the test.
    pub fn expect<T>(&self, want: impl Fn(FromGate) -> Option<T>) -> T {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let Some(message) = self.next() else { continue };
            if let Some(found) = want(message.clone()) {
                return found;
            }
            assert!(matches!(message, FromGate::Heartbeat { .. } | FromGate::Key(_)), "unexpected {message:?}");
        }
        panic!("gate did not say it");
    }

    fn next(&self) -> Option<FromGate> {
        poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)], PollTimeout::from(100u16)).expect("poll");
        let mut bytes = [0; SIZE + 1];
        match socket::receive(&self.socket, &mut bytes) {
            Ok((0, _)) => panic!("gate hung up"),
            Ok((len, _)) => Some(FromGate::decode(&bytes[..len]).expect("gate's message")),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => None,
            Err(e) => panic!("gate: {e}"),
        }
    }

    /// Reads what waits. A socket closed with something unread resets the other end, which would hide what was sent before.
    pub fn drain(&self) {
        while self.next().is_some() {}
    }

    pub fn refused(&self) -> (Id, GateRefusal) {
        self.expect(|m| if let FromGate::Refused { lease, why } = m { Some((lease, why)) } else { None })
    }

    pub fn opened(&self) {
        let opened = self.expect(|m| if let FromGate::Opened { lease, media, .. } = m { Some((lease, media)) } else { None });
        assert_eq!(opened, (LEASE, BOTH));
    }

    /// Why the lease ended, and how many milliseconds the death of the call process took.
    pub fn shut(&self) -> (ShutReason, u32) {
        let shut = |m| if let FromGate::Shut { lease, reason, took_ms, .. } = m { Some((lease, reason, took_ms)) } else { None };
        let (lease, reason, took_ms) = self.expect(shut);
        assert_eq!(lease, LEASE);
        (reason, took_ms)
    }

    pub fn key(&self, motion: Motion) -> u64 {
        self.expect(|m| match m {
            FromGate::Key(press) if press.motion == motion => Some(press.serial),
            _ => None,
        })
    }
}

impl Drop for Arbiter {
    fn drop(&mut self) {
        self.beating.store(false, Ordering::Relaxed);
        self.heart.take().map(JoinHandle::join);
    }
}
