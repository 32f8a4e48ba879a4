//! Owns: the loop: what happens goes through the table, what follows is done; time, bus and network meet here.
//! Never: a decision that the table, `health` or `ddi` could make.
//! Called by: main.

use crate::client::{Client, Trouble};
use crate::code::{Code, Refused};
use crate::ddi::{Base, Cancel, Offer, Poll, Running};
use crate::health::{self, Facility, Health, Verdict};
use crate::lease::{Answer, Arbiter, Lease, Stage};
use crate::rauc::{Manifest, Rauc, Slots};
use crate::store::{Before, Floor, Phase, Store};
use crate::table::{Cause, State, next};
use parloir_shell::{BootTime, notify};
use parloir_tls::Identity;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How often the arbiter is asked how the box is, while that matters.
const HEALTH: Duration = Duration::from_secs(5);
/// Between two questions to a RAUC that does not answer.
const SLOTS: Duration = Duration::from_secs(5);
/// Between two attempts of what RAUC refused to do.
const MARK: Duration = Duration::from_secs(10);
/// Between two requests for a lease that an operator wants now, and for another.
const LEASE: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(120));
/// A restart that does not come: the arbiter's own deadline for its lease is three minutes.
const RESTART: Duration = Duration::from_secs(200);
/// Longest wait for an answer of the bus; inspecting and marking have their own.
const ANSWER: Duration = Duration::from_secs(60);
/// Interrupted installations of one bundle.
const MAX_TRIES: u32 = 3;

/// What the updater needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `HOST:PORT`; empty: there are no updates.
    pub server: String,
    /// hawkBit's controller id: this box.
    pub controller: String,
    /// hawkBit's tenant: the site.
    pub tenant: String,
    /// What is kept.
    pub state: PathBuf,
    /// What this boot alone knows.
    pub run: PathBuf,
    /// PEM files.
    pub identity: Identity,
    /// Most bytes in a second of a forced download; another takes a quarter.
    pub rate: u64,
    /// The camera, when it enumerates.
    pub camera: PathBuf,
    /// The version of the running image (os-release(5), `IMAGE_VERSION`).
    pub os_release: PathBuf,
    /// What a failed trial's safety net left.
    pub trial_log: PathBuf,
}

/// Why the updater ended. It is started again by its supervisor.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The bus, which is the box itself.
    #[error("system bus: {0}: is it running, and may this user use it? [org.parloir.Error.NoBus]")]
    Bus(#[from] zbus::Error),
    /// The bus went away.
    #[error("system bus: the connection is gone [org.parloir.Error.NoBus]")]
    BusGone,
    /// Our own directory of this boot.
    #[error("{0}: {1}: look at tmpfiles.d [org.parloir.Error.Io]")]
    Run(PathBuf, std::io::Error),
}

/// What a task has to say.
#[derive(Debug)]
pub(crate) enum News {
    Slots(Result<Slots, String>),
    Health(Option<(Health, bool)>),
    Polled(Result<Poll, Trouble>),
    Base(Result<Base, Trouble>),
    Cancel(Result<Cancel, Trouble>),
    Sent(u64, Result<(), Trouble>),
    Configured(Result<(), Trouble>),
    Downloaded(String, Result<(), Refused>),
    Inspected(String, Result<Manifest, Option<Refused>>),
    Lease(Stage, Answer),
    Installed(Result<(), Refused>),
    Marked(Result<(), String>),
}

/// Everything that is known.
pub(crate) struct Updater {
    pub settings: Settings,
    pub store: Store,
    pub rauc: Rauc,
    pub arbiter: Arbiter,
    pub client: Option<Client>,
    pub tell: mpsc::Sender<News>,
    pub state: State,
    /// When the state's own time is over.
    pub due: Option<Instant>,
    /// Version that runs.
    pub version: String,
    /// This boot.
    pub boot: String,
    pub slots: Slots,
    /// The update under way, in every state but Waking and Resting; in a trial that nobody ordered, none.
    pub job: Option<Before>,
    pub offer: Option<Offer>,
    pub lease: Option<Lease>,
    /// A request for a lease is on its way.
    pub asking: bool,
    /// Why the update under way failed.
    pub refused: Option<Refused>,
    /// For the report of success.
    pub note: String,
    /// The arbiter's last reason.
    pub waits_for: String,
    /// The one that was reported.
    pub told_wait: String,
    /// Words for ledger and screen, in order.
    pub words: mpsc::UnboundedSender<(String, String)>,
    /// Id of a cancel that wants an answer.
    pub cancel: Option<String>,
    pub health: Health,
    pub quiet: watch::Sender<bool>,
    pub facility: Facility,
    pub download: Option<JoinHandle<()>>,
    pub desk: crate::desk::Desk,
}

/// Runs until the bus goes.
///
/// # Errors
/// See [`Ended`]. The absence of server, RAUC or arbiter is none.
pub async fn run(settings: Settings) -> Result<(), Ended> {
    let bus = zbus::connection::Builder::system().method_timeout(ANSWER).build().await?;
    // Its end is how we notice that the bus is gone.
    let mut owners = zbus::fdo::DBusProxy::new(&bus).await?.receive_name_owner_changed().await?;
    let (rauc, arbiter) = (Rauc::new(&bus).await?, Arbiter::new(&bus).await?);
    let (tell, mut news) = mpsc::channel(64);
    let (words, said) = mpsc::unbounded_channel();
    tokio::spawn(tell_arbiter(arbiter.clone(), said));
    let mut updater = Updater::new(settings, rauc, arbiter, (tell, words))?;
    updater.ask_slots();
    notify::ready();
    let every = notify::watchdog_every().unwrap_or(Duration::from_secs(3600));
    let mut pet = tokio::time::interval(every);
    let mut look = tokio::time::interval(HEALTH);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let (due, poll, send) = (updater.due, updater.poll_at(), updater.send_at());
        tokio::select! {
            told = news.recv() => updater.hear(told.ok_or(Ended::BusGone)?),
            () = at(due) => updater.due(),
            () = at(poll) => updater.poll(),
            () = at(send) => updater.send(),
            () = taken(&mut updater.lease) => { updater.lease = None; updater.step(Cause::LeaseTaken); }
            _ = look.tick() => updater.look(),
            owner = crate::rauc::next(&mut owners) => drop(owner.ok_or(Ended::BusGone)?),
            _ = pet.tick() => notify::watchdog(),
        }
    }
}

/// For the loop, and for ledger and screen.
type Voices = (mpsc::Sender<News>, mpsc::UnboundedSender<(String, String)>);

async fn tell_arbiter(arbiter: Arbiter, mut said: mpsc::UnboundedReceiver<(String, String)>) {
    while let Some((version, word)) = said.recv().await {
        arbiter.report(&version, &word).await;
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}

async fn taken(lease: &mut Option<Lease>) {
    match lease {
        Some(lease) => lease.taken().await,
        None => std::future::pending().await,
    }
}

impl Updater {
    fn new(settings: Settings, rauc: Rauc, arbiter: Arbiter, (tell, words): Voices) -> Result<Self, Ended> {
        let boot = this_boot(&settings.run).map_err(|e| Ended::Run(settings.run.clone(), e))?;
        let release = std::fs::read_to_string(&settings.os_release).unwrap_or_default();
        let version = value_of(&release, "IMAGE_VERSION").unwrap_or_default();
        let (client, facility) = if settings.server.is_empty() {
            tracing::info!(version, "no update server is named: no updates");
            notify::status("no update server");
            (None, Facility::Outage)
        } else {
            match Client::new(&settings.server, &settings.tenant, &settings.controller, &settings.identity) {
                Ok(client) => (Some(client), Facility::Unknown),
                Err(e) => {
                    tracing::warn!("{e}");
                    (None, Facility::NoSession)
                }
            }
        };
        Ok(Self {
            store: Store::new(&settings.state),
            desk: crate::desk::Desk::new(),
            quiet: watch::Sender::new(true),
            settings,
            rauc,
            arbiter,
            client,
            tell,
            state: State::Waking,
            due: None,
            version,
            boot,
            slots: Slots::default(),
            job: None,
            offer: None,
            lease: None,
            asking: false,
            refused: None,
            note: String::new(),
            waits_for: String::new(),
            told_wait: String::new(),
            words,
            cancel: None,
            health: Health::default(),
            facility,
            download: None,
        })
    }

    /// One step of the table. An act that cannot be done makes the step fail.
    pub(crate) fn step(&mut self, cause: Cause) {
        let from = self.state;
        let (to, acts) = next(from, cause);
        if to != from {
            let version = self.job.as_ref().map_or("", |job| job.version.as_str());
            tracing::info!(cause = cause.name(), version, "{} -> {}", from.name(), to.name());
            notify::status(&format!("{} {version}", to.name()));
        }
        self.state = to;
        self.due = self.time_of(to).map(|time| Instant::now() + time);
        for act in acts {
            if let Err(refused) = self.act(*act) {
                tracing::warn!("{refused}");
                self.refused = Some(refused);
                return self.step(Cause::Failed);
            }
        }
    }

    /// How long a state waits before it tries again or gives up.
    fn time_of(&self, state: State) -> Option<Duration> {
        let forced = self.job.as_ref().is_some_and(|job| job.forced);
        match state {
            State::Waking => Some(SLOTS),
            State::Blessing | State::Inspecting | State::Falling => Some(MARK),
            State::WaitInstall | State::WaitRestart => Some(crate::desk::spread(if forced { LEASE.0 } else { LEASE.1 })),
            State::Fallen | State::Restarting => Some(RESTART),
            State::Trial | State::Resting | State::Downloading | State::Installing | State::Reverting => None,
        }
    }

    fn due(&mut self) {
        self.due = None;
        if self.state == State::Waking {
            self.ask_slots();
            self.due = Some(Instant::now() + SLOTS);
        } else {
            self.step(Cause::Due);
        }
    }

    fn ask_slots(&self) {
        let (rauc, tell) = (self.rauc.clone(), self.tell.clone());
        tokio::spawn(async move { tell.send(News::Slots(rauc.slots().await)).await });
    }

    pub(crate) fn look(&self) {
        let matters = matches!(self.state, State::Trial | State::Downloading | State::Inspecting | State::WaitInstall);
        if matters {
            let (arbiter, camera, tell) = (self.arbiter.clone(), self.settings.camera.clone(), self.tell.clone());
            tokio::spawn(async move { tell.send(News::Health(arbiter.health(&camera).await)).await });
        }
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Slots(told) => self.woken(told),
            News::Health(told) => self.felt(told),
            News::Polled(told) => self.polled(told),
            News::Base(told) => self.offered(told),
            News::Cancel(told) => self.cancelled(told),
            News::Sent(report, told) => self.sent(report, told),
            News::Configured(told) => self.configured(told),
            News::Downloaded(action, told) if self.is_about(&action) => self.outcome(told, Cause::Downloaded),
            News::Inspected(action, told) if self.is_about(&action) => self.inspected(told),
            News::Downloaded(..) | News::Inspected(..) => {}
            News::Lease(stage, answer) => self.answered(stage, answer),
            News::Installed(told) => self.outcome(told, Cause::Installed),
            News::Marked(Ok(())) => self.step(Cause::Marked),
            News::Marked(Err(why)) => {
                tracing::warn!(code = "UpdateRauc", "RAUC did not mark the slot: {why}");
                self.step(Cause::NotMarked);
            }
        }
    }

    pub(crate) fn is_about(&self, action: &str) -> bool {
        self.job.as_ref().is_some_and(|job| job.action == action)
    }

    fn outcome(&mut self, told: Result<(), Refused>, good: Cause) {
        match told {
            Ok(()) => self.step(good),
            Err(refused) => self.fail(refused),
        }
    }

    fn fail(&mut self, refused: Refused) {
        tracing::warn!("{refused}");
        self.refused = Some(refused);
        self.step(Cause::Failed);
    }

    fn inspected(&mut self, told: Result<Manifest, Option<Refused>>) {
        let manifest = match told {
            Ok(manifest) => manifest,
            Err(Some(refused)) => return self.fail(refused),
            // RAUC is not there or at work; Due asks again.
            Err(None) => return,
        };
        match self.fits(&manifest) {
            Ok(()) => {
                if let Some(job) = &mut self.job {
                    job.version = manifest.version;
                }
                self.step(Cause::Inspected);
            }
            Err(refused) => self.fail(refused),
        }
    }

    fn fits(&self, manifest: &Manifest) -> Result<(), Refused> {
        if manifest.compatible != self.slots.compatible {
            let what = format!("it is for `{}`, this box is `{}`", manifest.compatible, self.slots.compatible);
            return Err(Refused::new(Code::UpdateCompatible, what));
        }
        let promised = self.offer.as_ref().map_or("", |offer| offer.version.as_str());
        if semver::Version::parse(promised).is_ok() && promised != manifest.version {
            let what = format!("the bundle is {}, the offer said {promised}", manifest.version);
            return Err(Refused::new(Code::UpdateVersion, what));
        }
        self.running().takes(&manifest.version)
    }

    pub(crate) fn running(&self) -> Running {
        Running { version: self.version.clone(), floor: self.store.floor() }
    }

    fn answered(&mut self, stage: Stage, answer: Answer) {
        self.asking = false;
        let wanted = match self.state {
            State::WaitInstall => Some(Stage::Install),
            State::WaitRestart | State::Falling => Some(Stage::Restart),
            _ => None,
        };
        if wanted != Some(stage) {
            return; // A lease that is not wanted any more is given back by being dropped.
        }
        match answer {
            Answer::Lease(lease) => {
                self.lease = Some(lease);
                self.step(Cause::LeaseGiven);
            }
            Answer::Refused(code, hint) => {
                self.note_wait(&code, &hint);
                self.step(Cause::LeaseRefused);
            }
            Answer::NoArbiter => {
                self.note_wait("NoArbiter", "the arbiter does not answer");
                self.step(Cause::NoArbiter);
            }
        }
    }

    fn felt(&mut self, told: Option<(Health, bool)>) {
        let (health, quiet) = told.unwrap_or((Health { camera: self.settings.camera.exists(), ..Health::default() }, true));
        self.health = Health { facility: self.facility == Facility::Session, ..health };
        self.quiet.send_if_modified(|before| std::mem::replace(before, quiet) != quiet);
        if self.state != State::Trial {
            return;
        }
        let before = self.job.as_ref().map_or_else(health::least, |job| job.health);
        if self.health.is_whole(&before) {
            self.leave_word("well");
        }
        self.note_missing(&self.health.lacks(&before));
        let other = self.job.as_ref().filter(|job| job.version != self.version);
        if let Some(job) = other {
            let what = format!("{} runs, the bundle said {}", self.version, job.version);
            self.refused = Some(Refused::new(Code::UpdateVersion, what));
            return self.step(Cause::Sick);
        }
        match health::judge(&before, &self.health, self.facility, BootTime::now_ns() / 1_000_000) {
            Verdict::Wait => {}
            Verdict::Well(note) => {
                self.note = note;
                self.step(Cause::Healthy);
            }
            Verdict::Sick(what) => {
                tracing::warn!(code = Code::UpdateNotHealthy.name(), "{what}");
                self.refused = Some(Refused::new(Code::UpdateNotHealthy, what));
                self.step(Cause::Sick);
            }
        }
    }

    /// Should the trial end before its time, this is what is known of it.
    fn note_missing(&mut self, lacks: &[&str]) {
        let why = if lacks.is_empty() { String::new() } else { format!("missing when it ended: {}", lacks.join(", ")) };
        if self.job.as_ref().is_some_and(|job| job.why != why)
            && let Err(refused) = self.write_down(|job| job.why = why)
        {
            tracing::warn!("{refused}");
        }
    }

    fn woken(&mut self, told: Result<Slots, String>) {
        if self.state != State::Waking {
            return;
        }
        let slots = match told {
            Ok(slots) => slots,
            Err(why) => return tracing::info!("RAUC does not say yet which slot runs: {why}"),
        };
        self.slots = slots;
        let Some(cause) = self.wake() else { return };
        if self.slots.is_good {
            self.leave_word("well");
            self.leave_word("blessed");
        }
        self.step(cause);
    }

    /// What the slots and what was written down say about where we are; `None`: not yet.
    fn wake(&mut self) -> Option<Cause> {
        let before = self.store.before();
        let same_boot = before.as_ref().is_some_and(|before| before.boot == self.boot);
        if self.slots.is_installing {
            let ours = before.filter(|before| same_boot && before.phase == Phase::Installing);
            self.job = ours;
            return self.job.is_some().then_some(Cause::WokeInstalling);
        }
        if self.slots.booted.is_empty() {
            tracing::warn!(code = "UpdateRauc", "RAUC does not know which slot runs");
            return None;
        }
        let Some(mut before) = before else {
            return Some(if self.slots.is_good { Cause::WokeIdle } else { Cause::WokeTrial });
        };
        let old = self.slots.booted == before.from.slot;
        match (old, before.phase) {
            (false, Phase::Downloading) => {
                let _ = self.store.set_before(None).map_err(|e| tracing::warn!("{e}"));
                Some(if self.slots.is_good { Cause::WokeIdle } else { Cause::WokeTrial })
            }
            (false, _) => {
                before.phase = Phase::Trial;
                before.boot.clone_from(&self.boot);
                self.keep(before);
                Some(if self.slots.is_good { Cause::WokeNew } else { Cause::WokeTrial })
            }
            // The old slot itself is not blessed: that comes first, and what was under way begins anew.
            (true, _) if !self.slots.is_good => Some(Cause::WokeTrial),
            (true, Phase::Installing | Phase::Installed) if same_boot && !self.slots.stays => {
                before.phase = Phase::Installed;
                self.keep(before);
                Some(Cause::WokeInstalled)
            }
            (true, Phase::Downloading) => Some(Cause::WokeIdle),
            (true, Phase::Installing) | (true, Phase::Installed) if same_boot || before.phase == Phase::Installing => {
                Some(self.interrupted(before))
            }
            (true, Phase::Installing | Phase::Installed | Phase::Trial | Phase::Falling) => {
                let code = Code::from_name(&before.code).unwrap_or(Code::UpdateSilent);
                let what = if before.why.is_empty() { "it left no word".to_owned() } else { before.why.clone() };
                self.refused = Some(Refused::new(code, what));
                self.job = Some(before);
                Some(Cause::WokeFailed)
            }
        }
    }

    fn interrupted(&mut self, mut before: Before) -> Cause {
        if before.tries < MAX_TRIES {
            tracing::info!(tries = before.tries, "the installation was interrupted: it begins anew");
            before.phase = Phase::Downloading;
            let _ = self.store.set_before(Some(&before)).map_err(|e| tracing::warn!("{e}"));
            return Cause::WokeIdle;
        }
        self.refused = Some(Refused::new(Code::UpdateInterrupted, format!("{} tries", before.tries)));
        self.job = Some(before);
        Cause::WokeFailed
    }

    fn keep(&mut self, before: Before) {
        let _ = self.store.set_before(Some(&before)).map_err(|e| tracing::warn!("{e}"));
        self.job = Some(before);
    }

    /// A file of this boot, for the units that stand beside us.
    pub(crate) fn leave_word(&self, name: &str) {
        let path = self.settings.run.join(name);
        if !path.exists()
            && let Err(e) = std::fs::write(&path, "")
        {
            tracing::warn!(code = "Io", "{}: {e}", path.display());
        }
    }

    /// The newest blessed version.
    pub(crate) fn raised_floor(&self) -> Floor {
        let floor = self.store.floor();
        let newer = |a: &str, b: &str| match (semver::Version::parse(a), semver::Version::parse(b)) {
            (Ok(a), Ok(b)) => a >= b,
            (a, _) => a.is_ok(),
        };
        if !newer(&self.version, &floor.version) {
            return floor;
        }
        let sha256 = match &self.job {
            Some(job) => job.sha256.clone(),
            None if floor.version == self.version => floor.sha256,
            None => String::new(),
        };
        Floor { v: 1, version: self.version.clone(), sha256 }
    }
}

/// A word that no other boot has, kept where a restart of the box wipes it.
fn this_boot(run: &std::path::Path) -> std::io::Result<String> {
    let path = run.join("boot");
    if let Ok(known) = std::fs::read_to_string(&path)
        && known.len() == 32
    {
        return Ok(known);
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| std::io::Error::other(e.to_string()))?;
    let boot = crate::download::hex(&bytes);
    std::fs::write(&path, &boot)?;
    Ok(boot)
}

/// A value of os-release(5), without its quotes.
fn value_of(text: &str, key: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim_matches(|c| c == '"' || c == '\'').to_owned())
}
