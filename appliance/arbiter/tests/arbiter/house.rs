//! Owns: a namespace with the roles as users, a private bus with our policy, the provisioned keys, and the arbiter's process.
//! Never: touches the machine's own users, bus or files.
//! Called by: every test here.
#![allow(unsafe_code, reason = "one thread takes another user's id for the moment of connecting")]

use nix::libc;
use nix::mount::{MsFlags, mount};
use parloir_issuer::{Options, Site};
use std::future::Future;
use std::os::unix::fs::chown;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use zbus::Connection;

/// Users of the namespace.
pub const ARBITER: u32 = 901;
pub const UI: u32 = 902;
pub const LINK: u32 = 903;
pub const STRANGER: u32 = 904;
pub const GATE: u32 = 905;
pub const CALL: u32 = 906;
pub const UPDATER: u32 = 907;
/// Longest that any step of a test may take.
pub const LIMIT: Duration = Duration::from_secs(10);
const INSIDE: &str = "PARLOIR_TEST_INSIDE";

/// Runs a test in a user and mount namespace of its own, where `parloir-*` users exist. `name` is the test's full name.
pub fn inside<F: Future<Output = ()>>(name: &str, test: impl FnOnce(House) -> F) {
    inside_for(name, Duration::from_secs(50), test);
}

/// As [`inside`], for so long at most; answers what the test printed.
pub fn inside_for<F: Future<Output = ()>>(name: &str, limit: Duration, test: impl FnOnce(House) -> F) -> String {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = House::build();
            let log = house.log.clone();
            let done = tokio::time::timeout(limit, test(house)).await;
            assert!(done.is_ok(), "the test took longer than {limit:?}; arbiter's log:\n{}", log.lock().unwrap());
        });
        return String::new();
    }
    // Asked first without the maps: where the kernel says no (in a chroot, say), `--map-auto` leaves a helper that waits for ever.
    let may = Command::new("unshare").args(["--user", "true"]).status().expect("unshare (package util-linux) runs");
    assert!(
        may.success(),
        "no user namespaces here: these tests give each role a user of its own (not in a chroot; see sysctl user.*)"
    );
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--map-auto", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
    command.arg(std::env::current_exe().unwrap()).args([name, "--exact", "--nocapture", "--test-threads", "1"]);
    let out = command.env(INSIDE, "1").output().expect("unshare (package util-linux) runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && stdout.contains("1 passed"), "{name} inside:\n{stdout}\n{stderr}");
    stdout.into_owned()
}

/// The whole surroundings; all of it ends with it.
pub struct House {
    pub dir: PathBuf,
    pub site: Site,
    bus: Child,
    arbiter: Option<Child>,
    pub log: Arc<Mutex<String>>,
    pub flags: Vec<String>,
    /// Further variables of the arbiter's environment.
    pub environment: Vec<(String, String)>,
}

impl House {
    fn build() -> Self {
        let dir = std::env::temp_dir().join(format!("parloir-arbiter-test-{:x}", rand()));
        std::fs::create_dir_all(&dir).unwrap();
        users(&dir);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let relays = vec!["turn:127.0.0.1:3478?transport=udp".to_owned()];
        let options = Options { relays, now: now.cast_signed(), expired_key: true, ..Options::default() };
        let site = parloir_issuer::provision(&dir.join("keys"), &options).unwrap();
        for name in ["ask.key", "unseal.key"] {
            own(&dir.join("keys/box").join(name), ARBITER);
        }
        for name in ["state", "gate"] {
            std::fs::create_dir(dir.join(name)).unwrap();
            own(&dir.join(name), ARBITER);
        }
        let bus = start_bus(&dir);
        let log = Arc::default();
        Self { dir, site, bus, arbiter: None, log, flags: vec!["--bench-direct".into()], environment: Vec::new() }
    }

    /// The repository's root.
    pub fn tree() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    /// A program of this build: it lies beside the directory of the tests.
    pub fn program(name: &str) -> PathBuf {
        std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join(name)
    }

    pub fn gate_socket(&self) -> PathBuf {
        self.dir.join("gate/socket")
    }

    /// Starts the arbiter and waits until it owns its name.
    pub async fn start_arbiter(&mut self) {
        let mut command = Command::new(Self::program("parloir-arbiter"));
        let flag = |name: &str, value: PathBuf| [name.to_owned(), value.to_str().unwrap().to_owned()];
        command.args(flag("--roots", self.dir.join("keys/roots.bin")));
        command.args(flag("--keys", self.dir.join("keys/box"))).args(flag("--state", self.dir.join("state")));
        command.args(flag("--gate", self.gate_socket())).args(&self.flags);
        command.env("DBUS_SYSTEM_BUS_ADDRESS", address(&self.dir)).env("PARLOIR_LOG", "debug");
        command.envs(self.environment.clone());
        command.uid(ARBITER).gid(ARBITER).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        keep_log(child.stderr.take().unwrap(), self.log.clone());
        self.arbiter = Some(child);
        let bus = self.connect(STRANGER).await;
        let driver = zbus::fdo::DBusProxy::new(&bus).await.unwrap();
        let start = Instant::now();
        while !driver.name_has_owner(parloir_bus::NAME.try_into().unwrap()).await.unwrap() {
            assert!(start.elapsed() < LIMIT, "the arbiter does not come up:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Kills the arbiter with SIGKILL: what a crash leaves.
    pub fn kill_arbiter(&mut self) {
        let mut child = self.arbiter.take().unwrap();
        let _ = child.kill();
        child.wait().unwrap();
    }

    /// Whether it runs.
    pub fn arbiter_lives(&mut self) -> bool {
        self.arbiter.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// Waits until the arbiter has ended by itself; answers whether it says that all is well.
    pub async fn ended(&mut self) -> bool {
        let start = Instant::now();
        let mut child = self.arbiter.take().unwrap();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status.success();
            }
            assert!(start.elapsed() < LIMIT, "the arbiter does not end:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks the arbiter to stop, as the service manager does.
    pub fn terminate_arbiter(&self) {
        let pid = nix::unistd::Pid::from_raw(self.arbiter_pid().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    }

    pub fn arbiter_pid(&self) -> u32 {
        self.arbiter.as_ref().unwrap().id()
    }

    /// The arbiter's log so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the log holds a text.
    pub async fn logged(&self, text: &str) {
        let start = Instant::now();
        while !self.log().contains(text) {
            assert!(start.elapsed() < LIMIT, "`{text}` is not in the log:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Replaces our policy by one that allows everything, and has the bus read it.
    pub async fn open_policy(&self) {
        let open = r#"<busconfig><policy context="default"><allow own="*"/><allow send_destination="*"/></policy></busconfig>"#;
        std::fs::write(self.dir.join("etc/dbus/org.parloir.Arbiter.conf"), open).unwrap();
        let bus = self.connect(0).await;
        bus.call_method(Some("org.freedesktop.DBus"), "/org/freedesktop/DBus", Some("org.freedesktop.DBus"), "ReloadConfig", &())
            .await
            .unwrap();
    }

    /// A connection to the bus as another user.
    pub async fn connect(&self, uid: u32) -> Connection {
        let builder = zbus::connection::Builder::unix_stream(self.stream(uid)).user_id(uid);
        builder.build().await.expect("the bus lets everybody connect")
    }

    /// The same before a word was said.
    pub fn stream(&self, uid: u32) -> UnixStream {
        let path = self.dir.join("bus/socket");
        let stream = std::thread::spawn(move || {
            // SAFETY: plain numbers; the raw call changes this thread alone, and the thread ends here.
            let changed = unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) };
            assert_eq!(changed, 0);
            UnixStream::connect(path).unwrap()
        });
        stream.join().unwrap()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("arbiter's log:\n{}", self.log());
        }
        for child in [Some(&mut self.bus), self.arbiter.as_mut()].into_iter().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn rand() -> u64 {
    u64::from_le_bytes(parloir_seal::random::bytes().unwrap())
}

fn own(path: &Path, uid: u32) {
    chown(path, Some(uid), Some(uid)).unwrap();
}

/// A passwd and a group with our users over the machine's own, in this namespace only.
fn users(dir: &Path) {
    let roles = [("arbiter", ARBITER), ("ui", UI), ("link", LINK), ("gate", GATE), ("call", CALL), ("updater", UPDATER)];
    let mut names = roles.map(|(role, id)| (format!("parloir-{role}"), id)).to_vec();
    names.push(("stranger".to_owned(), STRANGER));
    let mut passwd = "root:x:0:0:root:/:/bin/false\n".to_owned();
    let mut group = "root:x:0:\n".to_owned();
    for (name, id) in names {
        passwd += &format!("{name}:x:{id}:{id}::/:/bin/false\n");
        group += &format!("{name}:x:{id}:\n");
    }
    for (file, text) in [("passwd", passwd), ("group", group)] {
        let own = dir.join(file);
        std::fs::write(&own, text).unwrap();
        let over = Path::new("/etc").join(file);
        mount(Some(&own), &over, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    }
}

fn address(dir: &Path) -> String {
    format!("unix:path={}", dir.join("bus/socket").display())
}

/// A dbus-daemon with the bench's stand-in for the system configuration and our policy files.
fn start_bus(dir: &Path) -> Child {
    let run = dir.to_str().unwrap();
    let config = std::fs::read_to_string(House::tree().join("tests/bench/parts/bus.conf")).unwrap().replace("{run}", run);
    std::fs::create_dir_all(dir.join("etc/dbus")).unwrap();
    std::fs::create_dir_all(dir.join("bus")).unwrap();
    for file in std::fs::read_dir(House::tree().join("systemd/dbus")).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), dir.join("etc/dbus").join(file.file_name())).unwrap();
    }
    let path = dir.join("bus.conf");
    std::fs::write(&path, config).unwrap();
    let mut command = Command::new("dbus-daemon");
    command.args(["--nofork", "--nopidfile", "--nosyslog", "--config-file"]).arg(path);
    // It tells of each caller that it holds back, thousands of times in some tests.
    let bus = command.stderr(Stdio::null()).spawn().expect("dbus-daemon is installed");
    let start = Instant::now();
    while UnixStream::connect(dir.join("bus/socket")).is_err() {
        assert!(start.elapsed() < LIMIT, "the bus does not come up");
        std::thread::sleep(Duration::from_millis(10));
    }
    bus
}

fn keep_log(from: impl std::io::Read + Send + 'static, log: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        for line in std::io::BufRead::lines(std::io::BufReader::new(from)).map_while(Result::ok) {
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    });
}
