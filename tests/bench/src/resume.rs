//! Owns: the course of a visit that is interrupted: the page is loaded again, or the cell's line is cut; then it must go on.
//! Never: tells a part what to do; it reloads as a visitor does and cuts the line as an excavator does.
//! Called by: main, as `parloir-bench resume`.

use std::fs;
use std::io;
use std::time::Duration;

use serde_json::{Value, json};

use crate::demo::{Course, end, until_both_see};
use crate::play::{Halt, Play, boot_ns, say};
use crate::report::{self, Verdict};
use crate::spans;
use crate::watch::{Seen, Side};

/// How long the cell's line is cut.
const CUT: Duration = Duration::from_secs(20);
/// The visit before and after the interruption.
const EACH_SIDE: Duration = Duration::from_secs(8);
/// From the return to pictures on both sides; what is late is in the report, what is later has failed.
const RESUME_LIMIT: Duration = Duration::from_secs(20);

/// What interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum How {
    /// The page is loaded again, and the browser kept what it keeps.
    Reload,
    /// The page is loaded again in a browser that forgot everything but the link.
    Forgetful,
    /// The cell's line carries nothing for 20 s.
    Cut,
}

/// Runs the course and writes its report. `true`: the visit went on.
///
/// # Errors
/// It did not, or there was no visit.
pub fn run(course: &Course, how: How) -> Result<bool, Halt> {
    let mut play = Play::set(&course.wanted)?;
    let done = visit(&mut play, course, how);
    play.stop();
    let pictures = play.bring_pictures(&course.wanted.out.join("pictures"))?;
    let (verdict, gap) = match done {
        Ok(done) => done,
        Err(halt) => {
            write(course, &report::build(&play.seen, &Verdict::default(), None, &pictures))?;
            return Err(halt);
        }
    };
    let mut report = report::build(&play.seen, &verdict, None, &pictures);
    report["resumed"] = gap.told(&play, verdict.back_ns);
    write(course, &report)?;
    say(&format!("resumed: {}", report["resumed"]));
    Ok(verdict.as_wanted(&play.seen, false))
}

fn write(course: &Course, report: &Value) -> io::Result<()> {
    let Some(path) = &course.report else { return Ok(()) };
    fs::write(path, serde_json::to_string_pretty(report).map_err(io::Error::other)? + "\n")
}

/// The interruption: when it began and when nothing stood in the way any more, seconds of `CLOCK_BOOTTIME`.
struct Gap {
    from: f64,
    over: f64,
}

fn visit(play: &mut Play, course: &Course, how: How) -> Result<(Verdict, Gap), Halt> {
    play.box_to_home(&course.wanted.out)?;
    play.visitor_to_page()?;
    let mut verdict = Verdict::default();
    say("pressing OK on the first contact");
    verdict.ok_ns = play.press_ok_until_the_screen_leaves("home")?;
    until_both_see(play)?;
    play.idle(EACH_SIDE)?;
    let gap = interrupt(play, how)?;
    let frames = |seen: &Seen| (seen.appliance.decoded(), seen.visitor.decoded());
    let (own, far) = frames(&play.seen);
    play.until("pictures on both sides again", RESUME_LIMIT, |seen| {
        seen.phase == "live" && frames(seen).0 > own && (frames(seen).1 > far || seen.visitor.decoded_since(gap.over))
    })?;
    say("both sides see each other again");
    play.idle(EACH_SIDE)?;
    end(play, &mut verdict)?;
    Ok((verdict, gap))
}

fn interrupt(play: &mut Play, how: How) -> Result<Gap, Halt> {
    let from = seconds();
    match how {
        How::Reload | How::Forgetful => {
            let keep = how == How::Reload;
            say(if keep {
                "the visitor reloads the page"
            } else {
                "the visitor's browser forgets everything and reloads the page"
            });
            play.stage.supervisor.say("visitor", &json!({ "do": "reload", "keep": keep }).to_string())?;
            Ok(Gap { from, over: from })
        }
        How::Cut => {
            say("the cell's line is cut for 20 s");
            cut(play, true)?;
            play.idle(CUT)?;
            if play.seen.phase != "held" {
                return Err(Halt::Failed(format!("20 s without a line, and the screen shows {}", play.seen.phase)));
            }
            cut(play, false)?;
            say("the line is back");
            Ok(Gap { from, over: seconds() })
        }
    }
}

fn cut(play: &Play, cut: bool) -> Result<(), Halt> {
    let network = play.stage.network.as_ref().ok_or_else(|| Halt::Failed("a cut needs --network apart".to_owned()))?;
    network.cut(cut);
    Ok(())
}

impl Gap {
    /// What came of it, seen from outside.
    fn told(&self, play: &Play, back_ns: i64) -> Value {
        let seen = &play.seen;
        let decoded = |side: &Side| spans::decoded(&side.samples, (self.from, self.over));
        let (own, far) = (decoded(&seen.appliance), decoded(&seen.visitor));
        let both = spans::both(&own, &far, back_ns as f64 / 1e9);
        let again = both.iter().map(|(from, _)| *from).find(|from| *from > self.from);
        let stopped = both.iter().map(|(_, to)| *to).rfind(|to| again.is_some_and(|again| *to <= again));
        let since = |from: f64, at: Option<f64>| at.map(|at| ((at - from) * 100.0).round() / 100.0);
        json!({
            "both_decoded_seconds": (spans::seconds(&both) * 100.0).round() / 100.0,
            "counted_s": seen.receipt.as_ref().and_then(|event| counted(&event["receipt"])),
            "stopped_after_s": since(self.from, stopped),
            "resumed_after_s": since(self.over, again),
            "gaps": both.len().saturating_sub(1),
            "phases": seen.phases,
            "granted": seen.granted,
            "regranted": seen.regranted,
            "receipt_regrants": seen.receipt.as_ref().map(|event| event["receipt"]["regrants"].clone()),
        })
    }
}

/// What the receipt counts, before it is rounded to whole seconds: from the later first decoded frame to the end, without the gaps.
fn counted(receipt: &Value) -> Option<f64> {
    let ms = |of: &Value, name: &str| of[name].as_f64();
    let first = ms(receipt, "first_decoded_here_ms")?.max(ms(receipt, "first_decoded_there_ms")?);
    let gaps = receipt["gaps"].as_array()?.iter().map(|gap| Some(ms(gap, "to_ms")? - ms(gap, "from_ms")?));
    Some((ms(receipt, "ended_ms")? - first - gaps.sum::<Option<f64>>()?) / 1000.0)
}

fn seconds() -> f64 {
    boot_ns() as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_counts_from_the_later_first_frame_to_the_end_without_its_gaps() {
        let gaps = json!([{ "from_ms": 9187, "to_ms": 9719 }]);
        let receipt = json!({ "first_decoded_here_ms": 999, "first_decoded_there_ms": 1145, "ended_ms": 17893, "gaps": gaps });
        assert_eq!(counted(&receipt), Some(16.216));
        assert_eq!(counted(&json!({})), None);
    }
}
