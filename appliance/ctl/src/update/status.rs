//! Owns: `parloirctl update status`: what boxes reported, and what one box had written down.
//! Never: asks a box or a server; a guess where nothing was reported.
//! Called by: update.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, stdin};
use std::path::{Path, PathBuf};

use parloir_updater::store::{Before, FailedList, Floor, Queue};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::meaning::{self, Kind};
use super::refusal::{self, Refused};
use crate::{Fault, init};

/// Say where updates stand: of many boxes from what they reported, or of one box from its own disk.
#[derive(clap::Args)]
pub struct Args {
    /// What the update server wrote: one JSON object a line, as parloir-facility prints them; - is stdin.
    #[arg(long, value_name = "FILE", required_unless_present = "state", conflicts_with = "state")]
    reports: Option<PathBuf>,
    /// The directory `updater` of a box's data partition, mounted or copied: for a box that does not start.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// With --reports: name boxes that asked for nothing in so many minutes.
    #[arg(long, value_name = "MIN", default_value_t = 60)]
    silent: u32,
    /// With --reports: refuse (status 1) if more than so many of a hundred boxes with a result have failed.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    halt_above: Option<u8>,
    /// Instant of "now", Unix seconds UTC [default: now]
    #[arg(long, value_name = "UNIX")]
    now: Option<i64>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A line of the update server. What a line does not have stays empty.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Line {
    event: String,
    controller: String,
    unix: i64,
    action: Option<u64>,
    version: Option<String>,
    of: String,
    execution: String,
    finished: String,
    details: Vec<String>,
    status: Option<u16>,
}

/// One box, as its last word leaves it.
#[derive(Serialize)]
struct Box_ {
    /// The controller id at the update server: the device.
    device: String,
    /// When it was last heard, Unix seconds UTC.
    heard: i64,
    silent: bool,
    kind: Kind,
    action: Option<u64>,
    version: Option<String>,
    code: Option<String>,
    means: String,
    next: String,
    /// What it said itself.
    details: Vec<String>,
}

/// Says it.
pub fn run(args: &Args) -> Result<(), Fault> {
    if let Some(dir) = &args.state {
        return state(dir, args.json);
    }
    let path = args.reports.as_deref().unwrap_or(Path::new("-"));
    let now = args.now.unwrap_or_else(init::clock);
    let boxes = fold(path, now - i64::from(args.silent) * 60)?;
    let count = |kind: Kind| boxes.iter().filter(|b| b.kind == kind).count();
    let (done, failed, stopped) = (count(Kind::Done), count(Kind::Failed), count(Kind::Stopped));
    let silent = boxes.iter().filter(|b| b.silent).count();
    if args.json {
        let sums = json!({ "done": done, "under_way": count(Kind::UnderWay), "stopped": stopped, "failed": failed, "quiet": count(Kind::Quiet), "silent": silent });
        println!("{:#}", json!({ "boxes": boxes, "sums": sums }));
    } else {
        boxes.iter().for_each(print);
        let rest = format!("{} under way, {stopped} stopped, {} quiet", count(Kind::UnderWay), count(Kind::Quiet));
        let all = if boxes.len() == 1 { "1 box".to_owned() } else { format!("{} boxes", boxes.len()) };
        println!("{all}: {done} done, {failed} failed, {rest}; {silent} silent");
    }
    match args.halt_above {
        Some(percent) if failed * 100 > usize::from(percent) * (done + failed) => {
            let cause = format!("{failed} of {} boxes with a result have failed", done + failed);
            Err(Fault::new(path.display(), cause, "halt the rollout, and do what the codes say", "Halt"))
        }
        _ => Ok(()),
    }
}

fn fold(path: &Path, since: i64) -> Result<Vec<Box_>, Refused> {
    let unreadable = |e| refusal::file(path, &e);
    let lines: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(stdin().lock())
    } else {
        Box::new(BufReader::new(fs::File::open(path).map_err(unreadable)?))
    };
    let mut boxes: BTreeMap<String, Box_> = BTreeMap::new();
    for (number, line) in (1..).zip(lines.lines()) {
        let line = line.map_err(unreadable)?;
        if line.trim().is_empty() {
            continue;
        }
        let read: Line = serde_json::from_str(&line).map_err(|e| {
            let next = "give what the update server wrote, a JSON object a line";
            Fault::new(format!("{}:{number}", path.display()), e, next, "MalformedDocument")
        })?;
        // What else the facility prints is not about updates.
        if read.event.starts_with("ddi-") && !read.controller.is_empty() {
            take(boxes.entry(read.controller.clone()).or_insert_with(|| unheard(&read.controller)), read);
        }
    }
    let mut boxes: Vec<Box_> = boxes.into_values().collect();
    boxes.iter_mut().for_each(|b| b.silent = b.heard < since);
    Ok(boxes)
}

fn unheard(device: &str) -> Box_ {
    Box_ {
        device: device.to_owned(),
        heard: 0,
        silent: false,
        kind: Kind::Quiet,
        action: None,
        version: None,
        code: None,
        means: "nothing was offered".to_owned(),
        next: "nothing".to_owned(),
        details: Vec::new(),
    }
}

fn take(known: &mut Box_, line: Line) {
    // What the operator did and what was refused at the door is not the box's word.
    if matches!(
        line.event.as_str(),
        "ddi-poll" | "ddi-config" | "ddi-deployment" | "ddi-download" | "ddi-feedback" | "ddi-cancel-read"
    ) {
        known.heard = known.heard.max(line.unix);
    }
    match line.event.as_str() {
        "ddi-offered" => {
            let heard = known.heard;
            *known = Box_ { heard, action: line.action, version: line.version, ..unheard(&known.device) };
            set(known, Kind::Quiet, "has not yet read the offer", "wait for its next question");
        }
        "ddi-deployment" if known.kind == Kind::Quiet => set(known, Kind::UnderWay, "has read the offer", "nothing"),
        // A report that the server did not take is made again.
        "ddi-feedback" if line.status.is_none_or(|status| status < 300) => feedback(known, line),
        _ => {}
    }
}

fn feedback(known: &mut Box_, line: Line) {
    known.action = line.action.or(known.action);
    known.version = line.version.or_else(|| known.version.take());
    let code = line.details.iter().find_map(|d| d.strip_prefix("org.parloir.Error.")?.split(':').next());
    known.code = code.map(str::to_owned);
    match meaning::of(&line.execution, &line.finished, line.of == "cancel") {
        Some(row) => set(known, row.kind, row.words, row.next),
        None => set(known, Kind::UnderWay, "says what this parloirctl does not know", "use the one of the box's release"),
    }
    if let Some(code) = known.code.as_deref().filter(|_| known.kind == Kind::Failed) {
        known.next = format!("halt the wave. {}", meaning::hint(code));
    }
    known.details = line.details;
}

fn set(known: &mut Box_, kind: Kind, means: &str, next: &str) {
    known.kind = kind;
    known.means = means.to_owned();
    known.next = next.to_owned();
}

fn print(b: &Box_) {
    let version = b.version.as_deref().unwrap_or("-");
    let code = b.code.as_ref().map(|code| format!(" [{code}]")).unwrap_or_default();
    println!("{}  {version}  {}{code}", b.device, b.means);
    b.details.iter().filter(|d| !d.starts_with("org.parloir.Error.")).for_each(|d| println!("    said: {d}"));
    if b.next != "nothing" {
        println!("    next: {}", b.next);
    }
    if b.silent {
        let since = if b.heard == 0 { "was never heard" } else { "asked for nothing in the given time" };
        println!("    silent: {since}; see \"A dead box\" in docs/operating.md");
    }
}

/// What the file of a box holds; `None` if it has none.
fn read<T: DeserializeOwned>(dir: &Path, name: &str) -> Result<Option<T>, Refused> {
    let path = dir.join(name);
    let bytes = match fs::read(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|e| refusal::file(&path, &e))?,
    };
    let next = "keep it for whoever looks into the fault; a box goes on without it";
    serde_json::from_slice(&bytes).map(Some).map_err(|e| Fault::new(path.display(), e, next, "MalformedDocument"))
}

fn state(dir: &Path, as_json: bool) -> Result<(), Refused> {
    fs::read_dir(dir).map_err(|e| refusal::file(dir, &e))?;
    let floor: Option<Floor> = read(dir, "floor")?;
    let before: Option<Before> = read(dir, "before.json")?.filter(|b: &Before| !b.action.is_empty());
    let failed: FailedList = read(dir, "failed.json")?.unwrap_or_default();
    let queue: Queue = read(dir, "queue.json")?.unwrap_or_default();
    if as_json {
        println!(
            "{:#}",
            json!({ "floor": floor, "under_way": before, "failed": failed.failed, "waiting_reports": queue.entries })
        );
        return Ok(());
    }
    match floor.filter(|floor| !floor.version.is_empty()) {
        Some(floor) => println!("kept      {}: the newest version that was found healthy; nothing older is taken", floor.version),
        None => println!("kept      the version that it came with"),
    }
    match &before {
        None => println!("under way nothing"),
        Some(b) => {
            println!("under way {} (action {}), from {} in {}", b.version, b.action, b.from.version, b.from.slot);
            println!("          the box {}; installations begun: {}", meaning::phase(b.phase), b.tries);
            if !b.code.is_empty() {
                println!("          {}: {}", b.code, b.why);
            }
        }
    }
    for f in &failed.failed {
        println!("failed    {} (action {}), {}: {}", f.version, f.action, f.code, meaning::hint(&f.code));
    }
    for r in &queue.entries {
        let code = if r.code.is_empty() { String::new() } else { format!(" [{}]", r.code) };
        println!("unsent    report {} of action {}: {} {}{code}", r.report, r.action, r.execution, r.finished);
        r.details.iter().for_each(|detail| println!("          {detail}"));
    }
    Ok(())
}
