//! Owns: the course of one visit on a stage: OK, pictures on both sides, Back, measuring the end from outside, the verdict.
//! Never: shortcuts into a process; it sees lines, sockets and `/proc`, and presses keys.
//! Called by: main (inside the namespaces), the tests that bite.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use parloir_wire::keys::Key;

use crate::closing::{Closing, Guard};
use crate::floor;
use crate::outside::FileId;
use crate::play::{HOME_LIMIT, Halt, Play, boot_ns, say};
use crate::report::{self, Ring, Verdict};
use crate::stage::Wanted;
use crate::usage::Meter;
use crate::watch::Anew;

/// From OK to media both ways, the visitor's Join included.
const LIVE_LIMIT: Duration = Duration::from_secs(45);
/// From the first pictures to figures that say something.
const SETTLING: Duration = Duration::from_secs(5);
/// From Call in the page to the ringing screen.
const RING_LIMIT: Duration = Duration::from_secs(10);
/// How long the person looks at a ringing screen.
const LOOKING: Duration = Duration::from_millis(1500);
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
    /// The visitor calls, and the person answers.
    pub incoming: bool,
}

/// Runs the course. `true` when what was wanted happened.
///
/// # Errors
/// It could not be started, or was stopped.
pub fn run(course: &Course) -> Result<bool, Halt> {
    let reference = if course.visitor { Some(floor::reference(&course.wanted.cache)) } else { None };
    let mut play = Play::set(&course.wanted)?;
    let verdict = match whole(&mut play, course) {
        Ok(verdict) => verdict,
        Err(Halt::Stopped) if !course.visitor => Verdict::default(),
        Err(halt) => {
            finish(&mut play, course, &Verdict::default(), reference)?;
            return Err(halt);
        }
    };
    finish(&mut play, course, &verdict, reference)?;
    Ok(!course.visitor || verdict.as_wanted(&play.seen, course.expect_refusal))
}

fn whole(play: &mut Play, course: &Course) -> Result<Verdict, Halt> {
    play.box_to_home(&course.wanted.out)?;
    say(&format!("the visitor's page: {}", play.seen.visitor_url.as_deref().unwrap_or_default()));
    if !course.visitor {
        return open_house(play, course);
    }
    play.visitor_to_page()?;
    visit(play, course)
}

/// Nobody is played: the person has the remote and the link.
fn open_house(play: &mut Play, course: &Course) -> Result<Verdict, Halt> {
    if course.incoming {
        let who = "open the link, allow camera and microphone, press the button \"Call\"";
        say(&format!("to ring the cell: {who}; the TV rings for 45 s, OK (Enter) answers, Back (Esc) declines"));
    }
    say("keys: arrows, Enter, Esc in the window, or scripts/remote from another terminal; Ctrl-C ends");
    match course.seconds {
        Some(seconds) => play.idle(Duration::from_secs(seconds))?,
        None => play.until("Ctrl-C", Duration::MAX, |_| false)?,
    }
    Ok(Verdict::default())
}

fn visit(play: &mut Play, course: &Course) -> Result<Verdict, Halt> {
    let mut verdict = Verdict::default();
    let guard = course.expect_refusal.then(|| Guard::on(FileId::of(&play.stage.camera)?)).transpose()?;
    if course.wanted.tamper.as_deref() == Some(PLACE_WITHOUT_KEY) {
        say("a screen that was taken over dials without a key");
        play.stage.place_without_key()?;
        play.until("an answer to the screen that was taken over", HOME_LIMIT, |seen| seen.rogue.is_some())?;
    } else if course.incoming {
        answer(play, &mut verdict)?;
    } else {
        say("pressing OK on the first contact");
        verdict.ok_ns = play.press_ok_until_the_screen_leaves("home")?;
    }
    let settled = until_both_see(play);
    if course.expect_refusal {
        play.idle(Duration::from_secs(3))?;
        verdict.camera_ever_open = guard.map(Guard::finish);
        let rogue = play.seen.rogue.as_ref().and_then(|told| told["phase"].as_str());
        verdict.phase = rogue.map_or_else(|| play.seen.phase.clone(), str::to_owned);
        return Ok(verdict);
    }
    settled?;
    if play.seen.phase == "refused" || play.seen.phase == "ended" {
        return Err(Halt::Failed(format!("no visit: the screen shows {}, {:?}", play.seen.phase, play.seen.refused)));
    }
    let seconds = course.seconds.unwrap_or(30);
    say(&format!("both sides see each other; the visit lasts {seconds} s"));
    let start = Instant::now();
    play.idle(SETTLING.min(Duration::from_secs(seconds)))?;
    let meter = Meter::start(play.stage.box_users());
    play.idle(Duration::from_secs(seconds).saturating_sub(start.elapsed()))?;
    verdict.usage = meter.read();
    end(play, &mut verdict)?;
    Ok(verdict)
}

/// The visitor presses Call, the TV rings, OK answers; until then nobody may hold the camera's source.
fn answer(play: &mut Play, verdict: &mut Verdict) -> Result<(), Halt> {
    let guard = Guard::on(FileId::of(&play.stage.camera)?)?;
    say("the visitor presses Call");
    let called = Instant::now();
    play.stage.supervisor.say("visitor", r#"{"do":"call"}"#)?;
    play.until("the TV ringing", RING_LIMIT, |seen| seen.phase == "ringing")?;
    let rang = Instant::now();
    // Long enough for a picture, and for a person to see who calls: an earlier OK does not count.
    play.idle(LOOKING)?;
    say("it rings; pressing OK");
    verdict.camera_open_before_ok = Some(guard.finish());
    verdict.ok_ns = play.press_ok_until_the_screen_leaves("ringing")?;
    verdict.ring =
        Some(Ring { rang_after_ms: rang.duration_since(called).as_millis(), answered_after_ms: rang.elapsed().as_millis() });
    Ok(())
}

/// Until both sides decode pictures, or a screen says that they will not.
///
/// # Errors
/// Neither in time.
pub fn until_both_see(play: &mut Play) -> Result<(), Halt> {
    play.until("pictures on both sides", LIVE_LIMIT, |seen| {
        let both = seen.first_picture_ns.is_some() && seen.visitor.first_frame_ms.is_some();
        both || seen.rogue.is_some() || matches!(seen.phase.as_str(), "refused" | "ended")
    })
}

/// Back, and the clock runs until nobody can see; then the receipt and the end on both screens.
///
/// # Errors
/// Any of them does not come in time.
pub fn end(play: &mut Play, verdict: &mut Verdict) -> Result<(), Halt> {
    say("pressing Back");
    let closing = Closing::watch(FileId::of(&play.stage.camera)?, play.stage.supervisor.pid("call"))?;
    verdict.back_ns = boot_ns();
    play.press(Key::Back)?;
    play.until("the camera's end", Duration::from_secs(10), |_| closing.is_over())?;
    verdict.camera_closed_ms = closing.finish();
    play.until("the receipt", RECEIPT_LIMIT, |seen| seen.receipt.is_some())?;
    play.until("the end on both screens", RECEIPT_LIMIT, |seen| {
        matches!(seen.phase.as_str(), "ended" | "home") && (seen.visitor_ended || seen.visitor_done)
    })?;
    if !play.seen.codes.0.is_empty() {
        play.until("a new screen after a private visit", HOME_LIMIT, |seen| seen.anew == Anew::Stands)?;
    }
    play.idle(Duration::from_millis(1500))?;
    verdict.visited = true;
    Ok(())
}

/// Stops everything, brings the pictures out, writes the report, says in words what happened.
fn finish(play: &mut Play, course: &Course, verdict: &Verdict, reference: Option<floor::Reference>) -> io::Result<()> {
    play.stop();
    let pictures = play.bring_pictures(&course.wanted.out.join("pictures"))?;
    let report = report::build(&play.seen, verdict, reference, &pictures);
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
