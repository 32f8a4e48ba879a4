//! Owns: the loop of a run: events taken in, processes looked after, keys pressed as a person would, waiting with a limit.
//! Never: what a visit is; a course tells it.
//! Called by: every course (demo, restarts, resume, faults).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use parloir_shell::BootTime;
use parloir_wire::keys::Key;

use crate::lines::{Event, Line};
use crate::remote;
use crate::stage::{Stage, Wanted};
use crate::walls::RUN;
use crate::watch::{Anew, Seen};

/// How often the loop looks after its processes.
const TICK: Duration = Duration::from_millis(10);
/// From the start of the box to its home screen, or of the facility to its link.
pub const HOME_LIMIT: Duration = Duration::from_secs(40);

/// A stage with everything that was seen on it.
pub struct Play {
    /// Its processes and places.
    pub stage: Stage,
    /// What was seen so far.
    pub seen: Seen,
    /// Every line as it came, and every end as a line from `bench`, for a course that wants them all.
    pub lines: Option<Vec<Line>>,
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

impl Play {
    /// Sets the stage with fresh logs: facility, broker, relay and bus run, no cell does.
    ///
    /// # Errors
    /// It cannot be set.
    pub fn set(wanted: &Wanted) -> io::Result<Self> {
        let logs = wanted.out.join("logs");
        let _ = fs::remove_dir_all(&logs);
        fs::create_dir_all(logs)?;
        let (sender, events) = mpsc::channel();
        stop_when_outside_goes(sender.clone());
        say("starting the facility, the broker, the relay and the bus");
        let stage = Stage::set(wanted, sender)?;
        Ok(Self { stage, seen: Seen::default(), lines: None, events, stopped: false, headless: wanted.headless })
    }

    /// Starts the box, and a door for keys in `out`; returns when the home screen is there.
    ///
    /// # Errors
    /// It does not come in time.
    pub fn box_to_home(&mut self, out: &Path) -> Result<(), Halt> {
        self.until("the facility", HOME_LIMIT, |seen| seen.visitor_url.is_some())?;
        say("starting the box: gate, arbiter, link, ui");
        self.stage.start_box()?;
        remote::forward(&out.join("remote"), &self.stage.remote)?;
        self.until("the home screen", HOME_LIMIT, |seen| seen.phase == "home")
    }

    /// Starts the visitor's browser and waits until its page waits for a call.
    ///
    /// # Errors
    /// It does not come in time.
    pub fn visitor_to_page(&mut self) -> Result<(), Halt> {
        let url = self.seen.visitor_url.clone().unwrap_or_default();
        self.stage.visitor(&url)?;
        self.until("the visitor's page in the browser", HOME_LIMIT, |seen| seen.visitor_waits)
    }

    /// OK, again after a while if the screen did not take it, as a person would. Returns when it was pressed, `CLOCK_BOOTTIME` ns.
    ///
    /// # Errors
    /// The screen stays as it is.
    pub fn press_ok_until_the_screen_leaves(&mut self, phase: &str) -> Result<i64, Halt> {
        for _ in 0..3 {
            let at = boot_ns();
            self.press(Key::Ok)?;
            let left = |seen: &Seen| seen.phase != phase && !seen.phase.is_empty();
            match self.until("an answer to OK", Duration::from_secs(5), left) {
                Ok(()) => return Ok(at),
                Err(Halt::Stopped) => return Err(Halt::Stopped),
                Err(Halt::Failed(_)) => say("nothing happened; pressing OK again"),
            }
        }
        Err(Halt::Failed(format!("OK was pressed three times and the screen still shows {phase}")))
    }

    /// A key, down and up.
    ///
    /// # Errors
    /// Gate's bench door is not there.
    pub fn press(&mut self, key: Key) -> Result<(), Halt> {
        remote::press(&self.stage.remote, key)?;
        Ok(())
    }

    /// Looks after everything for that long.
    ///
    /// # Errors
    /// The run was stopped.
    pub fn idle(&mut self, time: Duration) -> Result<(), Halt> {
        let limit = Instant::now() + time;
        while Instant::now() < limit {
            self.turn()?;
        }
        Ok(())
    }

    /// Looks after everything until `there` holds of what was seen.
    ///
    /// # Errors
    /// It did not within `limit`: the message says `what` was waited for and what runs. Or the run was stopped.
    pub fn until(&mut self, what: &str, limit: Duration, there: impl Fn(&Seen) -> bool) -> Result<(), Halt> {
        self.until_stage(what, limit, |play| there(&play.seen))
    }

    /// As [`Play::until`], of the processes too.
    ///
    /// # Errors
    /// As [`Play::until`].
    pub fn until_stage(&mut self, what: &str, limit: Duration, there: impl Fn(&Self) -> bool) -> Result<(), Halt> {
        let start = Instant::now();
        while !there(self) {
            if start.elapsed() >= limit {
                let place = self.stage.supervisor.running().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
                let phase = &self.seen.phase;
                let within = limit.as_secs();
                return Err(Halt::Failed(format!("{what}: not within {within} s. Screen: {phase}. Running: {place}")));
            }
            self.turn()?;
        }
        Ok(())
    }

    /// One turn: an event or a tick, then the processes.
    fn turn(&mut self) -> Result<(), Halt> {
        match self.events.recv_timeout(TICK) {
            Ok(Event::Line(line)) => self.take(line),
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
            if let Some(lines) = &mut self.lines {
                let text = format!("{} ended: {}", ended.name, ended.how);
                lines.push(Line { from: "bench".to_owned(), at: Instant::now(), text });
            }
            if ended.name == "visitor" {
                self.seen.visitor_done = true;
            }
            let in_order = ended.name == "ui" && ended.how == "exit code 0";
            if in_order && self.seen.awaits_new_screen() {
                self.seen.anew = Anew::Ended;
            } else if in_order && !self.headless {
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

    fn take(&mut self, line: Line) {
        self.seen.take(&line);
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }

    /// Stops everything and takes in what was printed last.
    pub fn stop(&mut self) {
        self.stage.supervisor.stop();
        while let Ok(event) = self.events.try_recv() {
            if let Event::Line(line) = event {
                self.take(line);
            }
        }
    }

    /// Brings the pictures of both sides to `to`: the roles write inside the namespaces; what is kept belongs to whoever ran the bench.
    ///
    /// # Errors
    /// A file cannot be copied.
    pub fn bring_pictures(&self, to: &Path) -> io::Result<Vec<PathBuf>> {
        let _ = fs::remove_dir_all(to);
        fs::create_dir_all(to)?;
        let mut kept = Vec::new();
        for (from, prefix) in [(self.stage.pictures.clone(), "tv-"), (Path::new(RUN).join("visitor"), "page-")] {
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

/// `CLOCK_BOOTTIME`, ns.
#[must_use]
pub fn boot_ns() -> i64 {
    i64::try_from(BootTime::now_ns()).unwrap_or(i64::MAX)
}

/// A line for the person at the command line.
pub fn say(text: &str) {
    println!("{text}");
}
