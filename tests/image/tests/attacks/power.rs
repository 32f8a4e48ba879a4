//! Owns: cuts of the power at seeded moments of boot, visit and ledger writing, and the look at the box after each.
//! Never: a cut without a look.
//! Called by: `whole_power.rs`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use parloir_image::dice::Dice;
use parloir_image::scene::HOME_LIMIT;
use parloir_image::story::ledger;
use parloir_image::{Halt, Machine, Options, Probe, Scene, Uki};
use serde_json::Value;

const STEP: Duration = Duration::from_secs(150);
/// The latest moment of a cut: after power in a boot, after OK in a visit, after the first key where rows are written.
const LATEST: [(Moment, f64); 3] = [(Moment::Boot, 20.0), (Moment::Visit, 16.0), (Moment::Ledger, 8.0)];

/// Where in its life a box is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Boot,
    Visit,
    Ledger,
}

/// How often, by which seed.
pub struct Wanted {
    cuts: usize,
    seed: u64,
    limit: Duration,
    record: Option<PathBuf>,
    commit: String,
}

impl Wanted {
    /// Three cuts by seed 1, unless the environment says otherwise.
    pub fn from_environment() -> Self {
        let word = |name: &str| std::env::var(format!("PARLOIR_POWER_{name}")).ok();
        let number = |name: &str, default: u64| word(name).and_then(|text| text.parse().ok()).unwrap_or(default);
        Self {
            cuts: usize::try_from(number("CUTS", 3)).unwrap_or(3),
            seed: number("SEED", 1),
            limit: Duration::from_secs(60 * number("MINUTES", 60)),
            record: word("RECORD").map(PathBuf::from),
            commit: word("COMMIT").unwrap_or_default(),
        }
    }
}

/// A cut and what came after it.
struct Cut {
    moment: Moment,
    after_s: f64,
    phase: String,
    home_s: f64,
    rows: usize,
    wrong: Vec<String>,
}

/// What must never be lost: rows that a look has seen, receipts that the facility was given.
#[derive(Default)]
struct Memory {
    rows: Vec<Value>,
    /// Ids of receipts by call, as the facility took them.
    receipts: BTreeMap<String, Vec<String>>,
}

/// The course.
///
/// # Errors
/// The box does not come home after a cut, or something is not as it must be; the record is written all the same.
pub fn course(wanted: &Wanted) -> Result<(), Halt> {
    let begun = Instant::now();
    let mut scene = Scene::set("power")?;
    scene.play.lines = Some(Vec::new());
    let disk = scene.disk(Uki::Probe)?;
    let mut dice = Dice(wanted.seed);
    let (mut memory, mut cuts) = (Memory::default(), Vec::new());
    let mut running: Option<(Machine, Probe)> = None;
    let mut halted = None;
    for number in 0..wanted.cuts {
        if begun.elapsed() > wanted.limit {
            break;
        }
        let (moment, latest) = LATEST[number % LATEST.len()];
        let after = Duration::from_secs_f64(dice.upto(latest));
        println!("cut {number}: {moment:?} after {:.1} s", after.as_secs_f64());
        let options = Options::new(&format!("cut{number}"), &disk);
        match cut(&mut scene, &mut memory, running.take(), &options, moment, after, number) {
            Ok((cut, next)) => {
                println!("cut {number}: home after {:.0} s, {} rows, wrong: {:?}", cut.home_s, cut.rows, cut.wrong);
                cuts.push(cut);
                running = Some(next);
            }
            Err(why) => {
                halted = Some(why);
                break;
            }
        }
        write(wanted, &cuts, begun.elapsed())?;
    }
    write(wanted, &cuts, begun.elapsed())?;
    scene.keep()?;
    if let Some(why) = halted {
        return Err(why);
    }
    let wrong: Vec<String> = cuts.iter().flat_map(|cut| cut.wrong.clone()).collect();
    if wrong.is_empty() { Ok(()) } else { Err(Halt::Failed(wrong.join("\n"))) }
}

/// One cut, the boot after it, and the look. The machine of the look goes on to the next cut.
fn cut(
    scene: &mut Scene,
    memory: &mut Memory,
    running: Option<(Machine, Probe)>,
    options: &Options,
    moment: Moment,
    after: Duration,
    number: usize,
) -> Result<(Cut, (Machine, Probe)), Halt> {
    let phase = match (moment, running) {
        (Moment::Boot, before) => {
            // The box before it is cut too, at home.
            drop(before);
            let mut machine = scene.start(&Options { name: format!("{}-boot", options.name), ..options.clone() })?;
            scene.play.idle(after)?;
            machine.kill();
            "boot".to_owned()
        }
        (Moment::Visit | Moment::Ledger, before) => {
            let (mut machine, probe) = match before {
                Some(pair) => pair,
                None => up(scene, &Options { name: format!("{}-first", options.name), ..options.clone() })?,
            };
            if moment == Moment::Visit {
                visit(scene, &mut machine, &probe, after)?
            } else {
                rows(scene, &mut machine, &probe, after)?
            }
        }
    };
    scene.play.idle(Duration::from_millis(300))?;
    let begun = Instant::now();
    let (mut machine, probe) = up(scene, options)?;
    let home_s = begun.elapsed().as_secs_f64();
    let (rows, wrong) = look(scene, &mut machine, &probe, memory, &scene.out.join(format!("state-{number}")))?;
    let wrong = wrong.into_iter().map(|what| format!("cut {number} ({moment:?}, {phase}): {what}")).collect();
    Ok((Cut { moment, after_s: after.as_secs_f64(), phase, home_s, rows, wrong }, (machine, probe)))
}

/// Power, until the screen is at home, or tells what became of the visit that was cut off.
fn up(scene: &mut Scene, options: &Options) -> Result<(Machine, Probe), Halt> {
    let mut machine = scene.start(options)?;
    let probe = scene.listen(&machine)?;
    scene.greeted(&mut machine, &probe)?;
    let there = |scene: &Scene| matches!(scene.play.seen.phase.as_str(), "home" | "ended" | "refused");
    scene.until(&mut machine, "the screen after a cut", HOME_LIMIT, there)?;
    Ok((machine, probe))
}

/// OK on the first contact, and cut off so long after it, whatever the visit has come to. Says what the screen showed.
fn visit(scene: &mut Scene, machine: &mut Machine, probe: &Probe, after: Duration) -> Result<String, Halt> {
    scene.until(machine, "the facility's word to the box", STEP, |scene| scene.play.seen.attached)?;
    // A browser of the visit before may still show its end.
    if scene.play.stage.supervisor.pid("visitor").is_some() {
        let _ = scene.play.stage.supervisor.hurt("visitor", Signal::SIGTERM);
        scene.play.idle(Duration::from_secs(2))?;
    }
    scene.play.seen.visitor_waits = false;
    scene.play.visitor_to_page()?;
    leave_outcome(scene, machine, probe)?;
    probe.press("ok")?;
    scene.play.idle(after)?;
    let phase = scene.play.seen.phase.clone();
    machine.kill();
    Ok(phase)
}

/// Questions and their ends, one after the other, each a few rows, and cut off in the middle of them.
fn rows(scene: &mut Scene, machine: &mut Machine, probe: &Probe, after: Duration) -> Result<String, Halt> {
    scene.until(machine, "the facility's word to the box", STEP, |scene| scene.play.seen.attached)?;
    leave_outcome(scene, machine, probe)?;
    let (presser, keys) = (probe.clone(), ["ok", "esc", "esc"]);
    // Its own thread: the cut comes while a key is under way. It ends with the machine, whose probe then answers nothing.
    let pressing = std::thread::spawn(move || while keys.iter().all(|key| presser.press(key).is_ok()) {});
    scene.play.idle(Duration::from_secs(3) + after)?;
    let phase = scene.play.seen.phase.clone();
    machine.kill();
    let _ = pressing.join();
    Ok(phase)
}

/// Back, until the screen is at home: the box tells of the visit that was cut off.
fn leave_outcome(scene: &mut Scene, machine: &mut Machine, probe: &Probe) -> Result<(), Halt> {
    for _ in 0..5 {
        if scene.play.seen.phase == "home" {
            break;
        }
        probe.press("esc")?;
        let _ = scene.until(machine, "home", Duration::from_secs(5), |scene| scene.play.seen.phase == "home");
    }
    scene.until(machine, "home", STEP, |scene| scene.play.seen.phase == "home")
}

/// What must hold after every cut.
fn look(
    scene: &mut Scene,
    machine: &mut Machine,
    probe: &Probe,
    memory: &mut Memory,
    to: &Path,
) -> Result<(usize, Vec<String>), Halt> {
    let mut wrong = Vec::new();
    for name in probe.list("/dev")?.into_iter().filter(|name| name.starts_with("video")) {
        let path = format!("/dev/{name}");
        let (node, openers) = (probe.stat(&path)?, probe.openers(&path)?);
        if node.uid != 0 || node.mode & 0o077 != 0 || !openers.is_empty() {
            wrong.push(format!("{path} is not shut: user {}, mode {:o}, {} openers", node.uid, node.mode, openers.len()));
        }
    }
    if probe.processes()?.iter().any(|process| process.unit.starts_with("parloir-call@")) {
        wrong.push("a call process runs".to_owned());
    }
    scene.until(machine, "the facility's word to the box", STEP, |scene| scene.play.seen.attached)?;
    let read = ledger(probe, to)?;
    if read["whole"] != true {
        wrong.push(format!("the ledger's chain: {}", read["why"]));
    }
    let rows = read["rows"].as_array().cloned().unwrap_or_default();
    if !rows.starts_with(&memory.rows) {
        wrong.push(format!("rows that were there are gone: {} before, {} now", memory.rows.len(), rows.len()));
    }
    // Each visit that was admitted, and each question that came to an end, has one receipt, and none has two. A question that was cut
    // off before it was answered has none: nobody was admitted, no door opened (docs/faults.md, the arbiter killed while asking).
    let counts = |row: &&Value| row["event"] == "admitted" || row["event"] == "doors-opened" || row["event"] == "ended";
    let asked: Vec<String> = rows.iter().filter(counts).filter_map(|row| row["call"].as_str().map(str::to_owned)).collect();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(40) {
        memory.take(scene);
        if asked.iter().all(|call| memory.receipts.contains_key(call)) {
            break;
        }
        scene.play.idle(Duration::from_millis(200))?;
    }
    wrong.extend(asked.iter().filter(|call| !memory.receipts.contains_key(*call)).map(|call| format!("no receipt for {call}")));
    let doubled = memory.receipts.iter().filter(|(_, ids)| ids.len() > 1);
    wrong.extend(doubled.map(|(call, ids)| format!("{} receipts for {call}", ids.len())));
    memory.rows = rows;
    Ok((memory.rows.len(), wrong))
}

impl Memory {
    /// What the facility said of receipts since the last time. The same one again is no second one: QoS 1 may bring it twice.
    fn take(&mut self, scene: &mut Scene) {
        let lines = scene.play.lines.replace(Vec::new()).unwrap_or_default();
        for event in lines.iter().filter(|line| line.from == "facility").filter_map(|line| line.json()) {
            if event["event"] == "receipt"
                && let (Some(call), Some(id)) = (event["call"].as_str(), event["receipt"]["receipt"].as_str())
            {
                let ids = self.receipts.entry(call.to_owned()).or_default();
                if !ids.iter().any(|known| known == id) {
                    ids.push(id.to_owned());
                }
            }
        }
    }
}

/// The record, if one is wanted.
fn write(wanted: &Wanted, cuts: &[Cut], took: Duration) -> Result<(), Halt> {
    let Some(path) = &wanted.record else { return Ok(()) };
    let good = cuts.iter().filter(|cut| cut.wrong.is_empty()).count();
    let mut text = format!(
        "# The plug is pulled: {} cuts\n\nCommit `{}`, seed {}, {} min. {good} of {} as they must be ({} were wanted).\n\n\
         QEMU is killed (SIGKILL) at a moment that the seed chooses: in a boot, in a visit with a browser, while rows of the ledger are\n\
         written. Then it boots from the same disk, and is looked at: home screen, camera nodes, call processes, the chain of the ledger,\n\
         rows that were there before, one receipt for each visit.\n\n\
         | # | Cut | After | Screen then | Home again | Rows | Wrong |\n| --- | --- | --- | --- | --- | --- | --- |\n",
        cuts.len(),
        wanted.commit,
        wanted.seed,
        took.as_secs() / 60,
        cuts.len(),
        wanted.cuts,
    );
    for (number, cut) in cuts.iter().enumerate() {
        let wrong = if cut.wrong.is_empty() { "nothing".to_owned() } else { cut.wrong.join("; ") };
        let moment = format!("{:?}", cut.moment).to_lowercase();
        let (after, home, phase) = (cut.after_s, cut.home_s, &cut.phase);
        let _ = writeln!(text, "| {} | {moment} | {after:.1} s | {phase} | {home:.0} s | {} | {wrong} |", number + 1, cut.rows);
    }
    Ok(std::fs::write(path, text)?)
}
