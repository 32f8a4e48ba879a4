//! Owns: that a box comes back: every cell that is killed or hangs is replaced, as its unit would.
//! Never: a mock; processes are hurt from outside, and seen from outside.
//! Called by: `scripts/test resume`.

mod whole;

use serde_json::{Value, json};
use whole::{cannot, course};

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
    assert_eq!(report["errors"], Value::Array(Vec::new()));
}
