//! The rig of the visit tests: the real binary started as gate would, this test as arbiter, link and screen, a real Chromium as far end.
#![allow(dead_code, reason = "each test binary uses its part")]

mod browser;
mod forwarder;
mod lease;

#[allow(unused_imports, reason = "each test binary uses its part")]
pub use browser::Browser;
#[allow(unused_imports, reason = "each test binary uses its part")]
pub use forwarder::Forwarder;
pub use lease::Call;

use parloir_clip::Flavour;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

/// One visit at a time: two would share two cores.
pub fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The clip's files, made once.
pub fn clip(flavour: Flavour) -> (PathBuf, PathBuf) {
    let name = format!("{flavour:?}").to_lowercase();
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (y4m, wav) = (dir.join(format!("{name}.y4m")), dir.join(format!("{name}.wav")));
    if !wav.exists() {
        // 3 s; renamed when whole, so that an interrupted run leaves no half clip.
        let part = dir.join(format!("{name}.part"));
        parloir_clip::write_y4m_frames(&part, flavour, 90).unwrap();
        std::fs::rename(&part, &y4m).unwrap();
        parloir_clip::write_wav(&part, flavour).unwrap();
        std::fs::rename(&part, &wav).unwrap();
    }
    (y4m, wav)
}

/// A free port of the loopback.
pub fn free_port() -> u16 {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// coturn on the loopback, with time-limited credentials as a facility gives them (draft-uberti-behave-turn-rest-00).
pub struct Relay {
    pub port: u16,
    pub url: String,
    pub user: String,
    _server: Child,
}

impl Relay {
    pub const SECRET: &str = "relay-secret";

    pub fn start() -> Self {
        let port = free_port();
        let state = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("turn-{port}"));
        let server = mortal("turnserver")
            .args(["-n", "--no-tls", "--no-dtls", "--no-cli", "--allow-loopback-peers", "--use-auth-secret", "--realm=bench"])
            .args(["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--log-file=stdout", "--no-multicast-peers"])
            .args([format!("--listening-port={port}"), format!("--static-auth-secret={}", Self::SECRET)])
            .args([format!("--pidfile={}.pid", state.display()), format!("--userdb={}.db", state.display())])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Self {
            port,
            url: format!("turn:127.0.0.1:{port}?transport=udp"),
            user: format!("{}:visit", now.as_secs() + 3600),
            _server: Child(server),
        }
    }

    pub fn for_plan(&self, password: &str) -> parloir_wire::lease::Relay {
        parloir_wire::lease::Relay { url: self.url.clone(), user: self.user.clone(), password: password.into() }
    }

    /// The same relay at the other end of a line.
    pub fn through(&self, password: &str, line: &Forwarder) -> parloir_wire::lease::Relay {
        parloir_wire::lease::Relay { url: line.url(), ..self.for_plan(password) }
    }
}

/// A command that dies with the thread that starts it, and with all that it starts in turn: a killed test leaves no browser behind.
pub fn mortal(program: &str) -> std::process::Command {
    let mut command = std::process::Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "unshare"]);
    if !nix::unistd::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", program]);
    command
}

/// A process that ends with its owner.
pub struct Child(pub std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The environment that the unit gives a call: a plugin registry built beforehand, a private directory for generated code.
pub fn sandbox_environment() -> Vec<(String, String)> {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (registry, generated) = (dir.join("registry"), dir.join("generated"));
    std::fs::create_dir_all(&generated).unwrap();
    let text = |p: PathBuf| p.to_str().unwrap().to_owned();
    let environment = vec![("GST_REGISTRY".to_owned(), text(registry.clone())), ("XDG_RUNTIME_DIR".to_owned(), text(generated))];
    if !registry.exists() {
        let mut build = std::process::Command::new(env!("CARGO_BIN_EXE_parloir-call"));
        assert!(build.arg("--registry").envs(environment.clone()).status().unwrap().success());
    }
    [environment, vec![("GST_REGISTRY_UPDATE".to_owned(), "no".to_owned())]].concat()
}
