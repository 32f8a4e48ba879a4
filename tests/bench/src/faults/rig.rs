//! Owns: one appliance with its facility on which rows are played one after the other: into a state, the fault, what follows, home again.
//! Never: judges (verdict does), knows a row.
//! Called by: the runner and every row.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use parloir_wire::keys::Key;
use serde_json::{Value, json};

use super::around::small_disk;
use super::doors::Doors;
use super::paper::Paper;
use super::trail::Trail;
use super::verdict::{Expect, Observed};
use crate::outside::{FileId, pids, user_of};
use crate::play::{Halt, Play};
use crate::stage::Wanted;
use crate::walls::RUN;

/// The cells that run while the box is at home.
const CELLS: [&str; 4] = ["gate", "arbiter", "link", "ui"];
/// The parts whose loss a site would mend.
const PARTS: [&str; 3] = ["broker", "relay", "facility"];
/// A page or a screen that should change does so within this, on a busy machine.
const SOON: u64 = 15;
/// Visits after which the relay of a rig is started anew.
const VISITS_PER_RELAY: usize = 8;
/// After everything was as declared, it must stay so for this long.
const SETTLE: Duration = Duration::from_millis(700);

/// See the module.
pub struct Rig {
    /// The processes.
    pub play: Play,
    /// What this row has seen.
    pub trail: Trail,
    /// The look from outside.
    pub doors: Doors,
    /// The page of paper, while one is open.
    pub paper: Option<Paper>,
    /// What a row's own course found wrong.
    pub troubles: Vec<String>,
    /// The visit of this row has real pictures.
    pub real_visit: bool,
    /// A page was in the visit whose pictures nobody counts.
    pub unwatched: bool,
    out: PathBuf,
    began: Instant,
    fault: Option<Instant>,
    guest: bool,
    granted: usize,
    stopped: Vec<String>,
    down: Vec<String>,
    /// What puts right what this row changed.
    pub mending: Vec<Mending>,
}

/// A step of putting things right.
pub type Mending = Box<dyn FnOnce(&mut Rig) -> Result<(), Halt>>;

impl Rig {
    /// Starts everything and waits for the home screen. `before` is done when the parts run and no cell does.
    ///
    /// # Errors
    /// It does not come to its home screen.
    pub fn start(wanted: &Wanted, before: impl FnOnce(&mut Play) -> Result<(), Halt>) -> Result<Self, Halt> {
        let mut play = Play::set(wanted)?;
        play.lines = Some(Vec::new());
        small_disk(&play)?;
        let user = |name: &str| play.stage.supervisor.user(name);
        let boxes = CELLS.iter().map(|cell| user(&format!("parloir-{cell}"))).collect::<Result<Vec<_>, _>>()?;
        let sources = vec![FileId::of(&wanted.cache.join("cell.y4m"))?, FileId::of(&wanted.cache.join("cell.wav"))?];
        let doors = Doors::watch(sources, boxes, user("parloir-call")?);
        before(&mut play)?;
        play.box_to_home(&wanted.out)?;
        let mut rig = Self {
            play,
            trail: Trail::default(),
            doors,
            paper: None,
            troubles: Vec::new(),
            real_visit: false,
            unwatched: false,
            out: wanted.out.clone(),
            began: Instant::now(),
            fault: None,
            guest: false,
            granted: 0,
            stopped: Vec::new(),
            down: Vec::new(),
            mending: Vec::new(),
        };
        rig.drain();
        rig.until("the box at the broker", SOON, |rig| rig.trail.stands.online)?;
        // Link tells the facility before it tells the arbiter.
        rig.idle(SETTLE)?;
        Ok(rig)
    }

    /// Where logs are.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.out.join("logs")
    }

    /// Writes the row's name into every log.
    pub fn mark(&self, name: &str) {
        for entry in fs::read_dir(self.logs()).into_iter().flatten().flatten() {
            if let Ok(mut log) = fs::File::options().append(true).open(entry.path()) {
                let _ = std::io::Write::write_all(&mut log, format!("==== {name}\n").as_bytes());
            }
        }
    }

    fn drain(&mut self) {
        let lines = self.play.lines.replace(Vec::new()).unwrap_or_default();
        lines.iter().for_each(|line| self.trail.take(line));
        if let Some(paper) = &mut self.paper {
            paper.listen();
        }
    }

    /// Looks after everything for that long.
    ///
    /// # Errors
    /// The run was stopped.
    pub fn idle(&mut self, time: Duration) -> Result<(), Halt> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.play.idle(Duration::from_millis(5))?;
            self.drain();
        }
        Ok(())
    }

    /// Looks after everything until `there` holds.
    ///
    /// # Errors
    /// It did not within `seconds`.
    pub fn until(&mut self, what: &str, seconds: u64, there: impl Fn(&Self) -> bool) -> Result<(), Halt> {
        let limit = Instant::now() + Duration::from_secs(seconds);
        while !there(self) {
            if Instant::now() >= limit {
                let running = self.play.stage.supervisor.running().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
                let screen = &self.trail.stands.screen;
                return Err(Halt::Failed(format!("{what}: not within {seconds} s. Screen: {screen}. Running: {running}")));
            }
            self.idle(Duration::from_millis(5))?;
        }
        Ok(())
    }

    // ---- a row

    /// A new row: nothing seen yet.
    pub fn begin(&mut self) {
        self.drain();
        self.trail.begin();
        self.troubles.clear();
        (self.began, self.fault, self.real_visit, self.unwatched) = (Instant::now(), None, false, false);
    }

    /// The fault happens now: every time is counted from here.
    pub fn fault(&mut self) {
        self.drain();
        self.fault = Some(Instant::now());
    }

    /// When the fault was; the row's begin as long as there was none.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.fault.unwrap_or(self.began)
    }

    /// Tells what the row's own course finds wrong.
    pub fn want(&mut self, holds: bool, otherwise: &str) {
        if !holds {
            self.troubles.push(otherwise.to_owned());
        }
    }

    /// Waits until what was declared is there and stays for a moment, at most as long as declared.
    ///
    /// # Errors
    /// The run was stopped.
    pub fn observe(&mut self, expect: &Expect) -> Result<(), Halt> {
        let limit = self.since() + Duration::from_secs(expect.within_s);
        let mut steady: Option<Instant> = None;
        while Instant::now() < limit {
            let reached = expect.reached(&self.trail.stands.screen, self.doors.open(), self.doors.all_shut(self.since()))
                && expect.restarts.iter().all(|name| self.is_back(name));
            // A second must pass after the fault in any case: what was so before is not what came of it.
            let old = self.since().elapsed() > Duration::from_secs(1);
            steady = if reached && old { steady.or_else(|| Some(Instant::now())) } else { None };
            if steady.is_some_and(|at| at.elapsed() >= SETTLE) {
                return Ok(());
            }
            self.idle(Duration::from_millis(5))?;
        }
        Ok(())
    }

    /// Whether that process ended since the fault and runs again, or is kept from it.
    fn is_back(&self, name: &str) -> bool {
        let since = self.since();
        let ended = self.trail.ends.iter().any(|(at, text)| *at >= since && text.split(' ').next() == Some(name));
        let supervisor = &self.play.stage.supervisor;
        ended && (self.down.iter().any(|down| down == name) || supervisor.pid(name).is_some() && supervisor.ready(name))
    }

    /// What was seen since the fault, without what only home shows.
    #[must_use]
    pub fn observed(&self) -> Observed {
        let since = self.since();
        let before = self.trail.screens.iter().take_while(|(at, _)| *at <= since).count().saturating_sub(1);
        let names = self.trail.ends.iter().filter(|(at, _)| *at >= since);
        let kept = |name: &str| CELLS.contains(&name) || PARTS.contains(&name);
        Observed {
            screens: self.trail.screens[before..].iter().map(|(_, screen)| screen.clone()).collect(),
            ever_open: self.doors.ever_open(self.began),
            open: self.doors.open(),
            shut_ms: self.doors.shut_after(since).map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            ended: names
                .filter_map(|(_, text)| Some(text.split_once(" ended: ")?.0.to_owned()))
                .filter(|name| kept(name))
                .collect(),
            ..Observed::default()
        }
    }

    /// Adds what is known only when the appliance is at home again.
    pub fn complete(&mut self, seen: &mut Observed) {
        self.drain();
        seen.receipts = self.trail.receipts.iter().map(|(_, receipt)| receipt.clone()).collect();
        seen.decoded_s = (!self.unwatched).then(|| self.trail.both_decoded());
        seen.real_visit = self.real_visit;
        seen.errors.clone_from(&self.trail.errors);
        seen.trouble.append(&mut self.troubles);
        seen.left = self.left();
    }

    /// What runs that should not, or does not run that should, at home.
    #[must_use]
    pub fn left(&self) -> Vec<String> {
        let mut found = Vec::new();
        let users: Vec<u32> = pids().into_iter().filter_map(user_of).collect();
        for (name, wanted) in CELLS.map(|cell| (cell, 1)).into_iter().chain([("call", 0)]) {
            let user = self.play.stage.supervisor.user(&format!("parloir-{name}")).unwrap_or(u32::MAX);
            let count = users.iter().filter(|other| **other == user).count();
            if count != wanted {
                found.push(format!("{count} processes of {name}, not {wanted}"));
            }
        }
        if self.doors.open() {
            found.push("somebody holds camera or microphone".to_owned());
        }
        found
    }

    // ---- hands

    /// Presses a key, if gate is there to take it.
    pub fn press(&mut self, key: Key) {
        let _ = self.play.press(key);
        self.drain();
    }

    /// Presses OK at home until the screen changes.
    ///
    /// # Errors
    /// It stays.
    pub fn ok(&mut self) -> Result<(), Halt> {
        for _ in 0..4 {
            self.press(Key::Ok);
            if self.until("an answer to OK", 4, |rig| rig.trail.phase() != "home").is_ok() {
                return Ok(());
            }
        }
        Err(Halt::Failed(format!("OK was pressed four times and the screen stays {}", self.trail.stands.screen)))
    }

    /// Says a line to the facility's console.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn console(&mut self, order: &Value) -> Result<(), Halt> {
        Ok(self.play.stage.supervisor.say("facility", &order.to_string())?)
    }

    /// The facility lies in this way from now on; empty: it is honest again.
    ///
    /// # Errors
    /// It cannot be told.
    pub fn tamper(&mut self, how: &str) -> Result<(), Halt> {
        self.console(&json!({ "do": "tamper", "how": how }))
    }

    /// Says an order to the browser.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn guest(&mut self, order: &Value) -> Result<(), Halt> {
        Ok(self.play.stage.supervisor.say("visitor", &order.to_string())?)
    }

    /// Says an order to the browser and waits until it is done.
    ///
    /// # Errors
    /// It cannot be, or is not within 15 s.
    pub fn guest_does(&mut self, order: &Value) -> Result<(), Halt> {
        let did = |rig: &Self| rig.trail.visitor.iter().filter(|(_, event)| event["event"] == "did").count();
        let before = did(self);
        self.guest(order)?;
        self.until(&format!("the browser's {order}"), SOON, |rig| did(rig) > before)?;
        let error = self.trail.visitor.iter().rev().find(|(_, e)| e["event"] == "did").map(|(_, e)| e["error"].clone());
        match error {
            Some(Value::String(why)) => Err(Halt::Failed(format!("the browser's {order}: {why}"))),
            _ => Ok(()),
        }
    }

    /// Signals a process and remembers that it stands.
    ///
    /// # Errors
    /// It does not run.
    pub fn hurt(&mut self, name: &str, signal: Signal) -> Result<u32, Halt> {
        let pid = self.play.stage.supervisor.hurt(name, signal)?;
        match signal {
            Signal::SIGSTOP => self.stopped.push(name.to_owned()),
            Signal::SIGCONT => self.stopped.retain(|known| known != name),
            _ => {}
        }
        Ok(pid)
    }

    /// Kills it and keeps it down.
    ///
    /// # Errors
    /// It does not run.
    pub fn down(&mut self, name: &str) -> Result<(), Halt> {
        self.play.stage.supervisor.keep_down(name, true)?;
        self.down.push(name.to_owned());
        self.hurt(name, Signal::SIGKILL).map(drop)
    }

    /// Lets it come up again.
    ///
    /// # Errors
    /// It does not start.
    pub fn up(&mut self, name: &str) -> Result<(), Halt> {
        self.down.retain(|known| known != name);
        Ok(self.play.stage.supervisor.keep_down(name, false)?)
    }

    // ---- visitors

    /// A page of paper at the first contact's link.
    ///
    /// # Errors
    /// The facility does not take it.
    pub fn with_paper(&mut self) -> Result<(), Halt> {
        if self.paper.as_mut().is_some_and(Paper::listen) {
            return Ok(());
        }
        if self.guest {
            self.guest_does(&json!({ "do": "close" }))?;
            self.trail.stands.view = "closed".to_owned();
        }
        self.paper = Some(Paper::open(&self.trail.stands.url.clone(), &Self::authority())?);
        Ok(())
    }

    /// The site's own authority for TLS (PEM).
    #[must_use]
    pub fn authority() -> PathBuf {
        Path::new(RUN).join("keys/tls/ca.pem")
    }

    /// A real browser at the first contact's link, waiting for a call; `join` tells whether it joins when it rings.
    ///
    /// # Errors
    /// It does not come.
    pub fn with_guest(&mut self, join: bool) -> Result<(), Halt> {
        self.paper = None;
        self.real_visit = true;
        if !self.guest || self.play.stage.supervisor.pid("visitor").is_none() {
            let url = self.trail.stands.url.clone();
            self.trail.stands.view.clear();
            self.play.stage.visitor_with(&url, &["--stay"])?;
            self.guest = true;
            self.until("the browser", 60, |rig| rig.trail.stands.view == "waiting")?;
        } else if self.trail.stands.view != "waiting" {
            self.guest_does(&json!({ "do": "goto" }))?;
            self.until("the browser's page", SOON, |rig| rig.trail.stands.view == "waiting")?;
        }
        self.guest_does(&json!({ "do": "auto", "join": join }))
    }

    // ---- states of Call

    /// Asking: OK was pressed, the facility was asked, nobody joins.
    ///
    /// # Errors
    /// It does not come to it.
    pub fn asking(&mut self) -> Result<(), Halt> {
        if self.guest && self.trail.stands.view == "waiting" {
            self.guest_does(&json!({ "do": "auto", "join": false }))?;
        }
        self.ok()?;
        self.until("asking", SOON, |rig| rig.trail.phase() == "asking" && rig.trail.told("asked"))
    }

    /// Joining: a page of paper was admitted; the doors are open, no picture comes.
    ///
    /// # Errors
    /// It does not come to it.
    pub fn joining(&mut self) -> Result<(), Halt> {
        self.with_paper()?;
        self.asking()?;
        self.paper_joins()?;
        self.until("joining with open doors", SOON, |rig| rig.trail.phase() == "joining" && rig.doors.open())
    }

    /// Joining, where the fault was there from the start.
    ///
    /// # Errors
    /// It does not come to it.
    pub fn joining_is_the_fault(&mut self) -> Result<(), Halt> {
        self.fault();
        self.joining()
    }

    /// The page of paper joins what rings.
    ///
    /// # Errors
    /// It does not ring.
    pub fn paper_joins(&mut self) -> Result<(), Halt> {
        self.until("ringing at the page", SOON, |rig| rig.paper.as_ref().is_some_and(|paper| paper.rings().is_some()))?;
        if let Some((paper, call)) = self.paper.as_ref().and_then(|paper| Some((paper, paper.rings()?))) {
            paper.join(&call);
        }
        Ok(())
    }

    /// Live: pictures both ways with a real browser.
    ///
    /// # Errors
    /// It does not come to it.
    pub fn live(&mut self) -> Result<(), Halt> {
        self.with_guest(true)?;
        self.ok()?;
        self.until("live", 45, |rig| rig.trail.phase() == "live" && rig.doors.open())
    }

    /// Held: live before, and the page stands still.
    ///
    /// # Errors
    /// It does not come to it.
    pub fn held(&mut self) -> Result<(), Halt> {
        self.live()?;
        self.idle(Duration::from_millis(1500))?;
        self.guest_does(&json!({ "do": "freeze", "on": true }))?;
        self.until("held", SOON, |rig| rig.trail.phase() == "held")
    }

    /// Closing: live before, the page stands still, and Back was pressed: the last statement is waited for.
    ///
    /// # Errors
    /// It does not come to it.
    pub fn closing(&mut self) -> Result<(), Halt> {
        self.live()?;
        self.idle(Duration::from_millis(1500))?;
        self.guest_does(&json!({ "do": "freeze", "on": true }))?;
        self.press(Key::Back);
        self.until("closing", 4, |rig| rig.trail.phase() == "closing")
    }

    /// Ringing: a visitor on paper calls in, again after a while where the facility says that it is too soon, or that another ring
    /// (which died with an arbiter) is not over.
    ///
    /// # Errors
    /// It does not ring.
    pub fn ringing(&mut self) -> Result<(), Halt> {
        self.with_paper()?;
        for _ in 0..6 {
            if let Some(paper) = &self.paper {
                paper.call();
            }
            if self.until("ringing in the cell", 3, |rig| rig.trail.phase() == "ringing").is_ok() {
                return Ok(());
            }
            if let Some(paper) = &self.paper {
                paper.cancel();
            }
            self.idle(Duration::from_secs(2))?;
        }
        Err(Halt::Failed("a visitor called six times, and it does not ring in the cell".to_owned()))
    }

    // ---- home again

    /// Takes every fault back.
    ///
    /// # Errors
    /// A part does not start again.
    pub fn heal(&mut self) -> Result<(), Halt> {
        for name in std::mem::take(&mut self.stopped) {
            let _ = self.play.stage.supervisor.hurt(&name, Signal::SIGCONT);
        }
        self.down.clear();
        for name in CELLS.iter().chain(&PARTS) {
            self.play.stage.supervisor.keep_down(name, false)?;
        }
        self.writable(true)?;
        self.free_disk();
        self.camera("cell.y4m")?;
        let settled = |rig: &Self| {
            let up = |name: &&str| rig.play.stage.supervisor.ready(name);
            CELLS.iter().all(up) && PARTS.iter().all(|name| rig.play.stage.supervisor.pid(name).is_some())
        };
        self.until("every process again", 30, settled)?;
        if self.guest {
            let _ = self.guest_does(&json!({ "do": "freeze", "on": false }));
        }
        self.tamper("")?;
        self.console(&json!({ "do": "beats", "on": true }))?;
        for mend in std::mem::take(&mut self.mending) {
            mend(self)?;
        }
        Ok(())
    }

    /// Presses Back until the home screen stands, online, with the page waiting.
    ///
    /// # Errors
    /// It does not come to it within half a minute.
    pub fn home(&mut self) -> Result<(), Halt> {
        let limit = Instant::now() + Duration::from_secs(40);
        while self.trail.phase() != "home" || !self.trail.stands.online {
            if Instant::now() >= limit {
                return Err(Halt::Failed(format!("not at home again: the screen says {}", self.trail.stands.screen)));
            }
            match self.trail.phase() {
                "home" | "starting" | "closing" | "" => self.idle(Duration::from_millis(100))?,
                _ => {
                    self.press(Key::Back);
                    self.idle(Duration::from_millis(900))?;
                }
            }
        }
        self.paper = None;
        if self.guest && self.trail.stands.view != "waiting" {
            let _ = self.guest_does(&json!({ "do": "back" }));
            if self.until("the page waiting", 5, |rig| rig.trail.stands.view == "waiting").is_err() {
                self.guest_does(&json!({ "do": "goto" }))?;
                self.until("the page waiting", SOON, |rig| rig.trail.stands.view == "waiting")?;
            }
        }
        self.fresh_relay()
    }

    /// A relay keeps the allocation of a killed call for ten minutes, and the bench's has forty ports: after some visits it starts anew.
    fn fresh_relay(&mut self) -> Result<(), Halt> {
        self.granted += self.trail.facility.iter().filter(|(_, event)| event["event"] == "granted").count();
        if self.granted < VISITS_PER_RELAY {
            return Ok(());
        }
        self.granted = 0;
        let before = self.play.stage.supervisor.started("relay");
        self.play.stage.supervisor.hurt("relay", Signal::SIGKILL)?;
        self.until("the relay again", SOON, |rig| rig.play.stage.supervisor.started("relay") > before)?;
        self.idle(SETTLE)
    }

    /// Waits for receipts that are still on their way: `wanted` of them, and a moment more in which none may come.
    ///
    /// # Errors
    /// The run was stopped.
    pub fn post(&mut self, wanted: usize) -> Result<(), Halt> {
        let limit = Instant::now() + Duration::from_secs(SOON);
        while self.trail.receipts.len() < wanted && Instant::now() < limit {
            self.idle(Duration::from_millis(50))?;
        }
        self.idle(SETTLE)
    }
}
