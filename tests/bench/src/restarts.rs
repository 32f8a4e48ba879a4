//! Owns: the course that kills and stops every cell and part at the home screen, and times when it is back.
//! Never: a visit; what processes do in one is the course of faults.
//! Called by: main, as `parloir-bench restarts`.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::play::{Halt, Play, say};
use crate::stage::Wanted;

/// The longest watchdog, its cell's start, and a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than any restart's delay: what does not come back in this time is kept down.
const STAYS_DOWN: Duration = Duration::from_millis(2500);

/// Runs the course: a list with a member for each thing that was done.
///
/// # Errors
/// Something did not come back; the message names it.
pub fn run(wanted: &Wanted) -> Result<Value, Halt> {
    let mut play = Play::set(wanted)?;
    let done = course(&mut play, &wanted.out);
    play.stop();
    done
}

fn course(play: &mut Play, out: &Path) -> Result<Value, Halt> {
    play.box_to_home(out)?;
    let mut rows = Vec::new();
    for name in ["gate", "arbiter", "link", "ui"] {
        for how in [Signal::SIGKILL, Signal::SIGSTOP] {
            rows.push(hurt(play, name, how)?);
        }
    }
    for name in ["broker", "relay", "facility"] {
        rows.push(hurt(play, name, Signal::SIGKILL)?);
    }
    rows.push(kept_down(play, "broker")?);
    Ok(json!({ "rows": rows, "errors": play.seen.errors }))
}

/// Sends the signal and waits for a successor that is ready, and for the home screen.
fn hurt(play: &mut Play, name: &str, how: Signal) -> Result<Value, Halt> {
    let before = play.stage.supervisor.started(name);
    let start = Instant::now();
    let pid = play.stage.supervisor.hurt(name, how)?;
    // A screen that comes back says which phase it shows; the others' end may or may not show.
    if name == "ui" {
        play.seen.phase.clear();
    }
    play.until_stage(&format!("another {name} after {how}"), PATIENCE, |play| {
        let supervisor = &play.stage.supervisor;
        supervisor.started(name) > before && supervisor.pid(name).is_some_and(|now| now != pid) && supervisor.ready(name)
    })?;
    let replaced_ms = start.elapsed().as_millis();
    // The screen may need a moment to see that something was gone.
    play.idle(Duration::from_millis(500))?;
    play.until(&format!("the home screen after {how} for {name}"), PATIENCE, |seen| seen.phase == "home")?;
    say(&format!("{how} for {name}: replaced after {replaced_ms} ms"));
    Ok(json!({ "name": name, "how": how.as_str(), "replaced_ms": replaced_ms, "starts": play.stage.supervisor.started(name) }))
}

fn kept_down(play: &mut Play, name: &str) -> Result<Value, Halt> {
    let before = play.stage.supervisor.started(name);
    play.stage.supervisor.keep_down(name, true)?;
    play.stage.supervisor.hurt(name, Signal::SIGKILL)?;
    play.idle(STAYS_DOWN)?;
    let stayed = play.stage.supervisor.started(name) == before && play.stage.supervisor.pid(name).is_none();
    play.stage.supervisor.keep_down(name, false)?;
    let back = play.stage.supervisor.started(name) == before + 1 && play.stage.supervisor.pid(name).is_some();
    play.until("the home screen after the broker was down", PATIENCE, |seen| seen.phase == "home")?;
    Ok(json!({ "name": name, "how": "keep_down", "stayed_down": stayed, "back": back }))
}
