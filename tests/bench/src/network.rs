//! Owns: where network namespaces can be made: cell, site and visitor in one each, joined by lines that can be cut and impaired.
//! Never: a route from cell to visitor; both reach the site's one address and nothing else.
//! Called by: stage (makes it), supervisor (places processes), courses (cut).
//!
//! ```text
//! cell 10.77.1.2 ──line── 10.77.0.1 site ──line── 10.77.2.2 visitor
//! ```
//! What a cell's `network` in `systemd/cells.toml` does not name, it does not have here: a cell without any stands in an empty network.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

use crate::hop::Impairment;
use crate::tunnel::{Tunnel, device};
use crate::walls::RUN;

/// The site's one address: broker, relay and page.
pub const SITE: &str = "10.77.0.1";
const CELL: &str = "10.77.1.2";
const VISITOR: &str = "10.77.2.2";

/// Which packets lossy lines lose; the same in every run.
const SEED: u64 = 77;

/// A network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Those of the box that may reach something: link and call.
    Cell,
    /// Broker, relay, facility.
    Site,
    /// The browser.
    Visitor,
    /// Nothing but a loopback of its own.
    Nowhere,
}

impl Place {
    const ALL: [Self; 4] = [Self::Cell, Self::Site, Self::Visitor, Self::Nowhere];

    const fn name(self) -> &'static str {
        match self {
            Self::Cell => "cell",
            Self::Site => "site",
            Self::Visitor => "visitor",
            Self::Nowhere => "nowhere",
        }
    }

    /// The namespace's file.
    #[must_use]
    pub fn path(self) -> PathBuf {
        Path::new(RUN).join("net").join(self.name())
    }

    /// Runs `work` in this network, on a thread of its own.
    ///
    /// # Errors
    /// As `work`, or the namespace cannot be entered.
    pub fn within<T: Send>(self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        let path = self.path();
        let entered = move || {
            setns(std::fs::File::open(path)?, CloneFlags::CLONE_NEWNET)?;
            work()
        };
        std::thread::scope(|scope| scope.spawn(entered).join()).map_err(|_| io::Error::other("a thread of the bench panicked"))?
    }

    fn make(self) -> io::Result<()> {
        std::fs::write(self.path(), "")?;
        let path = self.path();
        let made = move || {
            unshare(CloneFlags::CLONE_NEWNET)?;
            mount(Some("/proc/thread-self/ns/net"), &path, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
            Ok(())
        };
        std::thread::spawn(made).join().map_err(|_| io::Error::other("a thread of the bench panicked"))?
    }

    /// iproute2's `ip` in this network.
    fn ip(self, words: &str) -> io::Result<()> {
        let told =
            Command::new("nsenter").arg(format!("--net={}", self.path().display())).arg("ip").args(words.split(' ')).output()?;
        if told.status.success() {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&told.stderr);
        Err(io::Error::other(format!("ip {words} in the network of {}: {}", self.name(), why.trim())))
    }
}

/// The networks of a run.
pub struct Network {
    cell: Tunnel,
    visitor: Tunnel,
}

/// Why networks of their own cannot be made here, in words with the next step; `None` when they can. Roles must be separable.
#[must_use]
pub fn obstacle() -> Option<String> {
    let script = "command -v ip >/dev/null || { echo 'ip is missing: install iproute2' >&2; exit 1; }; unshare --net true && : <>/dev/net/tun";
    let mut tried = Command::new("unshare");
    tried.args(["--user", "--map-root-user", "--map-auto", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", script]);
    match tried.stdin(Stdio::null()).output() {
        Ok(done) if done.status.success() => None,
        Ok(done) => {
            let why = String::from_utf8_lossy(&done.stderr);
            Some(format!(
                "networks of their own cannot be made here ({}): the kernel must allow them, with TUN devices",
                why.trim()
            ))
        }
        Err(why) => Some(format!("unshare cannot be started ({why}): install util-linux")),
    }
}

impl Network {
    /// Makes the four networks and the two lines. Within [`crate::walls::furnish`]'s private `/run`.
    ///
    /// # Errors
    /// The kernel refuses, or `ip` is missing: the message says what and why.
    pub fn lay() -> io::Result<Self> {
        std::fs::create_dir_all(Path::new(RUN).join("net"))?;
        for place in Place::ALL {
            place.make().map_err(|why| io::Error::other(format!("a network of its own for {}: {why}", place.name())))?;
            place.ip("link set lo up")?;
        }
        Place::Site.ip(&format!("address add {SITE}/32 dev lo"))?;
        Ok(Self { cell: line(Place::Cell, CELL, SEED)?, visitor: line(Place::Visitor, VISITOR, SEED + 1)? })
    }

    /// Cuts the cell's line, or mends it.
    pub fn cut(&self, cut: bool) {
        self.cell.impair(|line| line.cut = cut);
    }

    /// As [`Network::cut`], the visitor's.
    pub fn cut_visitor(&self, cut: bool) {
        self.visitor.impair(|line| line.cut = cut);
    }

    /// What the cell's line does to packets from now on.
    pub fn impair(&self, to: Impairment) {
        self.cell.impair(|line| *line = to);
    }

    /// As [`Network::impair`], the visitor's.
    pub fn impair_visitor(&self, to: Impairment) {
        self.visitor.impair(|line| *line = to);
    }

    /// Whether something at the site accepts on that TCP port.
    #[must_use]
    pub fn accepts(&self, port: u16) -> bool {
        let Ok(ip) = SITE.parse() else { return false };
        Place::Site.within(|| TcpStream::connect(SocketAddr::new(ip, port))).is_ok()
    }
}

/// A line from `place` to the site: a device at each end, and the routes to the one address that may be reached.
fn line(place: Place, address: &str, seed: u64) -> io::Result<Tunnel> {
    let far = format!("to-{}", place.name());
    let tun = |why: io::Error| io::Error::other(format!("a TUN device (/dev/net/tun): {why}"));
    let tunnel = Tunnel::between(
        place.within(|| device("to-site")).map_err(tun)?,
        Place::Site.within(|| device(&far)).map_err(tun)?,
        seed,
    );
    place.ip(&format!("address add {address}/32 dev to-site"))?;
    place.ip("link set to-site up")?;
    place.ip(&format!("route add {SITE}/32 dev to-site src {address}"))?;
    Place::Site.ip(&format!("link set {far} up"))?;
    Place::Site.ip(&format!("route add {address}/32 dev {far} src {SITE}"))?;
    Ok(tunnel)
}
