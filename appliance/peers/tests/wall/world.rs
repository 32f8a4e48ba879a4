//! Owns: a box of namespaces: its users, its one wire, the rules that ship, and parloir-peers as the unit starts it.
//! Never: touches the machine's own network, users or files.
//! Called by: every test here.

use crate::packet::Seen;
use crate::users::{NETWORK, datagrams};
use crate::wire::Wire;
use nix::mount::{MsFlags, mount};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const INSIDE: &str = "PARLOIR_TEST_INSIDE";
const LIMIT: Duration = Duration::from_secs(10);
/// The box's own address and network, with a router that is not there.
pub const OWN: &str = "10.9.1.2";

/// Runs a test in namespaces of its own. `name` is the test's full name.
pub fn inside(name: &str, test: impl FnOnce(World)) {
    if std::env::var_os(INSIDE).is_some() {
        test(World::build());
        return;
    }
    // Asked first without the maps: where the kernel says no (in a chroot, say), `--map-auto` leaves a helper that waits for ever.
    let may = Command::new("unshare").args(["--user", "true"]).status().expect("unshare (package util-linux) runs");
    assert!(may.success(), "no user namespaces here: these tests have a network and users of their own (sysctl user.*)");
    let mut command = Command::new("unshare");
    command.args([
        "--user",
        "--map-root-user",
        "--map-auto",
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]);
    command.arg("--").arg(std::env::current_exe().unwrap()).args([name, "--exact", "--nocapture", "--test-threads", "1"]);
    let out = command.env(INSIDE, "1").output().expect("unshare (package util-linux) runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && stdout.contains("1 passed"), "{name} inside:\n{stdout}\n{stderr}");
}

pub struct World {
    pub dir: PathBuf,
    pub wire: Wire,
    pub log: Arc<Mutex<String>>,
    peers: Option<Child>,
    sentinels: u32,
}

impl World {
    fn build() -> Self {
        let dir = PathBuf::from("/run/parloir");
        mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), Some("mode=755")).unwrap();
        std::fs::create_dir_all(&dir).unwrap();
        let users = std::fs::read_to_string("/etc/passwd").unwrap();
        let mut users: String =
            users.lines().filter(|l| !l.starts_with("systemd-network:")).map(|l| l.to_owned() + "\n").collect();
        users += &format!("systemd-network:x:{NETWORK}:{NETWORK}::/:/usr/sbin/nologin\n");
        std::fs::write(dir.join("passwd"), users).unwrap();
        mount(Some(&dir.join("passwd")), "/etc/passwd", None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
        let world = Self { dir, wire: Wire::new("wire0"), log: Arc::default(), peers: None, sentinels: 0 };
        // Before any interface is up, as on a box: the kernel greets its neighbours by itself as soon as it may.
        world.load();
        for words in ["link set lo up", "link set wire0 up", "route add default dev wire0", "-6 route add default dev wire0"] {
            run("ip", &words.split(' ').collect::<Vec<_>>());
        }
        run("ip", &["-6", "address", "add", "2001:db8::2/64", "dev", "wire0", "nodad"]);
        // Ports below 1024 for the tests' users.
        std::fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0").unwrap();
        world.address(OWN, 24);
        world
    }

    /// The rules that ship, as parloir-firewall.service loads them.
    pub fn load(&self) {
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systemd/nftables/parloir.nft");
        run("nft", &["-f", rules.to_str().unwrap()]);
    }

    /// Gives the box another address than it had.
    pub fn address(&self, address: &str, prefix: u8) {
        run("ip", &["-4", "address", "flush", "dev", "wire0"]);
        run("ip", &["address", "add", &format!("{address}/{prefix}"), "dev", "wire0"]);
        run("ip", &["route", "replace", "default", "dev", "wire0"]);
    }

    pub fn write(&self, name: &str, text: &str) {
        let fresh = self.dir.join("fresh");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(fresh, self.dir.join(name)).unwrap();
    }

    /// Starts parloir-peers as its unit does: own user, one capability.
    pub fn start_peers(&mut self) {
        self.start_peers_with("/usr/sbin/nft");
    }

    pub fn start_peers_with(&mut self, nft: &str) {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "807", "--regid", "807", "--clear-groups", "--no-new-privs"]);
        command.args(["--inh-caps", "-all,+net_admin", "--ambient-caps", "+net_admin", "--bounding-set", "-all,+net_admin"]);
        command.arg(env!("CARGO_BIN_EXE_parloir-peers")).args(["--nft", nft]);
        command.arg("--box").arg(self.dir.join("box.env")).arg("--relays").arg(self.dir.join("relays"));
        let mut child = command.env_remove("JOURNAL_STREAM").stderr(Stdio::piped()).spawn().expect("setpriv runs");
        let (stderr, log) = (child.stderr.take().unwrap(), self.log.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                log.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        self.peers = Some(child);
    }

    /// Waits until parloir-peers has ended; answers whether it says that all is well.
    pub fn peers_ended(&mut self) -> bool {
        self.peers.take().unwrap().wait().unwrap().success()
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the log holds each of the words.
    pub fn logged(&self, words: &[&str]) {
        self.until(&format!("the log says {words:?}"), || words.iter().all(|word| self.log().contains(word)));
    }

    /// Waits until a set of the firewall holds these elements and no other.
    pub fn holds(&self, set: &str, elements: &[&str]) {
        self.until(&format!("{set} holds {elements:?}"), || {
            let text = run("nft", &["list", "set", "inet", "parloir", set]);
            let listed = text.split_once("elements = {").map_or("", |(_, rest)| rest.split('}').next().unwrap());
            let mut listed: Vec<&str> = listed.split(',').map(str::trim).filter(|e| !e.is_empty()).collect();
            listed.sort_unstable();
            listed == elements
        });
    }

    fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < LIMIT, "never: {what}; the log of peers:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What has left the box since the last look, without a wait: after everything else a datagram follows that always may leave, the
    /// renewal of a lease, and a wire keeps the order.
    pub fn seen(&mut self) -> Vec<Seen> {
        self.sentinels += 1;
        let last = format!("sentinel {}", self.sentinels);
        datagrams(NETWORK, 68).send_to(last.as_bytes(), "10.9.9.9:67").expect("a lease may be renewed");
        let mut seen = Vec::new();
        loop {
            let packet = self.wire.next();
            if packet.version() == 4 && packet.protocol() == crate::packet::UDP && packet.payload() == last.as_bytes() {
                return seen;
            }
            seen.push(packet);
        }
    }

    /// How many packets a counter of the firewall has counted.
    pub fn counted(&self, counter: &str) -> u64 {
        let text = run("nft", &["list", "counter", "inet", "parloir", counter]);
        let (_, rest) = text.split_once("packets ").expect("a counter");
        rest.split(' ').next().unwrap().parse().unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("log of peers:\n{}", self.log());
        }
        if let Some(mut child) = self.peers.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs a program that must succeed; answers what it printed. A person's own PATH often lacks the administrator's directories.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let path = "/usr/sbin:/usr/bin:/sbin:/bin";
    let out = Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}: see scripts/lib.sh"));
    assert!(out.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}
