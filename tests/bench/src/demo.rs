//! Owns: the course of one visit on a stage: keys as a person presses them, waiting, measuring the end from outside, the verdict.
//! Never: shortcuts into a process; it sees lines, sockets and `/proc`, and presses keys.
//! Called by: main (inside the namespaces), the tests that bite.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use parloir_shell::BootTime;
use parloir_wire::keys::Key;

use crate::closing::{Closing, Guard};
use crate::floor;
use crate::lines::Event;
use crate::outside::FileId;
use crate::remote;
use crate::report::{self, Verdict};
use crate::stage::{Stage, Wanted};
use crate::usage::Meter;
use crate::watch::Seen;

/// How often the loop looks after its processes.
const TICK: Duration = Duration::from_millis(10);
/// From the start of the box to its home screen.
const HOME_LIMIT: Duration = Duration::from_secs(40);
/// From OK to media both ways, the visitor's Join included.
const LIVE_LIMIT: Duration = Duration::from_secs(45);
/// From the first pictures to figures that say something.
const SETTLING: Duration = Duration::from_secs(5);
/// From Back to the receipt.
const RECEIPT_LIMIT: Duration = Duration::from_secs(15);

/// The one wrong thing that the bench does itself: the facility does the others.
pub const PLACE_WITHOUT_KEY: &str = "place-without-key";

/// What the person at the command line wants.
#[derive(Clone, Debug)]
pub struct Course {
    /// The stage.
    pub wanted: Wanted,
    /// A headless Chromium joins.
    pub visitor: bool,
    /// Length of the visit; without a visitor: of the demo.
    pub seconds: Option<u64>,
    /// Where the report goes.
    pub report: Option<PathBuf>,
    /// A tampered run: a refusal is what shall happen.
    pub expect_refusal: bool,
}

/// A run under way.
pub struct Demo {
    stage: Stage,
    /// What was seen so far.
    pub seen: Seen,
    events: Receiver<Event>,
    stopped: bool,
    headless: bool,
}

/// Why the run did not come to its end.
#[derive(Debug)]
pub enum Halt {
    /// Ctrl-C, SIGTERM, or the caller went away.
    Stopped,
    /// What was waited for did not happen.
    Failed(String),
}

impl From<io::Error> for Halt {
    fn from(why: io::Error) -> Self {
        Self::Failed(why.to_string())
    }
}

/// Runs the course. `true` when what was wanted happened.
///
/// # Errors
/// It could not be started, or was stopped.
pub fn run(course: &Course) -> Result<bool, Halt> {
    let logs = course.wanted.out.join("logs");
    let _ = fs::remove_dir_all(&logs);
    fs::create_dir_all(logs)?;
    let reference = if course.visitor { Some(floor::reference(&course.wanted.cache)) } else { None };
    let (sender, events) = mpsc::channel();
    stop_when_outside_goes(sender.clone());
    say("starting the facility, the broker, the relay and the bus");
    let stage = Stage::set(&course.wanted, sender)?;
    let mut demo = Demo { stage, seen: Seen::default(), events, stopped: false, headless: course.wanted.headless };
    let outcome = demo.course(course);
    let verdict = match outcome {
        Ok(verdict) => verdict,
        Err(Halt::Stopped) if !course.visitor => Verdict::default(),
        Err(halt) => {
            demo.finish(course, &Verdict::default(), reference)?;
            return Err(halt);
        }
    };
    demo.finish(course, &verdict, reference)?;
    Ok(!course.visitor || verdict.as_wanted(&demo.seen, course.expect_refusal))
}

impl Demo {
    fn course(&mut self, course: &Course) -> Result<Verdict, Halt> {
        self.until("the facility", HOME_LIMIT, |seen| seen.visitor_url.is_some())?;
        let url = self.seen.visitor_url.clone().unwrap_or_default();
        say("starting the box: gate, arbiter, link, ui");
        self.stage.start_box()?;
        let outer = course.wanted.out.join("remote");
        remote::forward(&outer, &self.stage.remote)?;
        self.until("the home screen", HOME_LIMIT, |seen| seen.phase == "home")?;
        say(&format!("the visitor's page: {url}"));
        if !course.visitor {
            return self.open_house(course);
        }
        self.stage.visitor(&url)?;
        self.until("the visitor's page in the browser", HOME_LIMIT, |seen| seen.visitor_waits)?;
        self.visit(course)
    }

    /// Nobody is played: the person has the remote and the link.
    fn open_house(&mut self, course: &Course) -> Result<Verdict, Halt> {
        say("keys: arrows, Enter, Esc in the window, or scripts/remote from another terminal; Ctrl-C ends");
        match course.seconds {
            Some(seconds) => self.idle(Duration::from_secs(seconds))?,
            None => self.until("Ctrl-C", Duration::MAX, |_| false)?,
        }
        Ok(Verdict::default())
    }

    fn visit(&mut self, course: &Course) -> Result<Verdict, Halt> {
        let mut verdict = Verdict::default();
        let guard = course.expect_refusal.then(|| Guard::on(FileId::of(&self.stage.camera)?)).transpose()?;
        if course.wanted.tamper.as_deref() == Some(PLACE_WITHOUT_KEY) {
            say("a screen that was taken over dials without a key");
            self.stage.place_without_key()?;
            self.until("an answer to the screen that was taken over", HOME_LIMIT, |seen| seen.rogue.is_some())?;
        } else {
            say("pressing OK on the first contact");
            verdict.ok_ns = self.press_until_asked()?;
        }
        let settled = self.until("pictures on both sides", LIVE_LIMIT, |seen| {
            let both = seen.first_picture_ns.is_some() && seen.visitor.first_frame_ms.is_some();
            both || seen.rogue.is_some() || matches!(seen.phase.as_str(), "refused" | "ended")
        });
        if course.expect_refusal {
            self.idle(Duration::from_secs(3))?;
            verdict.camera_ever_open = guard.map(Guard::finish);
            let rogue = self.seen.rogue.as_ref().and_then(|told| told["phase"].as_str());
            verdict.phase = rogue.map_or_else(|| self.seen.phase.clone(), str::to_owned);
            return Ok(verdict);
        }
        settled?;
        if self.seen.phase == "refused" || self.seen.phase == "ended" {
            return Err(Halt::Failed(format!("no visit: the screen shows {}, {:?}", self.seen.phase, self.seen.refused)));
        }
        let seconds = course.seconds.unwrap_or(30);
        say(&format!("both sides see each other; the visit lasts {seconds} s"));
        let start = Instant::now();
        self.idle(SETTLING.min(Duration::from_secs(seconds)))?;
        let meter = Meter::start(self.stage.box_users());
        self.idle(Duration::from_secs(seconds).saturating_sub(start.elapsed()))?;
        verdict.usage = meter.read();
        self.end(&mut verdict)?;
        Ok(verdict)
    }

    /// OK, again after a while if the screen did not take it, as a person would.
    fn press_until_asked(&mut self) -> Result<i64, Halt> {
        for _ in 0..3 {
            let at = i64::try_from(BootTime::now_ns()).unwrap_or(i64::MAX);
            self.press(Key::Ok)?;
            match self.until("an answer to OK", Duration::from_secs(5), |seen| seen.phase != "home" && !seen.phase.is_empty()) {
                Ok(()) => return Ok(at),
                Err(Halt::Stopped) => return Err(Halt::Stopped),
                Err(Halt::Failed(_)) => say("nothing happened; pressing OK again"),
            }
        }
        Err(Halt::Failed("OK was pressed three times and the screen stayed at home".to_owned()))
    }

    /// Back, and the clock runs until nobody can see.
    fn end(&mut self, verdict: &mut Verdict) -> Result<(), Halt> {
        say("pressing Back");
        let closing = Closing::watch(FileId::of(&self.stage.camera)?, self.stage.supervisor.pid("call"))?;
        verdict.back_ns = i64::try_from(BootTime::now_ns()).unwrap_or(i64::MAX);
        self.press(Key::Back)?;
        self.until("the camera's end", Duration::from_secs(10), |_| closing.is_over())?;
        verdict.camera_closed_ms = closing.finish();
        self.until("the receipt", RECEIPT_LIMIT, |seen| seen.receipt.is_some())?;
        self.until("the end on both screens", RECEIPT_LIMIT, |seen| {
            matches!(seen.phase.as_str(), "ended" | "home") && (seen.visitor_ended || seen.visitor_done)
        })?;
        self.idle(Duration::from_millis(1500))?;
        verdict.visited = true;
        Ok(())
    }

    fn press(&mut self, key: Key) -> Result<(), Halt> {
        remote::press(&self.stage.remote, key)?;
        Ok(())
    }

    fn idle(&mut self, time: Duration) -> Result<(), Halt> {
        let limit = Instant::now() + time;
        while Instant::now() < limit {
            self.turn()?;
        }
        Ok(())
    }

    fn until(&mut self, what: &str, limit: Duration, there: impl Fn(&Seen) -> bool) -> Result<(), Halt> {
        let start = Instant::now();
        while !there(&self.seen) {
            if start.elapsed() >= limit {
                let place = self.stage.supervisor.running().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
                return Err(Halt::Failed(format!("{what}: not within {} s. Running: {place}", limit.as_secs())));
            }
            self.turn()?;
        }
        Ok(())
    }

    /// One turn: an event or a tick, then the processes.
    fn turn(&mut self) -> Result<(), Halt> {
        match self.events.recv_timeout(TICK) {
            Ok(Event::Line(line)) => self.seen.take(&line),
            Ok(Event::CallWanted(connection)) => {
                if let Err(why) = self.stage.supervisor.call_wanted(connection) {
                    eprintln!("bench: call does not start: {why}");
                }
            }
            Ok(Event::Hung(pid)) => self.stage.supervisor.hung(pid),
            Ok(Event::Stop) => self.stopped = true,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(Halt::Failed("the event channel closed".to_owned())),
        }
        for ended in self.stage.supervisor.reap() {
            if ended.name == "visitor" {
                self.seen.visitor_done = true;
            }
            if ended.name == "ui" && ended.how == "exit code 0" && !self.headless {
                say("the window was closed");
                self.stopped = true;
            } else if ended.unexpected {
                let text = format!("{} ended: {}", ended.name, ended.how);
                eprintln!("bench: {text}");
                self.seen.deaths.push(text);
            }
        }
        if self.stopped { Err(Halt::Stopped) } else { Ok(()) }
    }

    /// Stops everything, brings the pictures out, writes the report, says in words what happened.
    fn finish(&mut self, course: &Course, verdict: &Verdict, reference: Option<floor::Reference>) -> io::Result<()> {
        self.stage.supervisor.stop();
        while let Ok(event) = self.events.try_recv() {
            if let Event::Line(line) = event {
                self.seen.take(&line);
            }
        }
        let pictures = self.bring_pictures(course)?;
        let report = report::build(&self.seen, verdict, reference, &pictures);
        if let Some(path) = &course.report {
            let text = serde_json::to_string_pretty(&report).map_err(io::Error::other)?;
            fs::write(path, text + "\n")?;
        }
        if course.visitor {
            report::summary(&report).iter().for_each(|line| say(line));
        }
        say(&format!("logs: {}", course.wanted.out.join("logs").display()));
        Ok(())
    }

    /// The roles write inside the namespaces; what is kept belongs to whoever ran the bench.
    fn bring_pictures(&self, course: &Course) -> io::Result<Vec<PathBuf>> {
        let to = course.wanted.out.join("pictures");
        let _ = fs::remove_dir_all(&to);
        fs::create_dir_all(&to)?;
        let mut kept = Vec::new();
        for (from, prefix) in [(self.stage.pictures.clone(), "tv-"), (PathBuf::from("/run/parloir/visitor"), "page-")] {
            for entry in fs::read_dir(from)?.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.ends_with(".png") {
                    let path = to.join(format!("{prefix}{name}"));
                    fs::copy(entry.path(), &path)?;
                    kept.push(path);
                }
            }
        }
        kept.sort();
        Ok(kept)
    }
}

/// The life of this side: end of file on standard input means that the outside has gone.
fn stop_when_outside_goes(events: mpsc::Sender<Event>) {
    std::thread::spawn(move || {
        // Nothing is ever written there; any end of the read is the end.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let _ = events.send(Event::Stop);
    });
}

fn say(text: &str) {
    println!("{text}");
}
