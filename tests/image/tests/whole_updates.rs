//! Owns: that a box takes what its operator offers and nothing else, keeps what is well, leaves what is not, and reports what was.
//! Never: a mock: facility, updater, RAUC, firmware and disk are the real ones; QEMU plays the board.
//! Called by: `scripts/test updates`; `scripts/soak updates` (30 cuts; PARLOIR_UPDATES_CUTS, _SEED, _MINUTES, _RECORD, _COMMIT).

#[path = "updates/mod.rs"]
mod updates;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, OnceLock, PoisonError};

use parloir_image::inside::is_outside;
use parloir_image::story::ledger;
use parloir_image::tools::tree;
use parloir_image::{Halt, inside};
use serde_json::{Value, json};
use updates::Site;
use updates::bundles::Bundles;
use updates::cuts::{self, Wanted};
use updates::falls::{self, FAULTS};
use updates::switch::{self, NEXT, REFUSED};

/// One virtual machine at a time: they take both cores.
static ALONE: Mutex<()> = Mutex::new(());

/// What is played, by the name of the test that plays it.
struct Part {
    test: &'static str,
    faults: &'static [(&'static str, &'static str)],
    switch: bool,
}

/// What CI plays, in one machine.
const LIFE: Part = Part { test: "a_version_that_is_well_is_kept_and_reported", faults: FAULTS.split_at(2).0, switch: true };
/// What a soak plays.
const SOAK: Part = Part { test: "a_power_cut_in_an_update_costs_no_start_and_no_truth", faults: &FAULTS, switch: false };

/// Plays it once, also when it fails; its report, or `None` where it cannot be played.
fn played(part: &Part) -> Option<Value> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (wanted, path) = (Wanted::from_environment(), tree().join("out/image").join(format!("{}.json", part.test)));
    if is_outside() {
        let _ = std::fs::remove_file(&path);
        let bundles = Bundles::outside(part.test).expect("an image");
        if part.switch {
            switch::make(&bundles).expect("bundles to take and to refuse");
        }
        if !part.switch {
            switch::make_one_crate(&bundles).expect("a bundle with one crate compiled otherwise");
        }
        falls::make(&bundles, part.faults).expect("bundles with faults");
        cuts::make(&bundles, &wanted).expect("bundles to be cut off");
    }
    let (mut report, to) = (json!({}), path.clone());
    let mut note = |name: &str, came: Value| {
        println!("{name}: {came}");
        report[name] = came;
        std::fs::create_dir_all(to.parent().unwrap_or(&to)).expect("a place for the report");
        std::fs::write(&to, format!("{report:#}\n")).expect("the report");
    };
    // A course that failed is not played again for the next test: what it did not come to is missing in its report.
    let run = || inside(part.test, || course(part, &wanted, &mut note));
    let ran = catch_unwind(AssertUnwindSafe(run)).unwrap_or(true);
    ran.then(|| {
        std::fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_else(|| json!({}))
    })
}

fn course(part: &Part, wanted: &Wanted, note: &mut dyn FnMut(&str, Value)) -> Result<(), Halt> {
    let mut site = Site::set(part.test)?;
    if part.switch {
        switch::course(&mut site, note)?;
    } else {
        note("one_crate", switch::sizes(&site, "one-crate")?);
    }
    falls::course(&mut site, part.faults, note)?;
    let wrong = cuts::course(&mut site, wanted)?;
    note("cuts", json!({ "wrong": wrong }));
    let at = site.scene.out.join("state-at-the-end");
    note("ledger", ledger(&site.probe, &at)?);
    Ok(())
}

fn life() -> Option<&'static Value> {
    static TOLD: OnceLock<Option<Value>> = OnceLock::new();
    TOLD.get_or_init(|| played(&LIFE)).as_ref()
}

/// How: the update server offers the built image with another version; it is installed into slot B, started once, blessed, reported,
/// and started again after a power cut.
#[test]
fn a_version_that_is_well_is_kept_and_reported() {
    let Some(told) = life() else { return };
    let came = &told["switched"];
    assert_eq!((&came["finished"], &came["version"], &came["slot"]), (&json!("success"), &json!(NEXT), &json!("b")), "{came}");
    assert_eq!(came["is_trial"], json!(true), "the first start is a trial: {came}");
    assert_eq!(came["order"][0], json!("system-b"), "{came}");
    assert!(came["after_a_power_cut"].as_str().is_some_and(|now| now.contains(NEXT) && now.contains("trial: false")), "{came}");
}

/// How: a bundle of somebody else, for another board, cut short, plain, older, with one byte changed; each is offered.
#[test]
fn what_must_be_refused_is_refused_with_its_reason_on_server_screen_and_ledger() {
    let Some(told) = life() else { return };
    let rows = told["ledger"]["rows"].as_array().cloned().unwrap_or_default();
    assert_eq!(told["ledger"]["whole"], json!(true), "{}", told["ledger"]["why"]);
    for (name, _, code) in REFUSED {
        let came = &told[name];
        assert_eq!((&came["finished"], &came["code"]), (&json!("failure"), &json!(code)), "{name}: {came}");
        assert_eq!(came["same"], json!(true), "{name}: the box runs what it ran: {came}");
        assert_eq!(came["order"], json!(["system-a"]), "{name}: nobody would start the other slot: {came}");
        assert!(came["screen"].as_f64() > Some(0.002), "{name}: the screen says nothing: {came}");
        let in_ledger = rows.iter().any(|row| row["event"] == "update" && row["detail"].to_string().contains(code));
        assert!(in_ledger, "{name}: {code} is not in the ledger");
    }
}

/// How: the good bundle is offered in the second half of a visit with a browser.
#[test]
fn an_offer_in_a_visit_waits_and_is_installed_afterwards() {
    let Some(told) = life() else { return };
    let came = &told["in_a_visit"];
    assert_eq!((&came["fetched_in_the_visit"], &came["installed_in_the_visit"]), (&json!(false), &json!(false)), "{came}");
    let rate = |half: &str, side: &str| came[half][side].as_f64().unwrap_or(0.0);
    let both = |half: &str| rate(half, "box") + rate(half, "page");
    // Frames a second of both sides: an emulated processor beside a browser is uneven, the more so on one side.
    assert!(both("without") > 1.0 && both("with") > 0.6 * both("without"), "{came}");
    assert!(rate("with", "box") > 0.5 && rate("with", "page") > 0.5, "{came}");
    assert_eq!(told["switched"]["finished"], json!("success"), "{}", told["switched"]);
}

/// Printed: size of the bundle, what an adaptive download would fetch, processor time of the guest.
#[test]
fn what_an_update_costs_is_printed() {
    let Some(told) = life() else { return };
    println!("figures: {:#}\nsizes: {:#}", told["switched"]["figures"], told["sizes"]);
    assert!(told["switched"]["figures"]["installed_guest_cpu_s"].as_f64() > Some(1.0), "{}", told["switched"]);
    assert!(told["sizes"]["bundle_bytes"].as_u64() > Some(30 << 20), "{}", told["sizes"]);
}

/// How: a version whose first program hangs, one whose arbiter ends at once; in a soak also one that draws nothing, and one without the
/// camera's driver.
#[test]
fn a_version_that_is_not_well_is_left_within_three_boots_and_reported() {
    let Some(told) = life() else { return };
    left(told, LIFE.faults);
}

/// Each was left, within three starts, and truly reported.
fn left(told: &Value, faults: &[(&str, &str)]) {
    for (name, _) in faults {
        let came = &told[name];
        assert_eq!((&came["back"], &came["finished"]), (&json!(true), &json!("failure")), "{name}: {came}");
        assert!(came["boots"].as_u64().is_some_and(|boots| boots <= 3), "{name}: {came}");
        assert_eq!(came["successes"], json!(0), "{name}: {came}");
        let code = came["code"].as_str().unwrap_or_default();
        // Who hung before anybody could write says nothing; the others say what was missing.
        let told = if *name == "hang" { ["UpdateSilent"].as_slice() } else { ["UpdateNotHealthy", "UpdateSilent"].as_slice() };
        assert!(told.contains(&code), "{name}: {came}");
    }
    assert_eq!(told["ledger"]["whole"], json!(true), "{}", told["ledger"]["why"]);
}

/// How: one cut in an install, one before a blessing, at moments that the seed chooses; a look after each. A soak has more, in a box
/// of its own, and the other faults.
#[test]
fn a_power_cut_in_an_update_costs_no_start_and_no_truth() {
    let soak = Wanted::from_environment().is_soak();
    let own = soak.then(|| played(&SOAK));
    let told = if soak { own.as_ref().and_then(Option::as_ref) } else { life() };
    let Some(told) = told else { return };
    assert_eq!(told["cuts"]["wrong"], json!([]), "{}", told["cuts"]);
    if soak {
        left(told, SOAK.faults);
    }
}
