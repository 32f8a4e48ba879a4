//! Owns: what the courses of updates share: a box with an update server, bundles made for it, offers, restarts, and what came of them.
//! Never: an assertion; the tests beside it make them. RAUC, the updater, the firmware and the facility are the real ones.
//! Called by: `whole_updates.rs`.

pub mod bundles;
pub mod cuts;
pub mod falls;
pub mod switch;

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use parloir_bench::network::SITE;
use parloir_bench::walls::RUN;
use parloir_image::scene::HOME_LIMIT;
use parloir_image::tools::tree;
use parloir_image::{Halt, Machine, Options, Probe, Scene, Uki};
use serde_json::{Value, json};

use bundles::Bundles;

/// Where the facility serves updates; the network is the stage's own, so the port is free.
const PORT: u16 = 9443;
/// A step of an update under emulation, beside other work.
pub const STEP: Duration = Duration::from_secs(300);
/// From the offer to the end of an action: fetched, installed, restarted, watched, reported.
pub const WHOLE: Duration = Duration::from_secs(1500);

/// A box that runs, and the facility that offers it updates.
pub struct Site {
    /// The facility's side.
    pub scene: Scene,
    /// The box.
    pub machine: Machine,
    /// In the box.
    pub probe: Probe,
    /// What the box is made of; another start takes the same disk and the same memory of the firmware.
    pub options: Options,
    /// Bundles for it.
    pub bundles: Bundles,
    /// The boot that is on.
    boot: String,
    starts: usize,
}

/// What runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// `a` or `b`.
    pub slot: String,
    /// The version in the image's own words.
    pub version: String,
    /// This start is one that the firmware was asked for once. That it was kept since does not change what it was.
    pub trial: bool,
}

impl Running {
    /// The same version in the same slot.
    #[must_use]
    pub fn is_as(&self, other: &Self) -> bool {
        (&self.slot, &self.version) == (&other.slot, &other.version)
    }
}

impl Site {
    /// A facility and a box of the built image, at its home screen, in slot A. The hardware has a watchdog.
    ///
    /// # Errors
    /// As [`Scene::set`] and [`Scene::boot`].
    pub fn set(name: &str) -> Result<Self, Halt> {
        let updates = format!("{SITE}:{PORT}");
        let facility = ["--console", "--updates", &updates, "--updates-polling", "00:00:05"];
        let mut scene = Scene::set_with(name, &[], &facility)?;
        scene.play.lines = Some(Vec::new());
        scene.play.stage.supervisor.values.insert("updates".to_owned(), updates);
        unbooked(&mut scene)?;
        let bundles = Bundles::inside(name)?;
        let disk = scene.disk(Uki::Probe)?;
        let mut options = Options::new(name, &disk);
        options.arguments = ["-device", "i6300esb"].map(str::to_owned).to_vec();
        options.credentials.push(("systemd.unit-dropin.parloir-updater.service".to_owned(), faster()?.into_bytes()));
        let (machine, probe) = scene.boot(&options)?;
        let boot = probe.hello().map(|hello| hello.boot).unwrap_or_default();
        let mut site = Self { scene, machine, probe, options, bundles, boot, starts: 0 };
        site.until("the box's first question to the update server", STEP, |site| site.heard("ddi-poll", |_| true).is_some())?;
        Ok(site)
    }

    /// As [`Scene::until`].
    ///
    /// # Errors
    /// It did not within `limit`.
    pub fn until(&mut self, what: &str, limit: Duration, mut there: impl FnMut(&Self) -> bool) -> Result<(), Halt> {
        let begun = Instant::now();
        while !there(self) {
            let left = limit.saturating_sub(begun.elapsed());
            if left.is_zero() || self.machine.ended() {
                let last = self.journal_of("parloir-updater", 12).join("\n");
                let phase = &self.scene.play.seen.phase;
                return Err(Halt::Failed(format!("{what}: not within {} s. Screen: {phase}. Updater:\n{last}", limit.as_secs())));
            }
            self.scene.play.idle(Duration::from_millis(50))?;
        }
        Ok(())
    }

    /// The last event of that name from the facility for which `fits` holds.
    #[must_use]
    pub fn heard(&self, event: &str, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        let lines = self.scene.play.lines.iter().flatten().rev().filter(|line| line.from == "facility");
        lines.filter_map(|line| line.json()).find(|told| told["event"] == event && fits(told))
    }

    /// Every feedback to an action, in order.
    #[must_use]
    pub fn feedback(&self, action: u64) -> Vec<Value> {
        let lines = self.scene.play.lines.iter().flatten().filter(|line| line.from == "facility");
        let told = lines.filter_map(|line| line.json());
        told.filter(|told| told["event"] == "ddi-feedback" && told["action"] == action && told["status"] == 200).collect()
    }

    /// Offers a bundle; the action's number.
    ///
    /// # Errors
    /// The facility does not take the order.
    pub fn offer(&mut self, bundle: &Path, version: &str) -> Result<u64, Halt> {
        let before = self.heard("ddi-offered", |_| true).and_then(|told| told["action"].as_u64()).unwrap_or(0);
        // Forced: a person who is asked is not there, and what failed before may be offered again.
        let order = json!({ "do": "offer", "bundle": bundle, "version": version, "update": "forced" });
        self.scene.play.stage.supervisor.say("facility", &order.to_string())?;
        let newer = move |told: &Value| told["action"].as_u64().is_some_and(|action| action > before);
        self.until("the offer at the facility", STEP, |site| {
            site.heard("ddi-offered", newer).is_some() || site.heard("console", |told| told["error"].is_string()).is_some()
        })?;
        let offered = self.heard("ddi-offered", newer).and_then(|told| told["action"].as_u64());
        offered.ok_or_else(|| Halt::Failed(format!("no offer: {:?}", self.heard("console", |told| told["error"].is_string()))))
    }

    /// Waits for the end of an action at the facility: its last feedback.
    ///
    /// # Errors
    /// None within `limit`.
    pub fn closed(&mut self, action: u64, limit: Duration) -> Result<Value, Halt> {
        let is_it = move |told: &Value| told["action"] == action && told["execution"] == "closed" && told["of"] == "deployment";
        self.until(&format!("the end of action {action}"), limit, |site| site.heard("ddi-feedback", is_it).is_some())?;
        Ok(self.heard("ddi-feedback", is_it).unwrap_or_default())
    }

    /// Waits until the box has started once more, without a new machine.
    ///
    /// # Errors
    /// It does not within `limit`.
    pub fn restarted(&mut self, limit: Duration) -> Result<(), Halt> {
        let old = self.boot.clone();
        self.until("the box after its restart", limit, |site| site.probe.hello().is_some_and(|hello| hello.boot != old))?;
        self.boot = self.probe.hello().map(|hello| hello.boot).unwrap_or_default();
        // The first question stops the greeting.
        self.probe.clocks()?;
        Ok(())
    }

    /// Whether the box has started again since the last look.
    #[must_use]
    pub fn has_restarted(&self) -> bool {
        self.probe.hello().is_some_and(|hello| hello.boot != self.boot)
    }

    /// The plug is pulled and put in again; the probe answers.
    ///
    /// # Errors
    /// The box does not come up.
    pub fn cut(&mut self) -> Result<(), Halt> {
        self.machine.kill();
        self.scene.play.idle(Duration::from_millis(300))?;
        self.starts += 1;
        let options = Options { name: format!("{}-{}", self.options.name, self.starts), ..self.options.clone() };
        self.machine = self.scene.start(&options)?;
        self.probe = self.scene.listen(&self.machine)?;
        self.scene.greeted(&mut self.machine, &self.probe)?;
        self.boot = self.probe.hello().map(|hello| hello.boot).unwrap_or_default();
        Ok(())
    }

    /// Waits for the home screen.
    ///
    /// # Errors
    /// It does not come.
    pub fn home(&mut self) -> Result<(), Halt> {
        self.until("the home screen", HOME_LIMIT, |site| site.scene.play.seen.phase == "home")
    }

    /// What runs, by the initrd's word and the image's own.
    ///
    /// # Errors
    /// The probe is gone.
    pub fn running(&self) -> io::Result<Running> {
        let word = |text: &str, name: &str| -> String {
            text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim_matches('"').to_owned()
        };
        let (boot, release) = (self.probe.text("/run/parloir-boot.env")?, self.probe.text("/usr/lib/os-release")?);
        Ok(Running {
            slot: word(&boot, "PARLOIR_SLOT="),
            version: word(&release, "IMAGE_VERSION="),
            trial: self.probe.list("/run")?.iter().any(|name| name == "parloir-trial"),
        })
    }

    /// The firmware's own list: which slots it would take, in order.
    ///
    /// # Errors
    /// The probe is gone, or there is no such list.
    pub fn order(&self) -> io::Result<Vec<String>> {
        let told = self.probe.out(&["efibootmgr"])?;
        let order = told.lines().find_map(|line| line.strip_prefix("BootOrder: ")).unwrap_or_default();
        let name = |number: &str| {
            let line = told.lines().find(|line| line.starts_with(&format!("Boot{number}")))?;
            line.get(10..)?.split('\t').next().map(str::to_owned)
        };
        Ok(order.split(',').filter_map(name).filter(|name| name.starts_with("system-")).collect())
    }

    /// The last lines of a unit in the guest's journal.
    #[must_use]
    pub fn journal_of(&self, unit: &str, count: usize) -> Vec<String> {
        let journal = self.scene.journal();
        let mut lines: Vec<String> =
            journal.iter().rev().filter(|entry| entry.unit.starts_with(unit)).take(count).map(|e| e.text.clone()).collect();
        lines.reverse();
        lines
    }

    /// Seconds of processor time that a unit has used since the guest started.
    ///
    /// # Errors
    /// There is no such unit.
    pub fn cpu_of(&self, unit: &str) -> io::Result<f64> {
        let text = self.probe.text(&format!("/sys/fs/cgroup/parloir.slice/{unit}/cpu.stat"))?;
        let used = text.lines().find_map(|line| line.strip_prefix("usage_usec ")).and_then(|number| number.parse::<f64>().ok());
        Ok(used.unwrap_or_default() / 1e6)
    }

    /// Seconds of processor time that the whole guest has used since it started.
    ///
    /// # Errors
    /// The probe is gone.
    pub fn cpu_of_the_guest(&self) -> io::Result<f64> {
        let text = self.probe.text("/proc/stat")?;
        let numbers: Vec<f64> =
            text.lines().next().unwrap_or_default().split_whitespace().filter_map(|n| n.parse().ok()).collect();
        // All but idle and waiting for a disk, in hundredths (USER_HZ).
        let busy: f64 = numbers.iter().take(8).enumerate().filter(|(at, _)| *at != 3 && *at != 4).map(|(_, n)| n).sum();
        Ok(busy / 100.0)
    }
}

/// The updater's own command line, with more bytes in a second: nobody here shares the line with a visit.
fn faster() -> io::Result<String> {
    let unit = std::fs::read_to_string(tree().join("systemd/units/parloir-updater.service"))?;
    let start = unit.lines().find(|line| line.starts_with("ExecStart=")).unwrap_or_default();
    Ok(format!("[Service]\nExecStart=\n{start} --rate 30000000\n"))
}

/// Takes the bookings of a new site away: near one the box takes no update.
fn unbooked(scene: &mut Scene) -> Result<(), Halt> {
    let path = Path::new(RUN).join("keys/site/entitlement.json");
    let mut list: Value = serde_json::from_slice(&std::fs::read(&path)?).map_err(io::Error::other)?;
    list["bookings"] = json!([]);
    list["revision"] = json!(list["revision"].as_u64().unwrap_or(0) + 1);
    std::fs::write(&path, list.to_string())?;
    scene.play.stage.supervisor.hurt("facility", Signal::SIGKILL)?;
    // The one that comes after it hands the list out.
    let ready = |scene: &Scene| scene.play.lines.iter().flatten().filter(|line| line.text.contains("ddi-ready")).count() > 1;
    let begun = Instant::now();
    while !ready(scene) && begun.elapsed() < STEP {
        scene.play.idle(Duration::from_millis(50))?;
    }
    Ok(())
}

/// The code in the details of a feedback.
#[must_use]
pub fn code(feedback: &Value) -> String {
    let details = feedback["details"].as_array().cloned().unwrap_or_default();
    let first = details.first().and_then(Value::as_str).unwrap_or_default();
    first.split(':').next().unwrap_or_default().rsplit('.').next().unwrap_or_default().to_owned()
}
