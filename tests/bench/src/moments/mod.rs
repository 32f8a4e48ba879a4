//! Owns: arbiter, gate and link killed or stopped at random moments of a whole visit: which moments, and what is seen after each.
//! Never: judges (verdict does); waits for a state before it strikes: the moment is a time, whatever the box does then.
//! Called by: main, `scripts/test judge`, `scripts/soak judge`.

mod account;
pub mod record;
pub mod verdict;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use parloir_arbiter::ledger::{FILE, Ledger};
use parloir_wire::keys::Key;

use crate::faults::rig::Rig;
use crate::faults::{Moments, furnished};
use crate::play::{Halt, say};
use crate::stage::Wanted;
use crate::walls::RUN;
use verdict::{Played, Receipts, Seen, Struck};

/// From OK until the person hangs up.
const VISIT: Duration = Duration::from_secs(6);
/// Moments lie from OK until so long after it: asking, joining, the visit, its end, the screen that tells it, home again.
const COURSE_MS: u64 = 9_500;
/// Between two presses of a key that did not do what the person wanted.
const AGAIN: Duration = Duration::from_millis(1_200);
/// The look at the doors, after the blow; and a second one where the first saw a screen that was just changing.
const LOOK: Duration = Duration::from_secs(3);
const SECOND_LOOK: Duration = Duration::from_millis(600);
/// A cell that stands still for ever: its watchdog (10 s at most), and the restart.
const KILLED_BY_WATCHDOG_S: u64 = 40;
/// An appliance is used for so many moments.
const PER_RIG: usize = 25;

/// What the person at the command line wants.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// How many moments.
    #[arg(long, default_value_t = 4)]
    count: usize,
    /// Of the moments; the same seed chooses the same ones again.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The visitor is a real browser, so that there are pictures; else a page of paper that joins.
    #[arg(long)]
    browser: bool,
    /// No new moment begins after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    budget: Option<u64>,
    /// Writes what happened as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Adds the record, a section in Markdown.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Named in the record.
    #[arg(long, value_name = "COMMIT", default_value = "unknown")]
    commit: String,
    /// Where logs go.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Root of the source tree.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub tree: PathBuf,
}

impl Arguments {
    /// Where logs go.
    #[must_use]
    pub fn place(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| self.tree.join("out/moments"))
    }
}

/// Who is struck.
pub const PROCESSES: [&str; 3] = ["arbiter", "gate", "link"];

/// How.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// SIGKILL.
    Kill,
    /// SIGSTOP, until its watchdog kills it.
    Stop,
    /// SIGSTOP, and SIGCONT so long after it.
    Pause(Duration),
}

impl Blow {
    /// As it stands in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Stop => "stop",
            Self::Pause(_) => "pause",
        }
    }
}

/// One moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// After OK.
    pub at: Duration,
    /// Who.
    pub process: &'static str,
    /// How.
    pub blow: Blow,
}

/// The first `count` moments of a seed. Processes come in turn, so that a few moments are of each of them.
#[must_use]
pub fn chosen(seed: u64, count: usize) -> Vec<Moment> {
    let mut dice = Moments(seed);
    let choose = |n: usize| {
        let at = Duration::from_millis(dice.below(COURSE_MS));
        let blow = match dice.below(10) {
            0..=4 => Blow::Kill,
            5 | 6 => Blow::Stop,
            _ => Blow::Pause(Duration::from_millis(50 + dice.below(4_000))),
        };
        Moment { at, process: PROCESSES[n % PROCESSES.len()], blow }
    };
    (0..count).map(choose).collect()
}

/// Plays the moments inside the namespaces, and prints what came of them. `true` when nothing was wrong.
///
/// # Errors
/// It was stopped.
pub fn run(arguments: &Arguments, wanted: &Wanted) -> Result<bool, Halt> {
    let start = Instant::now();
    let (mut played, mut started, mut rig): (Vec<Played>, usize, Option<Rig>) = (Vec::new(), 0, None);
    let mut receipts = Receipts::default();
    for (n, moment) in chosen(arguments.seed, arguments.count).into_iter().enumerate() {
        if arguments.budget.is_some_and(|budget| start.elapsed().as_secs() >= budget) {
            break;
        }
        let fresh = match rig.take().filter(|_| n % PER_RIG != 0) {
            Some(rig) => Ok(rig),
            None => {
                started += 1;
                let wanted = furnished(wanted, started);
                fs::create_dir_all(&wanted.out)?;
                Rig::start(&wanted, |_| Ok(()))
            }
        };
        let seen = match fresh {
            Ok(mut used) => {
                let (seen, whole) = one(&mut used, moment, arguments.browser, n + 1)?;
                rig = whole.then_some(used);
                seen
            }
            Err(Halt::Stopped) => return Err(Halt::Stopped),
            Err(Halt::Failed(why)) => Seen { trouble: vec![why], ..Seen::default() },
        };
        let row = Played::judged(moment, seen, &mut receipts);
        say(&format!("{:3} of {}  {}", n + 1, arguments.count, row.line()));
        played.push(row);
    }
    let account = match rig.as_mut().map(account::fetched) {
        Some(Err(Halt::Stopped)) => return Err(Halt::Stopped),
        Some(Err(Halt::Failed(why))) => Err(why),
        Some(Ok(account)) => Ok(account),
        None => Err("no appliance was left to ask for its export".to_owned()),
    };
    drop(rig);
    let told = record::Told {
        played: &played,
        asked: arguments.count,
        seed: arguments.seed,
        browser: arguments.browser,
        account: &account,
    };
    say(&told.summary());
    if let Some(path) = &arguments.report {
        fs::write(path, serde_json::to_string_pretty(&told.json()).map_err(std::io::Error::other)? + "\n")?;
    }
    if let Some(path) = &arguments.record {
        let mut file = fs::File::options().create(true).append(true).open(path)?;
        std::io::Write::write_all(&mut file, told.markdown(&arguments.commit, start.elapsed()).as_bytes())?;
    }
    Ok(account.is_ok()
        && played.iter().all(|row| row.wrong.is_empty())
        && (played.len() == arguments.count || arguments.budget.is_some()))
}

/// One moment, and whether the appliance is fit for another.
fn one(rig: &mut Rig, moment: Moment, browser: bool, number: usize) -> Result<(Seen, bool), Halt> {
    rig.begin();
    rig.mark(&format!("moment {number}: {} {} at {} ms", moment.process, moment.blow.name(), moment.at.as_millis()));
    let mut struck = Struck::default();
    let mut trouble = Vec::new();
    let mut whole = true;
    let guest = if browser { rig.with_guest(true) } else { rig.with_paper() };
    match guest.and_then(|()| visit(rig, moment, &mut struck)).and_then(|()| over(rig, moment)) {
        Ok(()) => {}
        Err(Halt::Stopped) => return Err(Halt::Stopped),
        Err(Halt::Failed(why)) => trouble.push(why),
    }
    let seen = rig.observed();
    match rig.heal().and_then(|()| rig.home()) {
        Ok(()) => {}
        Err(Halt::Stopped) => return Err(Halt::Stopped),
        Err(Halt::Failed(why)) => {
            trouble.push(why);
            whole = false;
        }
    }
    rig.post(usize::from(whole && seen.ever_open))?;
    let mut all = seen.clone();
    rig.complete(&mut all);
    let ledger = ledger(rig.logs().parent().unwrap_or(Path::new(".")));
    Ok((
        Seen {
            struck,
            opened: seen.ever_open,
            shut_ms: seen.shut_ms,
            screens: seen.screens,
            receipts: all.receipts,
            rows: ledger.as_ref().ok().copied(),
            broken: ledger.err(),
            errors: all.errors,
            left: all.left,
            trouble,
            call: rig.trail.told("asked").then(|| rig.trail.stands.call.clone()),
        },
        whole,
    ))
}

/// OK, a visit, Back, as a person would; and the blow when its time comes, whatever is on the screen then.
fn visit(rig: &mut Rig, moment: Moment, struck: &mut Struck) -> Result<(), Halt> {
    let begin = Instant::now();
    rig.press(Key::Ok);
    let (mut pressed, mut joined, mut blown): (Instant, String, Option<Instant>) = (begin, String::new(), None);
    loop {
        rig.idle(Duration::from_millis(5))?;
        let since = begin.elapsed();
        match blown {
            None if since >= moment.at => {
                struck.phase = rig.trail.phase().to_owned();
                struck.open = rig.doors.open();
                rig.fault();
                let signal = if moment.blow == Blow::Kill { Signal::SIGKILL } else { Signal::SIGSTOP };
                rig.hurt(moment.process, signal)?;
                blown = Some(Instant::now());
            }
            Some(at) => {
                if let Blow::Pause(time) = moment.blow
                    && !struck.continued
                    && at.elapsed() >= time
                {
                    // A watchdog may have been quicker.
                    struck.continued = rig.hurt(moment.process, Signal::SIGCONT).is_ok() || at.elapsed() > LOOK;
                }
                if struck.look.is_none() && at.elapsed() >= LOOK {
                    struck.look = Some(look(rig)?);
                }
            }
            None => {}
        }
        if let Some(call) = rig.paper.as_ref().and_then(crate::faults::paper::Paper::rings).filter(|call| *call != joined) {
            rig.paper.iter().for_each(|paper| paper.join(&call));
            joined = call;
        }
        let wants = match rig.trail.phase() {
            // After a blow nobody calls again: what opens then is nobody's wish.
            "home" if blown.is_none() && since < VISIT => Some(Key::Ok),
            "asking" | "joining" | "live" | "held" if since >= VISIT => Some(Key::Back),
            _ => None,
        };
        if let Some(key) = wants.filter(|_| pressed.elapsed() >= AGAIN) {
            rig.press(key);
            pressed = Instant::now();
        }
        if struck.look.is_some() && since >= VISIT + AGAIN {
            return Ok(());
        }
    }
}

/// Who held a door, and what the screen said of it. A door and its screen do not change in the same instant: what disagrees is looked at
/// once more.
fn look(rig: &mut Rig) -> Result<(bool, String), Halt> {
    let seen = |rig: &Rig| (rig.doors.open(), rig.trail.phase().to_owned());
    let first = seen(rig);
    if !first.0 || verdict::is_visit(&first.1) {
        return Ok(first);
    }
    rig.idle(SECOND_LOOK)?;
    Ok(seen(rig))
}

/// What was stopped for ever is killed by its watchdog, and comes back.
fn over(rig: &mut Rig, moment: Moment) -> Result<(), Halt> {
    if moment.blow != Blow::Stop {
        return Ok(());
    }
    let (name, since) = (moment.process, rig.since());
    rig.until(&format!("the end of {name}, which stands still"), KILLED_BY_WATCHDOG_S, |rig| {
        rig.trail.ends.iter().any(|(at, text)| *at >= since && text.split(' ').next() == Some(name))
    })
}

/// A copy of the arbiter's database, read: its rows, or why its chain does not hold.
fn ledger(to: &Path) -> Result<u64, String> {
    let copy = to.join("ledger");
    let _ = fs::remove_dir_all(&copy);
    let copied = fs::create_dir_all(&copy).and_then(|()| {
        // The log before the file: a row that is moved between the two copies is then in both, never in none. -shm is made anew.
        for name in [format!("{FILE}-wal"), FILE.to_owned()] {
            let from = Path::new(RUN).join("state/arbiter").join(&name);
            if from.exists() {
                fs::copy(from, copy.join(name))?;
            }
        }
        Ok(())
    });
    copied.map_err(|why| format!("the ledger cannot be copied: {why}"))?;
    let checked = Ledger::open(&copy).and_then(|ledger| ledger.sound().and_then(|()| ledger.check()));
    checked.map(|(rows, _)| rows).map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_chooses_the_same_moments_and_many_of_them_are_everywhere_in_the_visit() {
        let many = chosen(1, 200);
        assert_eq!(many, chosen(1, 200));
        assert_ne!(many, chosen(2, 200));
        assert_eq!(many[..4], chosen(1, 4));
        for process in PROCESSES {
            for blow in ["kill", "stop", "pause"] {
                let of = |m: &&Moment| m.process == process && m.blow.name() == blow;
                assert!(many.iter().filter(of).count() >= 5, "{process} {blow}");
            }
        }
        for second in 0..COURSE_MS / 1000 {
            assert!(many.iter().filter(|m| m.at.as_secs() == second).count() >= 8, "second {second}");
        }
    }

    #[test]
    fn the_few_of_the_stage_are_of_each_process_and_within_the_visit() {
        let few = chosen(4915, 4);
        for process in PROCESSES {
            assert!(few.iter().any(|m| m.process == process), "{process}: {few:?}");
        }
        assert!(few.iter().all(|m| (2_000..VISIT.as_millis()).contains(&m.at.as_millis())), "{few:?}");
    }
}
