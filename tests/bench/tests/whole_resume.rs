//! Owns: that a visit goes on after a page was loaded again or a line was cut, that a visitor can ring, that what is killed is replaced.
//! Never: a mock; what is counted is compared with what both sides decoded, seen from outside.
//! Called by: `scripts/test resume`.

mod whole;

use serde_json::{Value, json};
use whole::{cannot, course, run};

/// What `restart` of that cell says in `systemd/cells.toml`: milliseconds of delay and watchdog.
fn restart(name: &str) -> (u64, u64) {
    let cells = parloir_bench::cells::Cells::read(&whole::tree().join("systemd/cells.toml")).expect("our file");
    cells.named(name).map_or((1000, 0), |cell| (cell.restart.delay_ms, cell.restart.watchdog_ms))
}

#[test]
fn whatever_is_killed_or_stopped_at_home_is_replaced_as_its_unit_says() {
    if cannot() {
        return;
    }
    let (output, report) = course("restarts", "restarts", &["--headless"]);
    assert!(output.status.success(), "something did not come back; see above");
    let rows = report["rows"].as_array().cloned().unwrap_or_default();
    assert_eq!(rows.len(), 12, "{rows:?}");
    for row in &rows {
        let name = row["name"].as_str().expect("a name");
        let (delay, watchdog) = restart(name);
        if row["how"] == json!("keep_down") {
            assert_eq!((&row["stayed_down"], &row["back"]), (&json!(true), &json!(true)), "{row}");
            continue;
        }
        // A stopped cell lives until its watchdog's limit after its last ping, which came at most half a limit before.
        let least = if row["how"] == json!("SIGSTOP") { delay + watchdog / 4 } else { delay };
        let most = if row["how"] == json!("SIGSTOP") { delay + watchdog } else { delay } + 5000;
        let took = row["replaced_ms"].as_u64().expect("a time");
        assert!((least..=most).contains(&took), "{row}: not within {least} to {most} ms");
    }
    assert_eq!(report["errors"], json!([]));
}

#[test]
fn a_visitor_rings_and_no_door_opens_before_the_person_has_answered() {
    if cannot() {
        return;
    }
    let (output, report) = run("incoming", &["--headless", "--visitor", "chromium", "--incoming", "--for", "10"]);
    assert!(output.status.success(), "no visit; see above");
    let ring = &report["ring"];
    assert_eq!(ring["camera_open_before_ok"], json!(false), "{ring}");
    assert!(ring["rang_after_ms"].as_u64().is_some_and(|ms| ms <= 2000), "{ring}");
    let states: Vec<&str> = ring["facility"].as_array().into_iter().flatten().filter_map(|r| r["state"].as_str()).collect();
    assert_eq!(states, ["sent", "ringing", "answered"], "{ring}");
    assert_eq!(report["receipt"]["verified"], json!(true), "{}", report["receipt"]);
    let pictures = report["pictures"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>();
    assert!(pictures.iter().any(|name| name.ends_with("-ringing.png")), "no picture of the ringing screen: {pictures:?}");
    quiet(&report);
}

/// A visit that is interrupted once; what it reported. The same grant lives through it, or one other takes its place.
fn interrupted(how: &str, network: &str, regrants: u64) -> Value {
    let (output, report) = course("resume", how, &["--how", how, "--network", network, "--headless", "--visitor", "chromium"]);
    assert!(output.status.success(), "{how}: the visit did not go on; see above");
    let (resumed, receipt) = (&report["resumed"], &report["receipt"]);
    assert_eq!((&resumed["granted"], &resumed["regranted"]), (&json!(1), &json!(regrants)), "{how}: {resumed}");
    assert_eq!(resumed["receipt_regrants"].as_array().map(Vec::len), usize::try_from(regrants).ok(), "{how}: {resumed}");
    assert_eq!(receipt["verified"], json!(true), "{how}: {receipt}");
    assert!(receipt["visitor_statement"].is_object(), "{how}: {receipt}");
    let phases: Vec<&str> = resumed["phases"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let held = phases.iter().position(|phase| *phase == "held").expect("the screen said that the visit is held");
    assert!(phases[held..].contains(&"live"), "{how}: {phases:?}");
    let (counted, seen) = (number(&resumed["counted_s"]), number(&resumed["both_decoded_seconds"]));
    assert!((counted - seen).abs() <= 1.0, "{how}: {counted} s counted, {seen} s decoded by both, seen from outside");
    let told = number(&receipt["seconds_counted"]);
    assert!((told - counted).abs() <= 0.5, "{how}: the receipt says {told} s where its own times say {counted} s");
    quiet(&report);
    report
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// Nothing died and nothing called itself a bug.
fn quiet(report: &Value) {
    assert_eq!((&report["errors"], &report["deaths"]), (&json!([]), &json!([])));
}

#[test]
fn a_page_that_is_loaded_again_goes_on_under_the_same_grant() {
    if !cannot() {
        interrupted("reload", "loopback", 0);
    }
}

#[test]
fn a_page_that_has_forgotten_its_certificate_goes_on_under_another_grant() {
    if !cannot() {
        interrupted("forgetful", "loopback", 1);
    }
}

/// Over networks of their own, with the relay's file as it ships.
#[test]
fn a_cut_of_twenty_seconds_is_not_counted_and_over_five_seconds_after_it() {
    if cannot() {
        return;
    }
    if let Some(why) = parloir_bench::network::obstacle() {
        println!("skipped: {why}");
        return;
    }
    let report = interrupted("cut", "apart", 0);
    let resumed = &report["resumed"];
    assert!(number(&resumed["resumed_after_s"]) <= 5.0, "{resumed}");
    // The line was really cut: from the first second of it nobody decoded, and as long as it lasted.
    assert!(number(&resumed["stopped_after_s"]) <= 1.0, "{resumed}");
    let whole = number(&report["both_decoded_seconds"]);
    assert!(whole - number(&resumed["both_decoded_seconds"]) >= 19.0, "{whole} s in all: {resumed}");
}
