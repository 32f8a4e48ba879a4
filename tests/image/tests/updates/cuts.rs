//! Owns: cuts of the power at seeded moments of an update, and the look at box and report after each.
//! Never: a cut without a look.
//! Called by: `whole_updates.rs`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use parloir_image::Halt;
use parloir_image::dice::Dice;
use parloir_image::story::ledger;
use serde_json::Value;

use super::bundles::Bundles;
use super::{STEP, Site, WHOLE, code};

/// Where in an update the plug is pulled, and the latest moment after that began.
const MOMENTS: [(Moment, f64); 5] =
    [(Moment::Install, 30.0), (Moment::Bless, 40.0), (Moment::Switch, 12.0), (Moment::Download, 15.0), (Moment::Report, 2.0)];

/// See the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Download,
    Install,
    Switch,
    Bless,
    Report,
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
    /// A record is wanted: this is no run of CI.
    #[must_use]
    pub fn is_soak(&self) -> bool {
        self.record.is_some()
    }

    /// Two cuts by seed 1, unless the environment says otherwise.
    #[must_use]
    pub fn from_environment() -> Self {
        let word = |name: &str| std::env::var(format!("PARLOIR_UPDATES_{name}")).ok();
        let number = |name: &str, default: u64| word(name).and_then(|text| text.parse().ok()).unwrap_or(default);
        Self {
            cuts: usize::try_from(number("CUTS", 2)).unwrap_or(2),
            seed: number("SEED", 1),
            limit: Duration::from_secs(60 * number("MINUTES", 600)),
            record: word("RECORD").map(PathBuf::from),
            commit: word("COMMIT").unwrap_or_default(),
        }
    }

    fn version(number: usize) -> String {
        format!("0.4.{}", number + 1)
    }
}

/// A cut and what came after it.
struct Cut {
    moment: Moment,
    after_s: f64,
    slot: String,
    end: String,
    took_s: f64,
    wrong: Vec<String>,
}

/// Everything that this course offers: a version for each cut. Outside.
///
/// # Errors
/// A script fails.
pub fn make(bundles: &Bundles, wanted: &Wanted) -> std::io::Result<()> {
    for number in 0..wanted.cuts {
        let version = Wanted::version(number);
        bundles.made(&version, &version, &[])?;
    }
    Ok(())
}

/// The course: what was not as it must be.
///
/// # Errors
/// The box does not come up after a cut; the record is written all the same.
pub fn course(site: &mut Site, wanted: &Wanted) -> Result<Vec<String>, Halt> {
    let begun = Instant::now();
    let mut dice = Dice(wanted.seed);
    let (mut cuts, mut rows) = (Vec::new(), Vec::new());
    for number in 0..wanted.cuts {
        if begun.elapsed() > wanted.limit {
            break;
        }
        let (moment, latest) = MOMENTS[number % MOMENTS.len()];
        let after = Duration::from_secs_f64(dice.upto(latest));
        println!("cut {number}: {moment:?} after {:.1} s", after.as_secs_f64());
        let cut = cut(site, number, moment, after, &mut rows);
        let halted = cut.as_ref().err().map(|why| format!("{why:?}"));
        cuts.extend(cut);
        write(wanted, &cuts, begun.elapsed(), halted.as_deref())?;
        if let Some(why) = halted {
            return Err(Halt::Failed(format!("cut {number} ({moment:?}): {why}")));
        }
        if let Some(cut) = cuts.last() {
            println!("cut {number}: {} in slot {}, {:.0} s, wrong: {:?}", cut.end, cut.slot, cut.took_s, cut.wrong);
        }
    }
    Ok(cuts.iter().flat_map(|cut| cut.wrong.clone()).collect())
}

/// An offer, the moment, the cut, the start after it, the end of the action, and the look.
fn cut(site: &mut Site, number: usize, moment: Moment, after: Duration, rows: &mut Vec<Value>) -> Result<Cut, Halt> {
    site.home()?;
    let begun = Instant::now();
    let (before, version) = (site.running()?, Wanted::version(number));
    let action = site.offer(&site.bundles.path(&version), &version)?;
    let of = move |told: &Value| told["action"] == action;
    match moment {
        Moment::Download => site.until("the download", STEP, |site| site.heard("ddi-download", of).is_some())?,
        Moment::Install => {
            let writes = |site: &Site| site.journal_of("parloir-updater", 200).iter().any(|line| line.contains("Installing"));
            site.until("the install", WHOLE, writes)?;
        }
        Moment::Switch => {
            let written = |site: &Site| site.journal_of("parloir-updater", 200).iter().any(|line| line.contains("Restarting"));
            site.until("the restart", WHOLE, |site| site.has_restarted() || written(site))?;
        }
        Moment::Bless | Moment::Report => {
            site.until("the trial", WHOLE, Site::has_restarted)?;
            site.restarted(STEP)?;
            if moment == Moment::Report {
                let blessed = |site: &Site| {
                    site.probe.list("/run/parloir/updater").is_ok_and(|names| names.contains(&"blessed".to_owned()))
                };
                site.until("the blessing", WHOLE, |site| blessed(site) || site.has_restarted())?;
            }
        }
    }
    site.scene.play.idle(after)?;
    site.cut()?;
    let told = site.closed(action, WHOLE)?;
    // A box that goes on by itself (an install that is begun again) may start once more before it is at rest.
    site.scene.play.idle(Duration::from_secs(3))?;
    if site.has_restarted() {
        site.restarted(STEP)?;
    }
    site.home()?;
    let (running, order) = (site.running()?, site.order()?);
    let mut wrong = Vec::new();
    let ends: Vec<Value> = site.feedback(action).into_iter().filter(|told| told["execution"] == "closed").collect();
    if ends.len() != 1 {
        wrong.push(format!("{} ends were reported", ends.len()));
    }
    let success = told["finished"] == "success";
    if success != (running.version == version) {
        wrong.push(format!("{} was reported, and {} runs: {}", told["finished"], running.version, told["details"]));
    }
    if !success && !running.is_as(&before) {
        wrong.push(format!("{before:?} before, {running:?} now, without a success"));
    }
    if order.first() != Some(&format!("system-{}", running.slot)) {
        wrong.push(format!("{running:?} is not the slot that the firmware takes: {order:?}"));
    }
    let at = site.scene.out.join(format!("state-{number}"));
    let read = ledger(&site.probe, &at)?;
    let now = read["rows"].as_array().cloned().unwrap_or_default();
    if read["whole"] != true || !now.starts_with(rows) {
        wrong.push(format!("the ledger: {}, {} rows before, {} now", read["why"], rows.len(), now.len()));
    }
    *rows = now;
    let wrong = wrong.into_iter().map(|what| format!("cut {number} ({moment:?}): {what}")).collect();
    let end = if success { "success".to_owned() } else { format!("failure, {}", code(&told)) };
    Ok(Cut { moment, after_s: after.as_secs_f64(), slot: running.slot, end, took_s: begun.elapsed().as_secs_f64(), wrong })
}

/// The record, if one is wanted.
fn write(wanted: &Wanted, cuts: &[Cut], took: Duration, halted: Option<&str>) -> Result<(), Halt> {
    let Some(path) = &wanted.record else { return Ok(()) };
    let good = cuts.iter().filter(|cut| cut.wrong.is_empty()).count();
    let mut text = format!(
        "# The plug is pulled in an update: {} cuts\n\nCommit `{}`, seed {}, {} min. {good} of {} as they must be ({} were wanted; 1,000 is the \
         gate of a release).\n\nQEMU is killed (SIGKILL) at a moment that the seed chooses: while a bundle is fetched, while it is installed, \
         in the restart into it,\nbefore it is blessed, while that is reported. Then it boots from the same disk and the same memory of the \
         firmware, and is looked at: one\ntrue end at the update server, the running slot the one that the firmware takes, the ledger's chain and \
         its rows from before.\n\n| # | Cut | After | Slot | End | Took | Wrong |\n| --- | --- | --- | --- | --- | --- | --- |\n",
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
        let (after, took, slot, end) = (cut.after_s, cut.took_s, &cut.slot, &cut.end);
        let _ = writeln!(text, "| {} | {moment} | {after:.1} s | {slot} | {end} | {took:.0} s | {wrong} |", number + 1);
    }
    if let Some(why) = halted {
        let _ = writeln!(text, "\nIt ended early: {}", why.lines().next().unwrap_or_default());
    }
    Ok(std::fs::write(path, text)?)
}
