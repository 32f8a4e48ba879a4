//! Owns: the course of an update that goes well, and of those that a box must refuse: refusals, an offer in a visit, the install after it,
//! restart, blessing, report; figures.
//! Never: a fault in the new version (`falls` beside it).
//! Called by: `whole_updates.rs`.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use parloir_image::Halt;
use parloir_image::picture::Picture;
use parloir_image::story::ledger;
use serde_json::{Value, json};

use super::bundles::Bundles;
use super::{STEP, Site, WHOLE, code};

/// The version that boxes take here.
pub const NEXT: &str = "0.2.0";
/// What the built image is for.
const BOARD: &str = "parloir-qemu";
/// How long each half of the visit lasts: without an offer, and with one.
const HALF: Duration = Duration::from_secs(20);

/// Everything that this course offers. Outside.
///
/// # Errors
/// A script or a program fails.
pub fn make(bundles: &Bundles) -> std::io::Result<()> {
    bundles.made("next", NEXT, &[])?;
    bundles.of_the_image()?;
    let keys = bundles.keys();
    let small = bundles.small("small", NEXT, BOARD, &keys)?;
    bundles.truncated(&small)?;
    bundles.flipped(&small)?;
    bundles.plain("0.2.1")?;
    bundles.small("foreign", NEXT, BOARD, &bundles.foreign_keys()?)?;
    bundles.small("other-board", "0.2.3", "parloir-other", &keys)?;
    bundles.small("older", "0.0.9", BOARD, &keys)?;
    Ok(())
}

/// Bundles that a box refuses, each with the code that it gives.
pub const REFUSED: [(&str, &str, &str); 6] = [
    ("foreign", NEXT, "UpdateSignature"),
    ("other-board", "0.2.3", "UpdateCompatible"),
    ("truncated", NEXT, "UpdateDamaged"),
    ("plain", "0.2.1", "UpdatePlain"),
    ("older", "0.0.9", "UpdateOlder"),
    ("flipped", NEXT, "UpdateDamaged"),
];

/// The course; `note` takes what came of each step.
///
/// # Errors
/// A step that the others need did not come to its end.
pub fn course(site: &mut Site, note: &mut dyn FnMut(&str, Value)) -> Result<(), Halt> {
    site.home()?;
    site.scene.play.idle(Duration::from_secs(2))?;
    site.machine.screendump(&site.scene.out.join("home.png"))?;
    note("before", json!({ "running": format!("{:?}", site.running()?), "order": site.order()? }));
    for (name, version, _) in REFUSED {
        note(name, refused(site, name, version)?);
    }
    note("in_a_visit", visit(site)?);
    note("switched", switched(site)?);
    let at = site.scene.out.join("state");
    note("ledger", ledger(&site.probe, &at)?);
    note("sizes", sizes(site, "next")?);
    Ok(())
}

fn refused(site: &mut Site, name: &str, version: &str) -> Result<Value, Halt> {
    let before = site.running()?;
    let action = site.offer(&site.bundles.path(name), version)?;
    let told = site.closed(action, WHOLE)?;
    // The server may hear it before the arbiter does, and the journal comes over a slow port.
    let word = format!("update=\"{}\" version={version}", code(&told));
    let _ = site.until("the arbiter's word", Duration::from_secs(20), |site| {
        site.journal_of("parloir-arbiter", 20).iter().any(|line| line.contains(&word))
    });
    site.scene.play.idle(Duration::from_secs(1))?;
    let screen = noticed(site, &format!("refused-{name}.png"))?;
    let said = |unit: &str| site.journal_of(unit, 400).into_iter().rev().find(|line| line.contains(&code(&told)));
    Ok(json!({
        "finished": told["finished"], "code": code(&told), "details": told["details"],
        "arbiter": said("parloir-arbiter"), "screen": screen, "updater": said("parloir-updater"),
        "same": site.running()? == before, "order": site.order()?,
    }))
}

/// How much of the line under the date differs from the home screen before all this: the sentence stands there.
fn noticed(site: &mut Site, name: &str) -> Result<f64, Halt> {
    let (path, begun) = (site.scene.out.join(name), Instant::now());
    let line = |path: &std::path::Path| Picture::read(path).map(|picture| picture.rows(155, 195));
    let before = line(&site.scene.out.join("home.png"))?;
    loop {
        site.machine.screendump(&path)?;
        let differs = line(&path)?.differs(&before, 40);
        if differs > 0.002 || begun.elapsed() > Duration::from_secs(20) {
            return Ok(differs);
        }
        site.scene.play.idle(Duration::from_millis(500))?;
    }
}

/// A visit with a browser; in its second half the good bundle is offered. What both sides decoded in each half, and what the box asked
/// the update server meanwhile.
fn visit(site: &mut Site) -> Result<Value, Halt> {
    site.home()?;
    site.until("the visitor's link", STEP, |site| site.scene.play.seen.visitor_url.is_some())?;
    site.scene.play.visitor_to_page()?;
    site.until("the visitor's page", STEP, |site| site.scene.play.seen.visitor_waits)?;
    site.probe.press("ok")?;
    site.until("pictures on both sides", STEP, |site| {
        let seen = &site.scene.play.seen;
        seen.first_picture_ns.is_some() && seen.visitor.first_frame_ms.is_some()
    })?;
    site.scene.play.idle(Duration::from_secs(5))?;
    let decoded = |site: &Site| [site.scene.play.seen.appliance.decoded(), site.scene.play.seen.visitor.decoded()];
    let zero = decoded(site);
    let installs = |site: &Site| site.journal_of("parloir-rauc", 4000).iter().filter(|line| line.contains("started")).count();
    let installs_before = installs(site);
    site.scene.play.idle(HALF)?;
    let half = decoded(site);
    let action = site.offer(&site.bundles.path("next"), NEXT)?;
    let begun = Instant::now();
    site.until("the box to hear of the offer", STEP, |site| {
        site.heard("ddi-deployment", |told| told["action"] == action).is_some()
    })?;
    let heard = begun.elapsed();
    site.scene.play.idle(HALF.saturating_sub(heard))?;
    let (end, lasted) = (decoded(site), begun.elapsed());
    let phase = site.scene.play.seen.phase.clone();
    let fetched = site.heard("ddi-download", |told| told["action"] == action).is_some();
    let installing = installs(site) > installs_before;
    site.probe.press("esc")?;
    site.until("the end of the visit", STEP, |site| site.scene.play.seen.receipt.is_some())?;
    let _ = site.scene.play.stage.supervisor.hurt("visitor", Signal::SIGTERM);
    for _ in 0..5 {
        if site.scene.play.seen.phase == "home" {
            break;
        }
        site.probe.press("esc")?;
        let _ = site.until("home", Duration::from_secs(5), |site| site.scene.play.seen.phase == "home");
    }
    let rate = |from: [u64; 2], to: [u64; 2], time: Duration| {
        let per_second = |side: usize| to[side].saturating_sub(from[side]) as f64 / time.as_secs_f64();
        json!({ "box": per_second(0), "page": per_second(1) })
    };
    Ok(json!({
        "action": action, "without": rate(zero, half, HALF), "with": rate(half, end, lasted), "phase": phase,
        "fetched_in_the_visit": fetched, "installed_in_the_visit": installing, "heard_s": heard.as_secs_f64(),
        "receipt": site.scene.play.seen.receipt,
    }))
}

/// What was offered in the visit is installed now, and kept.
fn switched(site: &mut Site) -> Result<Value, Halt> {
    let action = site.heard("ddi-offered", |_| true).and_then(|told| told["action"].as_u64()).unwrap_or_default();
    let is = |execution: &'static str| move |told: &Value| told["action"] == action && told["execution"] == execution;
    let begun = Instant::now();
    let spent = site.cpu_of_the_guest()?;
    let (rauc, updater) = (site.cpu_of("parloir-rauc.service")?, site.cpu_of("parloir-updater.service")?);
    site.until("the bundle at the box", WHOLE, |site| site.heard("ddi-feedback", is("downloaded")).is_some())?;
    let (fetched_s, fetched_cpu) = (begun.elapsed().as_secs_f64(), site.cpu_of_the_guest()? - spent);
    let fetched = (site.cpu_of("parloir-rauc.service")?, site.cpu_of("parloir-updater.service")?);
    // Read once a second: the restart follows the install at once, and takes the counters with it.
    let (mut installed, mut read) = (None, Instant::now());
    site.until("the install", WHOLE, |site| {
        if site.has_restarted() {
            return true;
        }
        if read.elapsed() > Duration::from_secs(1) {
            installed = site.cpu_of_the_guest().ok().zip(site.cpu_of("parloir-rauc.service").ok()).or(installed);
            read = Instant::now();
        }
        site.journal_of("parloir-rauc", 9).iter().any(|l| l.contains("succeeded"))
    })?;
    site.machine.screendump(&site.scene.out.join("updating.png"))?;
    let installed_s = begun.elapsed().as_secs_f64() - fetched_s;
    site.restarted(WHOLE)?;
    let trial = site.running()?;
    let told = site.closed(action, WHOLE)?;
    let closed_s = begun.elapsed().as_secs_f64();
    site.home()?;
    let (kept, order) = (site.running()?, site.order()?);
    // It stays: the next start takes the new slot without being asked.
    site.cut()?;
    site.home()?;
    Ok(json!({
        "finished": told["finished"], "details": told["details"], "trial": format!("{trial:?}"), "is_trial": trial.trial,
        "version": kept.version, "slot": kept.slot, "order": order, "after_a_power_cut": format!("{:?}", site.running()?),
        "feedback": site.feedback(action).iter().map(|told| told["execution"].clone()).collect::<Vec<_>>(),
        "figures": {
            "fetched_s": fetched_s, "fetched_guest_cpu_s": fetched_cpu, "fetched_updater_cpu_s": fetched.1 - updater,
            "installed_s": installed_s, "installed_guest_cpu_s": installed.map(|(all, _)| all - spent - fetched_cpu),
            "installed_rauc_cpu_s": installed.map(|(_, own)| own - rauc), "offer_to_report_s": closed_s,
        },
    }))
}

/// What a box fetches that has the built image, with one crate compiled otherwise in the new one. A soak makes it: it takes a compiler.
///
/// # Errors
/// A script fails.
pub fn make_one_crate(bundles: &Bundles) -> std::io::Result<()> {
    bundles.of_the_image()?;
    bundles.made("one-crate", "0.2.4", &["--crate", "parloir-peers"]).map(drop)
}

/// Size of a bundle, and what of it a box lacks that runs the built image.
///
/// # Errors
/// `parloirctl update inspect` fails.
pub fn sizes(site: &Site, name: &str) -> Result<Value, Halt> {
    let (bundle, image) = (site.bundles.path(name), site.bundles.path("of-the-image"));
    Ok(json!({ "bundle_bytes": std::fs::metadata(&bundle)?.len(), "lacks": site.bundles.inspected(&bundle, &image)? }))
}
