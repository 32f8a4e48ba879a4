//! Owns: the long random walk: a million events, its twin and every invariant after each step, and the rows of the tables that it used.
//! Never: finds a run that cannot be found again: a failure prints seed, run and step, and walk.rs walks it again.
//! Called by: `scripts/test judge`; `scripts/soak judge` (20 million events; PARLOIR_JUDGE_SEED, _RECORD, _COMMIT).
#![allow(clippy::disallowed_methods, reason = "a test may read its surroundings; the core may not")]
#![allow(dead_code, reason = "what the short walk needs of the shared rooms is not needed here")]

mod bed;
mod twin;
mod world;

use std::io::Write as _;
use world::course;

#[test]
fn a_million_random_events_break_no_invariant() {
    let record = std::env::var_os("PARLOIR_JUDGE_RECORD");
    let seed = course::env("PARLOIR_JUDGE_SEED", 20_261_122);
    let walked = course::walk(seed, if record.is_some() { 20_000_000 } else { 1_000_000 });
    let words = format!(
        "{} events in {} runs (seed {seed}), {} of them causes in open doors, {} effects: 0 invariants broken, 0 differences from the twin; \
         {} cells of the four tables used",
        walked.events,
        walked.runs,
        walked.in_open_doors(),
        walked.effects,
        walked.cells.len()
    );
    println!("judge: walk: {words}");
    if let Some(record) = record {
        let commit = std::env::var("PARLOIR_JUDGE_COMMIT").unwrap_or_default();
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(record).expect("the record opens");
        writeln!(file, "\n## Random walk\n\nCommit `{commit}`. {words}.").expect("the record is written");
    }
}
