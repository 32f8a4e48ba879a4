//! Owns: the attacks on a box in a visit, in one boot whose clock says 2100, with a browser at the other end.
//! Never: a second visit.
//! Called by: `whole_attacks.rs`.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use parloir_image::{Halt, Machine, Options, Probe, Scene, Uki};
use serde_json::{Value, json};

use super::home::{clock, press, sent, targets};
use super::{As, Report, act, inventory};

const STEP: Duration = Duration::from_secs(150);
/// Unix time of a day in 2100.
const IN_2100: i64 = 4_102_488_000;

/// The course.
///
/// # Errors
/// No visit comes about.
pub fn course(report: &mut Report) -> Result<(), Halt> {
    let mut scene = Scene::set("attacks-in-a-visit")?;
    let disk = scene.disk(Uki::Probe)?;
    let options = Options { clock: "2100-01-01T00:00:00".to_owned(), ..Options::new("visit", &disk) };
    let (mut machine, probe) = scene.boot(&options)?;
    scene.until(&mut machine, "the facility's word to the box", STEP, |scene| scene.play.seen.attached)?;
    report.note("clock", clock(&mut scene, &mut machine, &probe, IN_2100));
    begin(&mut scene, &mut machine, &probe)?;
    let m = &mut machine;
    report.note("running", inventory::compared(&probe, true));
    report.note("eyes", eyes(&probe));
    report.note("reach", reach(&scene, &probe));
    report.note("stopped_screen", stopped_screen(&mut scene, m, &probe));
    report.note("after", after(&mut scene, m, &probe));
    report.note("data", data(&probe));
    report.note("ledger", Ok(parloir_image::story::ledger(&probe, &scene.out.join("state"))?));
    machine.quit();
    report.note("wire", sent(&scene, &machine));
    scene.keep()?;
    report.note("whole", Ok(json!(true)));
    Ok(())
}

/// OK on the first contact, until both sides see each other.
///
/// # Errors
/// They do not.
pub fn begin(scene: &mut Scene, machine: &mut Machine, probe: &Probe) -> Result<(), Halt> {
    scene.play.visitor_to_page()?;
    press(probe, "ok")?;
    scene.until(machine, "an answer to OK", STEP, |scene| !matches!(scene.play.seen.phase.as_str(), "home" | ""))?;
    let both = |scene: &Scene| {
        let seen = &scene.play.seen;
        (seen.first_picture_ns.is_some() && seen.visitor.first_frame_ms.is_some())
            || matches!(seen.phase.as_str(), "refused" | "ended")
    };
    scene.until(machine, "pictures on both sides", STEP, both)?;
    match scene.play.seen.phase.as_str() {
        "refused" | "ended" => {
            Err(Halt::Failed(format!("no visit: {:?} {:?}", scene.play.seen.refused, scene.play.seen.end_reason)))
        }
        _ => Ok(()),
    }
}

/// The unit of the visit's call process.
fn call_unit(probe: &Probe) -> Result<String, Halt> {
    let call = probe.processes()?.into_iter().find(|process| process.unit.starts_with("parloir-call@"));
    call.map(|process| process.unit).ok_or_else(|| Halt::Failed("no call process in a visit".to_owned()))
}

/// The camera is open now, to one process: every other user and cell tries all ways to it.
fn eyes(probe: &Probe) -> Result<Value, Halt> {
    let mut came = serde_json::Map::new();
    let cells = ["ui", "link", "arbiter", "gate", "peers"].map(As::cell);
    let users = ["parloir-ui", "parloir-link", "parloir-still", "nobody"].map(As::user);
    for who in cells.into_iter().chain(users) {
        let told = act(probe, &who, &["eyes"])?;
        came.insert(who.name(), told);
    }
    let openers: Vec<Value> = probe
        .list("/dev")?
        .into_iter()
        .filter(|name| name.starts_with("video"))
        .map(|name| {
            probe
                .openers(&format!("/dev/{name}"))
                .map(|openers| json!(openers.iter().map(|o| o.name.clone()).collect::<Vec<_>>()))
        })
        .collect::<Result<_, _>>()?;
    Ok(json!({ "as": came, "openers": openers }))
}

/// As a call process that was taken over would: from within its unit.
fn reach(scene: &Scene, probe: &Probe) -> Result<Value, Halt> {
    let who = As { user: "parloir-call".to_owned(), unit: call_unit(probe)? };
    let targets = targets(scene);
    let words: Vec<&str> =
        ["reach"].into_iter().chain(targets.iter().map(|(_, target)| target.as_str())).chain(["raw", "packet"]).collect();
    let told = act(probe, &who, &words)?;
    let names = targets.iter().map(|(name, _)| *name).chain(["raw", "packet"]);
    let each = names.zip(told.as_array().into_iter().flatten());
    let reached: serde_json::Map<String, Value> = each.map(|(name, entry)| (name.to_owned(), entry["came"].clone())).collect();
    // What lies in memory and is gone with the process (/tmp, /dev/shm) call's own sandbox forbids, which a probe does not have.
    let writes = act(probe, &who, &["write", "/", "/var/lib/parloir", "/var/lib", "/run/parloir", "/run", "/etc"])?;
    let sockets =
        act(probe, &who, &["connect", "/run/dbus/system_bus_socket", "/run/parloir/gate/socket", "/run/systemd/private"])?;
    Ok(json!({ "reached": reached, "writes": writes, "sockets": sockets }))
}

/// The screen's process stands still; a person presses Back once.
fn stopped_screen(scene: &mut Scene, machine: &mut Machine, probe: &Probe) -> Result<Value, Halt> {
    let ui = probe.process("parloir-ui.service")?;
    probe.signal(ui.pid, Signal::SIGSTOP)?;
    scene.play.idle(Duration::from_millis(500))?;
    press(probe, "esc")?;
    let begun = Instant::now();
    scene.until(machine, "the end", STEP, |scene| scene.play.seen.end_reason.is_some())?;
    let took = begun.elapsed().as_secs_f64();
    scene.until(machine, "the receipt", STEP, |scene| scene.play.seen.receipt.is_some())?;
    let lives = probe.processes()?.into_iter().any(|process| process.name == "parloir-call");
    Ok(json!({ "seconds": took, "reason": scene.play.seen.end_reason, "call_lives": lives }))
}

/// After the end: nobody has the camera, its nodes are root's, the screen is back.
fn after(scene: &mut Scene, machine: &mut Machine, probe: &Probe) -> Result<Value, Halt> {
    let back = |scene: &Scene| matches!(scene.play.seen.phase.as_str(), "ended" | "home");
    scene.until(machine, "the screen after the end", STEP, back)?;
    let mut nodes = Vec::new();
    for name in probe.list("/dev")?.into_iter().filter(|name| name.starts_with("video")) {
        let path = format!("/dev/{name}");
        let (node, openers) = (probe.stat(&path)?, probe.openers(&path)?);
        nodes.push(json!({ "node": path, "uid": node.uid, "mode": node.mode, "openers": openers.len() }));
    }
    Ok(json!({ "nodes": nodes, "phase": scene.play.seen.phase, "receipt": scene.play.seen.receipt }))
}

/// Every file of the data partition, with its owner.
fn data(probe: &Probe) -> Result<Value, Halt> {
    let (mut files, mut rest) = (Vec::new(), vec!["/var/lib/parloir".to_owned()]);
    while let Some(place) = rest.pop() {
        for name in probe.list(&place)? {
            let path = format!("{place}/{name}");
            let node = probe.stat(&path)?;
            if node.kind == "directory" {
                rest.push(path);
            } else {
                files.push(json!({ "path": path.trim_start_matches("/var/lib/parloir/"), "uid": node.uid, "mode": node.mode }));
            }
        }
    }
    Ok(json!(files))
}
