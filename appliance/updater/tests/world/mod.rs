//! Owns: the world of an updater: a real bus with a RAUC and an arbiter of the tests on it, the facility's update server, and the box, which is
//! the real binary. A box that asks for its restart gets it.
//! Never: looks into the updater; what counts is what server, RAUC and arbiter saw.
//! Called by: the tests beside it.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod arbiter;
pub mod keys;
pub mod rauc;

use parloir_facility::ddi::orders::Order;
use parloir_facility::ddi::{Server, Settings};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const SITE: &str = "51515151515151515151515151515151";
pub const DEVICE: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
/// Bytes of a bundle.
pub const SIZE: usize = 120_000;

/// A child that dies with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A command that the kernel ends when this test's thread ends, also when the test is killed (prctl(2), PR_SET_PDEATHSIG).
fn tied(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]);
    command
}

/// What the server told, and when.
pub type Events = Arc<Mutex<Vec<(Instant, Value)>>>;

pub struct World {
    pub dir: PathBuf,
    pub server: Server,
    pub events: Events,
    /// Events that were waited for already.
    cursor: usize,
    pub rauc: rauc::Shared,
    pub arbiter: arbiter::Shared,
    /// Bytes a second of a forced download.
    pub rate: u64,
    /// The name of the box's certificate.
    pub identity: &'static str,
    updater: Option<Process>,
    /// So often it was started.
    pub starts: u32,
    seats: Vec<zbus::Connection>,
    address: String,
    _bus: Process,
}

impl World {
    pub async fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("parloir-updater-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        for part in ["state", "run", "keys", "bundles"] {
            std::fs::create_dir_all(dir.join(part)).unwrap();
        }
        std::fs::write(dir.join("camera"), "").unwrap();
        keys::write(&dir.join("keys"), DEVICE);
        let (bus, address) = bus(&dir).await;
        let (rauc, arbiter) = (rauc::Shared::new(), arbiter::Shared::default());
        let events = Events::default();
        let server = serve(&dir, &events);
        let (rate, identity, updater, starts) = (4_000_000, "box", None, 0);
        let mut world = Self {
            dir,
            server,
            events,
            cursor: 0,
            rauc,
            arbiter,
            rate,
            identity,
            updater,
            starts,
            seats: Vec::new(),
            address,
            _bus: bus,
        };
        world.seats = vec![
            seat(&world.address, "de.pengutronix.rauc", "/", rauc::Installer(world.rauc.clone())).await,
            seat(&world.address, parloir_bus::NAME, parloir_bus::PATH, arbiter::Arbiter(world.arbiter.clone())).await,
        ];
        world
    }

    /// The updater is started, as its supervisor does.
    pub fn start(&mut self) {
        let version = {
            let m = self.rauc.lock();
            m.slots[m.booted].version.clone()
        };
        std::fs::write(self.dir.join("os-release"), format!("ID=parloir\nIMAGE_VERSION=\"{version}\"\n")).unwrap();
        self.arbiter.lock().running = version;
        self.starts += 1;
        let log = std::fs::File::create(self.log(self.starts)).unwrap();
        let path = |name: &str| self.dir.join(name).display().to_string();
        let key = |ending: &str| path(&format!("keys/{}.{ending}", self.identity));
        let child = tied(env!("CARGO_BIN_EXE_parloir-updater"))
            .args(["--server", &self.server.address().to_string(), "--controller", DEVICE, "--tenant", SITE])
            .args(["--state", &path("state"), "--run", &path("run"), "--ca", &path("keys/ca.pem")])
            .args(["--cert", &key("pem"), "--key", &key("key"), "--rate", &self.rate.to_string()])
            .args(["--camera", &path("camera"), "--os-release", &path("os-release"), "--trial-log", &path("trial.log")])
            .env("DBUS_SYSTEM_BUS_ADDRESS", &self.address)
            .env_remove("NOTIFY_SOCKET")
            .stderr(log)
            .spawn();
        self.updater = Some(Process(child.expect("the updater starts")));
    }

    fn log(&self, start: u32) -> PathBuf {
        self.dir.join(format!("updater-{start}.log"))
    }

    /// All that it wrote, of every start.
    pub fn logs(&self) -> String {
        (1..=self.starts).map(|n| std::fs::read_to_string(self.log(n)).unwrap_or_default()).collect()
    }

    /// It is killed, and started again by its supervisor.
    pub fn kill(&mut self) {
        self.updater = None;
        self.start();
    }

    /// The power is cut and comes back.
    pub fn power_cut(&mut self) {
        self.updater = None;
        let _ = std::fs::remove_dir_all(self.dir.join("run"));
        std::fs::create_dir_all(self.dir.join("run")).unwrap();
        self.rauc.boot();
        self.arbiter.take_back();
        self.start();
    }

    pub fn stop(&mut self) {
        self.updater = None;
    }

    /// A bundle of this version on the server's disk, different from every other.
    pub fn bundle(&self, version: &str, compatible: &str) -> PathBuf {
        let path = self.dir.join(format!("bundles/{compatible}-{version}.raucb"));
        let mut bytes = json!({"compatible": compatible, "version": version}).to_string().into_bytes();
        bytes.push(b'\n');
        bytes.extend((bytes.len()..SIZE).map(|i| (i * 31 % 251) as u8));
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub async fn order(&self, order: Value) {
        self.server.order(Order::read(&order.to_string()).expect("an order").unwrap()).await;
    }

    /// The next event that is meant; the box is started again meanwhile whenever it wants that.
    pub async fn until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let found = {
                let events = self.events.lock().unwrap();
                let at = (self.cursor..events.len()).find(|i| wanted(&events[*i].1));
                at.map(|at| (at + 1, events[at].1.clone()))
            };
            if let Some((cursor, event)) = found {
                self.cursor = cursor;
                return event;
            }
            self.turn().await;
            assert!(begun.elapsed() < Duration::from_secs(90), "no {what}; the server saw {}; {}", self.told(), self.logs());
        }
    }

    /// A moment of the world.
    pub async fn turn(&mut self) {
        tokio::time::sleep(Duration::from_millis(25)).await;
        if self.dir.join("run/restart").exists() {
            self.power_cut();
        }
        if let Some(Process(child)) = &mut self.updater {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "the updater ended: {ended:?}: {}", self.logs());
        }
    }

    /// So long nothing is waited for.
    pub async fn rest(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.turn().await;
        }
    }

    /// What the server saw, in short.
    pub fn told(&self) -> String {
        let events = self.events.lock().unwrap();
        let short = |e: &Value| format!("{} {} {}", e["event"].as_str().unwrap_or_default(), e["execution"], e["status"]);
        events.iter().map(|(_, e)| short(e)).filter(|s| !s.starts_with("ddi-poll")).collect::<Vec<_>>().join(" · ")
    }

    pub fn count(&self, name: &str) -> usize {
        self.events.lock().unwrap().iter().filter(|(_, e)| e["event"] == name).count()
    }

    /// Reports that the server took, in order: of a cancellation with `cancel` before it, with the result where there is one.
    pub fn reports(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let taken = events.iter().map(|(_, e)| e).filter(|e| e["event"] == "ddi-feedback" && e["status"] == 200);
        taken
            .map(|e| {
                let of = if e["of"] == "cancel" { "cancel " } else { "" };
                let (execution, finished) = (e["execution"].as_str().unwrap(), e["finished"].as_str().unwrap());
                format!("{of}{execution}{}", if finished == "none" { String::new() } else { format!(" {finished}") })
            })
            .collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.updater = None;
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

fn serve(dir: &Path, events: &Events) -> Server {
    let file = |name: &str| dir.join("keys").join(name);
    let settings = Settings {
        tenant: SITE.to_owned(),
        controller: DEVICE.to_owned(),
        cert: file("server.pem"),
        key: file("server.key"),
        clients: file("clients.pem"),
        client: file("box.pem"),
        sleep: "00:00:01".to_owned(),
        state: None,
    };
    let events = Arc::clone(events);
    let print = move |event: &Value| events.lock().unwrap().push((Instant::now(), event.clone()));
    Server::start(TcpListener::bind("127.0.0.1:0").unwrap(), settings, print).unwrap()
}

async fn seat(address: &str, name: &str, path: &str, object: impl zbus::object_server::Interface) -> zbus::Connection {
    let builder = zbus::connection::Builder::address(address).serve_at(path.to_owned(), object).name(name.to_owned());
    builder.build().await.unwrap()
}

/// A bus of its own, open to this user.
async fn bus(dir: &Path) -> (Process, String) {
    let (conf, socket) = (dir.join("bus.conf"), dir.join("bus"));
    let text = format!(
        "<busconfig><type>system</type><listen>unix:path={}</listen><auth>EXTERNAL</auth><policy context=\"default\">\
         <allow user=\"*\"/><allow own=\"*\"/><allow send_type=\"method_call\"/><allow send_type=\"signal\"/>\
         <allow send_requested_reply=\"true\"/><allow receive_type=\"method_call\"/><allow receive_type=\"signal\"/>\
         <allow receive_type=\"method_return\"/><allow receive_type=\"error\"/></policy></busconfig>",
        socket.display()
    );
    std::fs::write(&conf, text).unwrap();
    let child = tied("dbus-daemon")
        .arg(format!("--config-file={}", conf.display()))
        .arg("--nofork")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let process = Process(child.expect("dbus-daemon is installed"));
    let begun = Instant::now();
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10), "dbus-daemon does not listen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (process, format!("unix:path={}", socket.display()))
}
