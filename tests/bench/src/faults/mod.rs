//! Owns: the visit under fault: which rows and cells are played, one after the other, and what is told of them.
//! Never: knows what a row does (rows, cells) or what is right (verdict).
//! Called by: main, `scripts/test faults`, `scripts/soak faults`.

pub mod around;
pub mod cells;
pub mod doors;
pub mod paper;
pub mod rig;
pub mod rogue;
pub mod rows;
pub mod table;
pub mod trail;
pub mod verdict;

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::play::{Halt, say};
use crate::stage::Wanted;
use cells::{ABSENT_S, BEAT_EVERY_S, BEAT_GRACE_S, Cell, State};
use rig::Rig;
use rows::{On, Row};
use table::Played;
use verdict::{Expect, Paper, toothless};

/// Cells that the stage `faults` plays: one kill and one stop at least of each process.
pub const CI_CELLS: &[&str] = &[
    "idle-arbiter-kill",
    "ringing-ui-kill",
    "asking-gate-kill",
    "asking-link-kill",
    "joining-arbiter-stop",
    "joining-ui-stop",
    "joining-call-stop",
    "live-arbiter-kill",
    "live-arbiter-term",
    "live-gate-stop",
    "live-gate-kill",
    "live-link-stop",
    "live-ui-kill",
    "live-call-kill",
    "live-broker-kill",
    "live-broker-stop",
    "live-facility-kill",
    "held-facility-stop",
    "held-gate-pause",
    "closing-arbiter-kill",
];

/// What the person at the command line wants.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// Only these rows or cells (such as deny, live-gate-kill); each may be given more than once.
    #[arg(long = "row", value_name = "NAME")]
    rows: Vec<String>,
    /// Names of all rows and cells, and what is declared; plays nothing.
    #[arg(long)]
    list: bool,
    /// Also the rows that take a minute or more; with --sweep: these beside the cells.
    #[arg(long)]
    long: bool,
    /// Every cell: states by processes by signals, each at a random moment.
    #[arg(long)]
    sweep: bool,
    /// Of the random moments.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// No new row begins after so many seconds; those that are left are named.
    #[arg(long, value_name = "SECONDS")]
    budget: Option<u64>,
    /// Writes what happened as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Writes the record of a sweep as Markdown.
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

/// A row or a cell, to be played.
#[derive(Clone)]
struct Case {
    name: String,
    on: On,
    course: Course,
    expect: Expect,
}

#[derive(Clone, Copy)]
enum Course {
    Row(fn(&mut Rig) -> Result<(), Halt>),
    Cell(Cell, Duration),
}

impl Arguments {
    /// What only prints: `true` when that was all.
    #[must_use]
    pub fn printed(&self) -> bool {
        if self.list {
            rows::all().iter().for_each(|row| say(&format!("{:28} {}", row.name, row.fault)));
            Cell::all().filter(|cell| cell.expect().is_some()).for_each(|cell| say(&cell.name()));
        }
        self.list
    }

    /// Where logs go.
    #[must_use]
    pub fn place(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| self.tree.join("out/faults"))
    }

    fn cases(&self) -> Result<Vec<Case>, Halt> {
        let mut moments = Moments(self.seed);
        let chosen = |row: &Row| {
            if self.rows.is_empty() { !self.sweep && (row.ci || self.long) } else { self.rows.iter().any(|n| n == row.name) }
        };
        let mut cases: Vec<Case> = rows::all().iter().filter(|row| chosen(row)).map(case_of_row).collect();
        for cell in Cell::all() {
            let moment = moments.next();
            let name = cell.name();
            let wanted = match (self.rows.is_empty(), self.sweep) {
                (false, _) => self.rows.contains(&name),
                (true, true) => true,
                (true, false) => CI_CELLS.contains(&name.as_str()),
            };
            if let Some(expect) = cell.expect().filter(|_| wanted) {
                let on = if cell.state >= State::Live { On::Browser } else { On::Shared };
                cases.push(Case { name, on, course: Course::Cell(cell, moment), expect });
            }
        }
        let unknown: Vec<&String> = self.rows.iter().filter(|name| !cases.iter().any(|case| case.name == **name)).collect();
        if !unknown.is_empty() {
            return Err(Halt::Failed(format!("no row or cell is called {unknown:?}; --list has them")));
        }
        Ok(cases)
    }
}

fn case_of_row(row: &Row) -> Case {
    Case { name: row.name.to_owned(), on: row.on, course: Course::Row(row.course), expect: row.expect }
}

/// Numbers from a seed, so that a run can be played again.
pub(crate) struct Moments(pub(crate) u64);

impl Moments {
    /// A moment within a state.
    fn next(&mut self) -> Duration {
        Duration::from_millis(200 + self.below(2_000))
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // A seed of zero would stay zero.
        self.0 = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(0x9e37_79b9_7f4a_7c15);
        ((self.0 ^ (self.0 >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32) % end
    }
}

/// What a rig is started with: short beats and a visitor who is soon absent, so that nobody waits.
pub(crate) fn furnished(wanted: &Wanted, number: usize) -> Wanted {
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let (every, grace, absent) = (BEAT_EVERY_S.to_string(), BEAT_GRACE_S.to_string(), ABSENT_S.to_string());
    Wanted {
        headless: true,
        out: wanted.out.join(format!("rig-{number}")),
        init: words(&["--beat-every", &every, "--beat-grace", &grace, "--expired-key"]),
        facility: words(&["--console", "--tamperable", "--absent-after", &absent]),
        ..wanted.clone()
    }
}

/// Plays what is wanted, inside the namespaces. `true` when every row was as declared.
///
/// # Errors
/// It was stopped, or an unknown row was named.
pub fn run(arguments: &Arguments, wanted: &Wanted) -> Result<bool, Halt> {
    let mut cases: VecDeque<Case> = arguments.cases()?.into();
    // One appliance is started at a time, and the browser once and late; those that need their own come last.
    cases.make_contiguous().sort_by_key(|case| match case.on {
        On::Shared => 0,
        On::Browser => 1,
        On::Own(_) => 2,
    });
    let start = Instant::now();
    let mut players = Players { wanted: wanted.clone(), rig: None, started: 0 };
    let mut played = Vec::new();
    let mut left = Vec::new();
    while let Some(case) = cases.pop_front() {
        if arguments.budget.is_some_and(|budget| start.elapsed().as_secs() >= budget) {
            left.push(case.name);
            continue;
        }
        let row = players.play(&case)?;
        say(&row.line());
        row.wrong.iter().for_each(|line| say(&format!("       {line}")));
        if !row.wrong.is_empty() {
            say(&format!("       logs: {}", row.logs.display()));
        }
        played.push(row);
    }
    drop(players);
    left.iter().for_each(|name| say(&format!("not reached: {name}")));
    // Once more at the end, where whoever reads only the end sees them.
    for row in played.iter().filter(|row| !row.wrong.is_empty()) {
        say(&format!("wrong: {}: {}; logs: {}", row.name, row.wrong.join("; "), row.logs.display()));
    }
    let good = played.iter().filter(|row| row.wrong.is_empty()).count();
    say(&format!("{good} of {} as declared, {} not reached, {} s", played.len(), left.len(), start.elapsed().as_secs()));
    say(&table::worst(&played));
    write(arguments, &played, &left, start.elapsed())?;
    Ok(good == played.len() && (left.is_empty() || arguments.sweep))
}

fn write(arguments: &Arguments, played: &[Played], left: &[String], took: Duration) -> io::Result<()> {
    if let Some(path) = &arguments.report {
        let rows: Vec<_> = played.iter().map(Played::json).collect();
        fs::write(path, serde_json::to_string_pretty(&rows)? + "\n")?;
    }
    if let Some(path) = &arguments.record {
        fs::write(path, table::record(&arguments.commit, arguments.seed, took, played, left))?;
    }
    Ok(())
}

/// The appliance that rows share, and how many were started.
struct Players {
    wanted: Wanted,
    rig: Option<Rig>,
    started: usize,
}

impl Players {
    fn rig(&mut self, on: On) -> Result<&mut Rig, Halt> {
        if self.rig.is_none() || matches!(on, On::Own(_)) {
            // The old one must be gone: it uses the same directories.
            self.rig = None;
            self.started += 1;
            let wanted = furnished(&self.wanted, self.started);
            fs::create_dir_all(&wanted.out)?;
            let rig = match on {
                On::Shared | On::Browser => Rig::start(&wanted, |_| Ok(())),
                On::Own(before) => Rig::start(&wanted, before),
            };
            self.rig = Some(rig?);
        }
        self.rig.as_mut().ok_or_else(|| Halt::Failed("no appliance".to_owned()))
    }

    /// One row; what goes wrong with its appliance is a fault of the row, and the next row gets another appliance.
    fn play(&mut self, case: &Case) -> Result<Played, Halt> {
        let start = Instant::now();
        let rig = match self.rig(case.on) {
            Ok(rig) => rig,
            Err(Halt::Stopped) => return Err(Halt::Stopped),
            Err(Halt::Failed(why)) => {
                self.rig = None;
                let logs = furnished(&self.wanted, self.started).out.join("logs");
                return Ok(Played::broken(&case.name, case.expect, why, logs));
            }
        };
        let (row, whole) = on_rig(rig, case, start)?;
        if !whole || matches!(case.on, On::Own(_)) {
            self.rig = None;
        }
        Ok(row)
    }
}

/// The row, and whether its appliance is fit for another.
fn on_rig(rig: &mut Rig, case: &Case, start: Instant) -> Result<(Played, bool), Halt> {
    rig.begin();
    rig.mark(&case.name);
    let course = match case.course {
        Course::Row(course) => course(rig),
        Course::Cell(cell, moment) => cell.play(rig, moment),
    };
    let mut trouble = Vec::new();
    match course.and_then(|()| rig.observe(&case.expect)) {
        Ok(()) => {}
        Err(Halt::Stopped) => return Err(Halt::Stopped),
        Err(Halt::Failed(why)) => trouble.push(why),
    }
    let mut seen = rig.observed();
    let whole = match rig.heal().and_then(|()| rig.home()) {
        Ok(()) => true,
        Err(Halt::Stopped) => return Err(Halt::Stopped),
        Err(Halt::Failed(why)) => {
            trouble.push(why);
            false
        }
    };
    let receipts = usize::from(!matches!(case.expect.receipt, Paper::None | Paper::Perhaps(_)));
    rig.post(if whole { receipts } else { 0 })?;
    rig.complete(&mut seen);
    seen.trouble.extend(trouble);
    let mut wrong = case.expect.judge(&seen);
    wrong.extend(seen.trouble.iter().cloned());
    wrong.extend(seen.errors.iter().map(|line| format!("a bug by its own word: {line}")));
    wrong.extend(seen.left.iter().map(|what| format!("left running: {what}")));
    if wrong.is_empty() {
        wrong.extend(toothless(&case.expect, &seen).iter().map(|column| format!("the check of the {column} cannot fail")));
    }
    let played = Played { name: case.name.clone(), expect: case.expect, seen, wrong, took: start.elapsed(), logs: rig.logs() };
    Ok((played, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(rows: &[&str], sweep: bool) -> Arguments {
        Arguments {
            rows: rows.iter().map(|name| (*name).to_owned()).collect(),
            list: false,
            long: false,
            sweep,
            seed: 7,
            budget: None,
            report: None,
            record: None,
            commit: String::new(),
            out: None,
            tree: PathBuf::new(),
        }
    }

    #[test]
    fn names_choose_and_an_unknown_one_is_told() {
        let names = |a: &Arguments| a.cases().expect("known").iter().map(|c| c.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&wanted(&["deny", "live-gate-kill"], false)), ["deny", "live-gate-kill"]);
        assert!(wanted(&["nonsense"], false).cases().is_err());
        assert_eq!(names(&wanted(&[], true)).len(), 184);
        let ci = names(&wanted(&[], false));
        assert!(CI_CELLS.iter().all(|cell| ci.iter().any(|name| name == cell)));
    }

    #[test]
    fn every_process_is_killed_and_stopped_in_the_stage() {
        for process in cells::Process::ALL {
            for blow in ["kill", "stop"] {
                let played = CI_CELLS.iter().filter_map(|name| Cell::named(name));
                let found = played.into_iter().any(|cell| cell.process == *process && cell.blow.name() == blow);
                assert!(found, "{} {blow}", process.name());
            }
        }
    }

    #[test]
    fn a_seed_gives_the_same_moments_again() {
        let moments = |seed| {
            let mut m = Moments(seed);
            (0..5).map(|_| m.next()).collect::<Vec<_>>()
        };
        assert_eq!(moments(3), moments(3));
        assert_ne!(moments(3), moments(4));
        assert!(moments(0).iter().any(|m| *m != moments(0)[0]));
    }
}
