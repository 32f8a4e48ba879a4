//! Owns: that a box takes what its operator offers and nothing else, keeps what is well, leaves what is not, and reports what was.
//! Never: a mock: facility, updater, RAUC, firmware and disk are the real ones; QEMU plays the board.
//! Called by: `scripts/test updates`; `scripts/soak updates` (30 cuts; PARLOIR_UPDATES_CUTS, _SEED, _MINUTES, _RECORD, _COMMIT).

#[path = "updates/mod.rs"]
mod updates;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, OnceLock, PoisonError};

use parloir_image::inside::is_outside;
use parloir_image::tools::tree;
use parloir_image::{Halt, inside};
use serde_json::{Value, json};
use updates::cuts::{self, Wanted};
use updates::falls::{self, FAULTS};
use updates::switch::{self, NEXT, REFUSED};

/// One virtual machine at a time: they take both cores.
static ALONE: Mutex<()> = Mutex::new(());

/// Plays a course once, by the test of that name, also when it fails; its report, or `None` where it cannot be played.
fn played(
    test: &str,
    make: impl Fn(&str) -> std::io::Result<()>,
    course: impl FnOnce(&str, &mut dyn FnMut(&str, Value)) -> Result<(), Halt>,
) -> Option<Value> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = tree().join("out/image").join(format!("{test}.json"));
    if is_outside() {
        let _ = std::fs::remove_file(&path);
        make(test).expect("bundles");
    }
    let (mut report, to) = (json!({}), path.clone());
    let mut note = |name: &str, came: Value| {
        println!("{name}: {came}");
        report[name] = came;
        std::fs::create_dir_all(to.parent().unwrap_or(&to)).expect("a place for the report");
        std::fs::write(&to, format!("{report:#}\n")).expect("the report");
    };
    // A course that failed is not played again for the next test: what it did not come to is missing in its report.
    let run = || inside(test, || course(test, &mut note));
    let ran = catch_unwind(AssertUnwindSafe(run)).unwrap_or(true);
    ran.then(|| {
        std::fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_else(|| json!({}))
    })
}

fn switched() -> Option<&'static Value> {
    static TOLD: OnceLock<Option<Value>> = OnceLock::new();
    let play = || played("a_version_that_is_well_is_kept_and_reported", switch::make, |test, note| switch::course(test, note));
    TOLD.get_or_init(play).as_ref()
}

fn fallen() -> Option<&'static Value> {
    static TOLD: OnceLock<Option<Value>> = OnceLock::new();
    let play = || {
        played("a_version_that_is_not_well_is_left_within_three_boots_and_reported", falls::make, |test, note| {
            falls::course(test, note)
        })
    };
    TOLD.get_or_init(play).as_ref()
}

/// How: the update server offers the built image with another version; it is installed into slot B, started once, blessed, reported,
/// and started again after a power cut.
#[test]
fn a_version_that_is_well_is_kept_and_reported() {
    let Some(told) = switched() else { return };
    let came = &told["switched"];
    assert_eq!((&came["finished"], &came["version"], &came["slot"]), (&json!("success"), &json!(NEXT), &json!("b")), "{came}");
    assert_eq!(came["is_trial"], json!(true), "the first start is a trial: {came}");
    assert_eq!(came["order"][0], json!("system-b"), "{came}");
    assert!(came["after_a_power_cut"].as_str().is_some_and(|now| now.contains(NEXT) && now.contains("trial: false")), "{came}");
}

/// How: a bundle of somebody else, for another board, cut short, plain, older, with one byte changed; each is offered.
#[test]
fn what_must_be_refused_is_refused_with_its_reason_on_server_screen_and_ledger() {
    let Some(told) = switched() else { return };
    let rows = told["ledger"]["rows"].as_array().cloned().unwrap_or_default();
    assert_eq!(told["ledger"]["whole"], json!(true), "{}", told["ledger"]["why"]);
    for (name, _, code) in REFUSED {
        let came = &told[name];
        assert_eq!((&came["finished"], &came["code"]), (&json!("failure"), &json!(code)), "{name}: {came}");
        assert_eq!(came["same"], json!(true), "{name}: the box runs what it ran: {came}");
        assert_eq!(came["order"], json!(["system-a"]), "{name}: nobody would start the other slot: {came}");
        assert!(came["screen"].is_string(), "{name}: the screen was told nothing: {came}");
        let in_ledger = rows.iter().any(|row| row["event"] == "update" && row["detail"].to_string().contains(code));
        assert!(in_ledger, "{name}: {code} is not in the ledger");
    }
}

/// How: the good bundle is offered in the second half of a visit with a browser.
#[test]
fn an_offer_in_a_visit_waits_and_is_installed_afterwards() {
    let Some(told) = switched() else { return };
    let came = &told["in_a_visit"];
    assert_eq!((&came["fetched_in_the_visit"], &came["installed_in_the_visit"]), (&json!(false), &json!(false)), "{came}");
    for side in ["box", "page"] {
        let rate = |half: &str| came[half][side].as_f64().unwrap_or(0.0);
        // An emulated processor beside a browser: what both halves have in common is that it is uneven.
        assert!(rate("without") > 0.5 && rate("with") > 0.6 * rate("without"), "{side}: {came}");
    }
    assert_eq!(told["switched"]["finished"], json!("success"), "{}", told["switched"]);
}

/// Printed: size of the bundle, what an adaptive download would fetch, processor time of the guest.
#[test]
fn what_an_update_costs_is_printed() {
    let Some(told) = switched() else { return };
    println!("figures: {:#}\nsizes: {:#}", told["switched"]["figures"], told["sizes"]);
    assert!(told["switched"]["figures"]["installed_guest_cpu_s"].as_f64() > Some(1.0), "{}", told["switched"]);
    assert!(told["sizes"]["bundle_bytes"].as_u64() > Some(30 << 20), "{}", told["sizes"]);
}

/// How: a version whose first program hangs, one whose arbiter ends at once, one that draws nothing, one without the camera's driver.
#[test]
fn a_version_that_is_not_well_is_left_within_three_boots_and_reported() {
    let Some(told) = fallen() else { return };
    for (name, _) in FAULTS {
        let came = &told[name];
        assert_eq!((&came["back"], &came["finished"]), (&json!(true), &json!("failure")), "{name}: {came}");
        assert!(came["boots"].as_u64().is_some_and(|boots| boots <= 3), "{name}: {came}");
        assert_eq!(came["successes"], json!(0), "{name}: {came}");
        let code = came["code"].as_str().unwrap_or_default();
        // Who hung before anybody could write says nothing; the others say what was missing.
        let told = if name == "hang" { ["UpdateSilent"].as_slice() } else { ["UpdateNotHealthy", "UpdateSilent"].as_slice() };
        assert!(told.contains(&code), "{name}: {came}");
    }
    assert_eq!(told["ledger"]["whole"], json!(true), "{}", told["ledger"]["why"]);
}

/// How: one cut in an install, one before a blessing, at moments that the seed chooses; a look after each.
#[test]
fn a_power_cut_in_an_update_costs_no_start_and_no_truth() {
    let wanted = Wanted::from_environment();
    played(
        "a_power_cut_in_an_update_costs_no_start_and_no_truth",
        |test| cuts::make(test, &wanted),
        |test, _| cuts::course(test, &wanted),
    );
}
