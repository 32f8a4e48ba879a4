//! Owns: what a box has written and used, read from outside: its ledger, its memory.
//! Never: writes into the guest.
//! Called by: the tests of whole boxes.

use std::fs;
use std::io;
use std::path::Path;

use parloir_arbiter::ledger::{FILE, Ledger};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::probe::Probe;

/// Where the arbiter keeps its state in the guest.
const STATE: &str = "/var/lib/parloir/arbiter";

/// Copies the arbiter's database into `to` and reads it: whether its chain of hashes is whole, and its rows.
///
/// # Errors
/// It cannot be copied, or it is no database.
pub fn ledger(probe: &Probe, to: &Path) -> io::Result<Value> {
    fs::create_dir_all(to)?;
    for name in probe.list(STATE)? {
        if name.starts_with(FILE) && !name.ends_with("-shm") {
            fs::write(to.join(&name), probe.read(&format!("{STATE}/{name}"))?)?;
        }
    }
    read_ledger(to)
}

/// Reads the arbiter's database in a directory.
///
/// # Errors
/// It is none.
pub fn read_ledger(dir: &Path) -> io::Result<Value> {
    let checked = Ledger::open(dir).and_then(|ledger| ledger.check());
    let open = Connection::open_with_flags(dir.join(FILE), OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(io::Error::other)?;
    let mut rows =
        open.prepare("SELECT seq, boot, at_ns, event, call, detail FROM ledger ORDER BY seq").map_err(io::Error::other)?;
    let rows = rows.query_map([], |row| {
        let text = |at: usize| row.get::<_, String>(at);
        let at_s = row.get::<_, i64>(2)? as f64 / 1e9;
        Ok(json!({
            "seq": row.get::<_, i64>(0)?, "boot": text(1)?, "at_s": at_s, "event": text(3)?, "call": text(4)?, "detail": text(5)?,
        }))
    });
    let rows: Vec<Value> = rows.and_then(Iterator::collect).map_err(io::Error::other)?;
    let whole = checked.as_ref().is_ok_and(|(count, _)| usize::try_from(*count).is_ok_and(|count| count == rows.len()));
    Ok(json!({ "whole": whole, "why": checked.err().map(|why| why.to_string()), "rows": rows }))
}

/// Memory of each of our units, MiB: what its cgroup is charged with, and the proportional share of its processes.
///
/// # Errors
/// The probe is gone.
pub fn memory(probe: &Probe) -> io::Result<Value> {
    let mut all = serde_json::Map::new();
    for process in probe.processes()?.into_iter().filter(|process| process.unit.starts_with("parloir-")) {
        let name = process.unit.split(['@', '.']).next().unwrap_or_default().to_owned();
        let number = |file: &str| -> f64 {
            let text = probe.text(&format!("/sys/fs/cgroup{}/{file}", process.cgroup)).unwrap_or_default();
            text.parse::<f64>().unwrap_or(0.0) / f64::from(1 << 20)
        };
        let rounded = |mib: f64| (mib * 10.0).round() / 10.0;
        let entry = all.entry(name).or_insert_with(|| {
            json!({ "cgroup_mib": rounded(number("memory.current")), "peak_mib": rounded(number("memory.peak")), "pss_mib": 0.0 })
        });
        entry["pss_mib"] = json!(rounded(entry["pss_mib"].as_f64().unwrap_or(0.0) + process.pss_kib as f64 / 1024.0));
    }
    Ok(Value::Object(all))
}
