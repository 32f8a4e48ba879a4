//! Owns: what a test of a whole box plays on: the facility's side of the bench, disks with its keys, a machine, its probe, its journal.
//! Never: a cell of the bench while a machine runs: the box is in the machine.
//! Called by: the tests of whole boxes, `parloir-machine`.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use parloir_bench::lines::{Event, Line};
use parloir_bench::play::{Halt, Play};
use parloir_bench::stage::{Wanted, cache};
use parloir_bench::walls::{RUN, show};

use crate::machine::{Machine, Options, USER};
use crate::probe::Probe;
use crate::talk::Entry;
use crate::tools::{Built, Uki, command, target, tree};

/// From power to the probe's first word. A quiet machine needs half a minute, a busy one five.
pub const BOOT_LIMIT: Duration = Duration::from_secs(400);
/// From the probe's first word to the home screen.
pub const HOME_LIMIT: Duration = Duration::from_secs(400);
/// A message on CEC is lost when both ends speak at once (CEC 1.4, 5.2.2); a TV says it again.
const CEC_TRIES: usize = 3;
/// What cec-ctl says of a message that did not arrive.
const NOT_TAKEN: [&str; 5] = ["Not Acknowledged", "Arbitration Lost", "Max Retries", "Aborted", "Timeout"];
/// Cells of the bench that stand in for the box while no machine runs.
const CELLS: [&str; 4] = ["ui", "link", "arbiter", "gate"];

/// See the module.
pub struct Scene {
    /// Facility, broker, relay, visitor; what was seen, the guest's journal included.
    pub play: Play,
    /// What was built.
    pub built: Built,
    /// Where logs and pictures go: `out/image/NAME` of the tree.
    pub out: PathBuf,
    dir: PathBuf,
    probe: PathBuf,
    journal: Arc<Mutex<Vec<Entry>>>,
    tv: Cell<Option<String>>,
}

impl Scene {
    /// Sets the facility's side in the networks of the bench. No box runs yet.
    ///
    /// # Errors
    /// No image, or a part does not start.
    pub fn set(name: &str) -> Result<Self, Halt> {
        Self::set_with(name, &[], &[])
    }

    /// As [`Scene::set`], with more arguments for `parloirctl init` and `parloir-facility`.
    ///
    /// # Errors
    /// As [`Scene::set`].
    pub fn set_with(name: &str, init: &[&str], facility: &[&str]) -> Result<Self, Halt> {
        let built = Built::find()?;
        let out = tree().join("out/image").join(name);
        let _ = fs::remove_dir_all(&out);
        fs::create_dir_all(&out)?;
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut first = vec!["--roots".to_owned(), built.roots().display().to_string()];
        first.extend(words(init));
        let play = Play::set(&Wanted {
            tree: tree(),
            bin: target().join("debug"),
            cache: cache()?,
            out: out.clone(),
            headless: true,
            apart: true,
            tamper: None,
            facility: words(facility),
            init: first,
        })?;
        let kept = built.dir.join("run").join(name);
        let _ = fs::remove_dir_all(&kept);
        fs::create_dir_all(&kept)?;
        fs::set_permissions(&kept, fs::Permissions::from_mode(0o777))?;
        show(&built.dir.join("tools"), "tools")?;
        let dir = show(&kept, "machine")?;
        let probe = probe_disk(&built, &dir)?;
        Ok(Self { play, built, out, dir, probe, journal: Arc::default(), tv: Cell::default() })
    }

    /// A disk with the built image in slot A and this site's box in the data partition. A new one each time.
    ///
    /// # Errors
    /// `scripts/image disk` fails: its words.
    pub fn disk(&self, uki: Uki) -> io::Result<PathBuf> {
        let value = |name: &str| self.play.stage.supervisor.values.get(name).cloned().unwrap_or_default();
        let keys = PathBuf::from(value("keys"));
        let (device, site, broker) = (value("device"), value("site"), value("broker"));
        let mut text = format!("PARLOIR_DEVICE={device}\nPARLOIR_SITE={site}\nPARLOIR_BROKER={broker}\n");
        // An update server, where the test has one.
        if let Some(updates) = self.play.stage.supervisor.values.get("updates") {
            let _ = writeln!(text, "PARLOIR_UPDATES={updates}");
        }
        fs::write(keys.join("box.env"), text)?;
        let count = fs::read_dir(&self.dir)?.count();
        let disk = self.dir.join(format!("{}-{count}.img", uki.name()));
        let mut script = Command::new(tree().join("scripts/image"));
        script.args(["disk", "--uki", uki.name(), "--box"]).arg(&keys).arg("--out").arg(&disk);
        let made = script.env("CARGO_TARGET_DIR", target()).output()?;
        if !made.status.success() {
            let words = String::from_utf8_lossy(&made.stderr).into_owned();
            return Err(io::Error::other(format!("scripts/image disk: {}", words.trim())));
        }
        chown(&disk, Some(self.play.stage.supervisor.user(USER)?), None)?;
        Ok(disk)
    }

    /// Starts a machine. Its console, pcap and firmware's variables are beside the disks; [`Scene::keep`] brings them to `out`.
    ///
    /// # Errors
    /// QEMU does not start.
    pub fn start(&mut self, options: &Options) -> Result<Machine, Halt> {
        self.play.seen = seen_of_the_facility(&self.play);
        lock(&self.journal).clear();
        self.tv.set(None);
        // A name of ours in front: the built tree may be where QEMU's user must not look.
        let built = Built { dir: PathBuf::from(RUN) };
        let machine =
            Machine::start(&mut self.play.stage.supervisor, &built, &self.dir, Some(&self.probe), options).map_err(|why| {
                let log = fs::read_to_string(self.out.join("logs/machine.log")).unwrap_or_default();
                Halt::Failed(format!("{why}; QEMU says: {}", log.trim()))
            })?;
        Ok(machine)
    }

    /// Listens for the probe of a machine from its start on; [`Scene::greeted`] waits for it.
    ///
    /// # Errors
    /// The machine has no such port.
    pub fn listen(&self, machine: &Machine) -> io::Result<Probe> {
        let (events, journal) = (self.play.stage.supervisor.events(), self.journal.clone());
        Probe::on(&machine.port(), move |entry| hand_on(entry, &journal, &events))
    }

    /// Waits for the probe's first word of this boot.
    ///
    /// # Errors
    /// It does not come: the message has the end of the console.
    pub fn greeted(&mut self, machine: &mut Machine, probe: &Probe) -> Result<(), Halt> {
        self.until(machine, "the probe", BOOT_LIMIT, |_| probe.hello().is_some())?;
        // The first question stops the greeting.
        probe.clocks()?;
        Ok(())
    }

    /// Starts a machine, waits for its probe and for the home screen.
    ///
    /// # Errors
    /// As the steps of it.
    pub fn boot(&mut self, options: &Options) -> Result<(Machine, Probe), Halt> {
        let mut machine = self.start(options)?;
        let probe = self.listen(&machine)?;
        self.greeted(&mut machine, &probe)?;
        self.until(&mut machine, "the home screen", HOME_LIMIT, |scene| scene.play.seen.phase == "home")?;
        Ok((machine, probe))
    }

    /// Looks after everything until `there` holds; fails at once if the machine ends.
    ///
    /// # Errors
    /// It did not within `limit`: the message has the end of the console.
    pub fn until(
        &mut self,
        machine: &mut Machine,
        what: &str,
        limit: Duration,
        mut there: impl FnMut(&Self) -> bool,
    ) -> Result<(), Halt> {
        let begun = Instant::now();
        while !there(self) {
            let ended = machine.ended();
            if ended || begun.elapsed() > limit {
                let serial = machine.serial();
                let tail = serial.lines().rev().take(15).collect::<Vec<_>>();
                let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
                let why = if ended { "the machine has ended".to_owned() } else { format!("not within {} s", limit.as_secs()) };
                let phase = &self.play.seen.phase;
                return Err(Halt::Failed(format!("{what}: {why}. Screen: {phase}. Console:\n{tail}")));
            }
            self.play.idle(Duration::from_millis(50))?;
        }
        Ok(())
    }

    /// The guest's journal so far, without the kernel's words.
    #[must_use]
    pub fn journal(&self) -> Vec<Entry> {
        lock(&self.journal).clone()
    }

    /// A key of the TV's remote, as CEC brings it from the TV: `select`, `up`, `back` (CEC 1.4, table 27, as cec-ctl has them).
    ///
    /// # Errors
    /// The TV's side of the guest's HDMI does not take it.
    pub fn tv_key(&self, probe: &Probe, key: &str) -> io::Result<()> {
        let node = match self.tv.take() {
            Some(node) => node,
            None => tv_node(probe)?,
        };
        self.tv.set(Some(node.clone()));
        let press = format!("ui-cmd={key}");
        let mut said = String::new();
        for _ in 0..CEC_TRIES {
            said = probe.out(&["cec-ctl", "-d", &node, "-s", "--to", "4", "--user-control-pressed", &press])?;
            if !NOT_TAKEN.iter().any(|word| said.contains(word)) {
                break;
            }
        }
        // A name that cec-ctl does not know becomes its first one, which is select; and what it sent, it says.
        if !said.contains(&format!("ui-cmd: {key} ")) || NOT_TAKEN.iter().any(|word| said.contains(word)) {
            return Err(io::Error::other(format!("the box took no key of a TV's remote called {key}: {}", said.trim())));
        }
        probe.out(&["cec-ctl", "-d", &node, "-s", "--to", "4", "--user-control-released"]).map(drop)
    }

    /// The same site's box as the bench plays it, to its home screen: the ui's own picture of it. Then its cells are gone.
    ///
    /// # Errors
    /// It does not come to its home screen.
    pub fn home_of_the_bench(&mut self) -> Result<PathBuf, Halt> {
        self.play.box_to_home(&self.out)?;
        self.play.until("the facility's word to the box", Duration::from_secs(20), |seen| seen.attached)?;
        self.play.idle(Duration::from_secs(2))?;
        for name in CELLS {
            self.play.stage.supervisor.keep_down(name, true)?;
            self.play.stage.supervisor.hurt(name, Signal::SIGTERM)?;
        }
        self.play.idle(Duration::from_secs(1))?;
        let pictures = self.play.bring_pictures(&self.out.join("pictures"))?;
        let home = pictures.into_iter().rfind(|path| path.to_string_lossy().contains("home"));
        let home = home.ok_or_else(|| Halt::Failed("the ui saved no picture of its home screen".to_owned()))?;
        let to = self.out.join("home-of-the-bench.png");
        fs::copy(home, &to)?;
        Ok(to)
    }

    /// Brings console, network and picture files of the machines to `out`.
    ///
    /// # Errors
    /// The disk is full.
    pub fn keep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)?.flatten() {
            let path = entry.path();
            let wanted = ["log", "pcap", "png"].iter().any(|end| path.extension().is_some_and(|e| e == *end));
            if wanted {
                fs::copy(&path, self.out.join(entry.file_name()))?;
            }
        }
        let journal = self.journal();
        let lines = journal.iter().map(|e| format!("{:9.3} {} {}[{}]: {}\n", e.at, e.priority, e.from, e.pid, e.text));
        fs::write(self.out.join("journal.log"), lines.collect::<String>())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // After a failure too: it is what one looks at. The disks are not: each has some 200 MB, and the next life makes its own.
        let _ = self.keep();
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|end| end == "img") {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a new boot starts from: of the sight so far, only what the facility said of itself.
fn seen_of_the_facility(play: &Play) -> parloir_bench::watch::Seen {
    let visitor_url = play.seen.visitor_url.clone();
    parloir_bench::watch::Seen { visitor_url, visitor_waits: play.seen.visitor_waits, ..Default::default() }
}

/// An entry of the guest's journal, also as the line that a cell of the bench would have printed.
fn hand_on(entry: Entry, journal: &Mutex<Vec<Entry>>, events: &Sender<Event>) {
    let unit = entry.unit.trim_end_matches(".service");
    let own = unit.strip_prefix("parloir-").map(|name| name.split('@').next().unwrap_or(name));
    // What systemd says of a unit is not the unit's own word.
    if let Some(name) = own.filter(|_| entry.from != "systemd") {
        let level = match entry.priority {
            0..=3 => "ERROR",
            4 => "WARN",
            _ => "INFO",
        };
        let text = format!("{:.3} {level} {name}: {}", entry.at, entry.text);
        let _ = events.send(Event::Line(Line { from: name.to_owned(), at: Instant::now(), text }));
    }
    lock(journal).push(entry);
}

/// The node of the TV's side of the guest's HDMI cable (vivid names its capture side `vid-cap`), which is made a TV there: somebody has
/// to be at the other end.
fn tv_node(probe: &Probe) -> io::Result<String> {
    let nodes: Vec<String> = probe.list("/dev")?.into_iter().filter(|name| name.starts_with("cec")).collect();
    for node in nodes.iter().map(|name| format!("/dev/{name}")) {
        if probe.out(&["cec-ctl", "-d", &node])?.contains("vid-cap") {
            probe.out(&["cec-ctl", "-d", &node, "-s", "--tv"])?;
            return Ok(node);
        }
    }
    Err(io::Error::other(format!("none of {nodes:?} in the guest is the TV's side of a cable")))
}

/// A disk with the probe's program on it, and nothing else.
fn probe_disk(built: &Built, dir: &Path) -> io::Result<PathBuf> {
    let (from, disk) = (dir.join("probe.d"), dir.join("probe.img"));
    fs::create_dir_all(&from)?;
    let program = from.join("parloir-probe");
    fs::copy(target().join("debug/parloir-probe"), &program)?;
    fs::set_permissions(&from, fs::Permissions::from_mode(0o755))?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    // Smaller where binutils are there; the guest reads it under emulation.
    let _ = Command::new("strip").arg(&program).output();
    let words = command(&built.tool(""), "usr/bin/mkfs.erofs");
    let made = Command::new(&words[0]).args(&words[1..]).args(["-zlz4", "--all-root"]).arg(&disk).arg(&from).output()?;
    fs::remove_dir_all(&from)?;
    if made.status.success() {
        return Ok(disk);
    }
    Err(io::Error::other(format!("mkfs.erofs: {}", String::from_utf8_lossy(&made.stderr).trim())))
}
