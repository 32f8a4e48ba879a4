//! Owns: rows as the arbiter writes them, and what a person is told of them.
//! Never: a database.
//! Called by: cargo test.

use super::{BURST, EVERY_MS, MOST, Pace, Record};
use crate::ledger::Entry;
use parloir_bus::view::Moment;
use parloir_core::Now;
use parloir_pass::Id;

const ME: Id = Id([0xbe; 16]);
const SOMEBODY: Id = Id([0xbf; 16]);
const ANA: Id = Id([0xa1; 16]);
const SECOND: u64 = 1_000_000_000;

/// Of one boot, a second after each other.
fn rows(told: &[(&str, &str, String)]) -> Vec<(u64, Entry)> {
    let row = |(at, (event, call, detail)): (u64, &(&str, &str, String))| {
        let (event, call) = ((*event).to_owned(), (*call).to_owned());
        (at + 1, Entry { boot: "b".into(), at_ns: at * SECOND, wall_s: 100 + at as i64, event, call, detail: detail.clone() })
    };
    (0..).zip(told).map(row).collect()
}

fn told(person: Id, rows: &[(u64, Entry)]) -> Vec<Moment> {
    let mut record = Record::of(person, [ANA.to_string()].into());
    let _ = rows.iter().rev().all(|(seq, row)| record.take(*seq, row));
    record.told()
}

fn visit(person: Id, call: &'static str) -> Vec<(&'static str, &'static str, String)> {
    vec![
        ("asked", call, format!("person={person} contact={ANA} serial=7")),
        ("admitted", call, "grant=00".into()),
        ("doors-opened", call, "camera=true microphone=true".into()),
        ("refused", "00", format!("code=GrantStray person={person}")),
        ("ended", call, "reason=PersonEnded seconds_counted=2".into()),
        ("doors-shut", call, "took_ms=4".into()),
        ("receipt", call, String::new()),
    ]
}

#[test]
fn a_visit_is_one_moment_with_its_doors_its_time_and_its_end() {
    let rows = rows(&visit(ME, "c1"));
    let seen = Moment {
        seq: 1,
        at: 100,
        kind: "call".into(),
        contact: ANA.to_string(),
        code: "PersonEnded".into(),
        incoming: false,
        camera: true,
        microphone: true,
        seconds_open: 3,
        seconds_counted: 2,
    };
    assert_eq!(told(ME, &rows), [seen]);
    assert_eq!(told(SOMEBODY, &rows), []);
}

#[test]
fn what_rang_was_refused_or_denied_is_told_and_what_the_boxs_parts_were_told_is_not() {
    let ring = |ring: &str, person: Id| ("rang", "", format!("ring={ring} person={person} contact={ANA}"));
    let mut all = vec![
        ring("r1", ME),
        ("ring-over", "", "ring=r1 code=RingMissed".into()),
        ("refused", "", format!("code=OutsideWindow person={ME}")),
        ("refused", "", format!("code=DocumentOld person={ME}")),
        ("refused", "", format!("code=OutsideWindow person={SOMEBODY}")),
        ring("r2", SOMEBODY),
        ("ring-over", "", "ring=r2 code=RingMissed".into()),
        ("denied", "", format!("person={SOMEBODY}")),
        ("denied", "", format!("contact={ANA}")),
        ring("r3", ME),
        ("answered", "c2", "ring=r3".into()),
    ];
    all.extend(visit(ME, "c2"));
    let seen = told(ME, &rows(&all));
    let brief: Vec<_> = seen.iter().map(|m| (m.kind.as_str(), m.code.as_str(), m.incoming)).collect();
    let wanted =
        [("call", "PersonEnded", true), ("denied", "", false), ("refused", "OutsideWindow", false), ("ring", "RingMissed", true)];
    assert_eq!(brief, wanted);
}

#[test]
fn a_power_cut_leaves_the_time_of_the_open_doors_unsaid() {
    let mut all = visit(ME, "c1");
    all.truncate(3);
    all.push(("ended", "c1", "reason=PowerLost seconds_counted=2".into()));
    let seen = told(ME, &rows(&all));
    assert_eq!((seen[0].code.as_str(), seen[0].camera, seen[0].seconds_open), ("PowerLost", true, 0));
}

#[test]
fn pages_follow_each_other_without_a_gap_and_no_visit_twice() {
    let calls: Vec<&'static str> = vec!["c1", "c2", "c3", "c4", "c5", "c6", "c7"];
    let all: Vec<_> = calls.iter().flat_map(|call| visit(ME, call)).collect();
    let rows = rows(&all);
    let newest = told(ME, &rows);
    assert_eq!(newest.len(), MOST);
    let before = newest.last().unwrap().seq;
    let rest: Vec<_> = rows.into_iter().filter(|(seq, _)| *seq < before).collect();
    let older = told(ME, &rest);
    assert_eq!((older.len(), older[0].seq, older[1].seq), (2, 8, 1));
}

#[test]
fn pages_are_made_four_times_a_second_at_most() {
    let mut pace = Pace::default();
    let made = (0..1000).filter(|n| pace.may(Now { mono_ms: n * 10 })).count() as u64;
    assert!((10_000 / EVERY_MS..=10_000 / EVERY_MS + BURST).contains(&made), "{made}");
}
