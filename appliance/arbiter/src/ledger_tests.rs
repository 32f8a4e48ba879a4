//! Owns: that the ledger is append-only, its chain finds every change, and each write is whole or not at all.
//! Never: a file outside the temporary directory.
//! Called by: cargo test.

use super::{Entry, FILE, Ledger, LedgerError, OpenVisit, SCHEMA};
use rusqlite::Connection;

fn entry(event: &str) -> Entry {
    let text = str::to_owned;
    Entry { boot: text("b"), at_ns: 7, wall_s: 0, event: text(event), call: text("c"), detail: text("k=v") }
}

fn three() -> Ledger {
    let mut ledger = Ledger::in_memory().unwrap();
    for event in ["doors-open", "grant", "doors-shut"] {
        ledger.append(&entry(event)).unwrap();
    }
    ledger
}

/// What somebody with the file and SQLite can do: no trigger stops them.
fn tamper(ledger: &Ledger, sql: &str) {
    ledger.db.execute_batch("DROP TRIGGER ledger_no_update; DROP TRIGGER ledger_no_delete; DROP TRIGGER ledger_at_end").unwrap();
    assert_eq!(ledger.db.execute(sql, []).unwrap(), 1, "{sql}");
}

#[test]
fn the_chain_holds_and_its_head_is_the_last_hash() {
    let ledger = three();
    let (rows, head) = ledger.check().unwrap();
    assert_eq!((rows, head), (3, ledger.head().unwrap()));
    assert_ne!(head, [0; 32]);
    assert_eq!(Ledger::in_memory().unwrap().check().unwrap(), (0, [0; 32]));
}

#[test]
fn triggers_refuse_every_change_but_the_next_row() {
    let ledger = three();
    for sql in [
        "UPDATE ledger SET event = 'x' WHERE seq = 1",
        "DELETE FROM ledger WHERE seq = 3",
        "DELETE FROM ledger",
        "INSERT OR REPLACE INTO ledger SELECT 2, boot, at_ns, wall_s, 'x', call, detail, previous, hash FROM ledger WHERE seq = 2",
        "INSERT INTO ledger SELECT 9, boot, at_ns, wall_s, 'x', call, detail, previous, hash FROM ledger WHERE seq = 3",
        "INSERT INTO ledger SELECT 4, boot, at_ns, wall_s, 'x', call, detail, previous, hash FROM ledger WHERE seq = 3",
    ] {
        assert!(ledger.db.execute(sql, []).is_err(), "{sql}");
    }
    assert_eq!(ledger.check().unwrap().0, 3);
}

#[test]
fn every_changed_column_and_every_missing_row_is_found() {
    for column in ["boot = 'x'", "at_ns = 8", "wall_s = 9", "event = 'x'", "call = 'x'", "detail = 'x'", "hash = zeroblob(32)"] {
        let ledger = three();
        tamper(&ledger, &format!("UPDATE ledger SET {column} WHERE seq = 2"));
        assert!(matches!(ledger.check(), Err(LedgerError::Broken(2 | 3))), "{column}");
    }
    let ledger = three();
    tamper(&ledger, "DELETE FROM ledger WHERE seq = 2");
    assert!(matches!(ledger.check(), Err(LedgerError::Broken(3))));
    // Cut off at the end: the chain holds, but the head is no longer the one that the last receipt carried.
    let ledger = three();
    let head = ledger.head().unwrap();
    tamper(&ledger, "DELETE FROM ledger WHERE seq = 3");
    assert_ne!(ledger.check().unwrap().1, head);
}

#[test]
fn moving_a_byte_between_columns_changes_the_hash() {
    let (mut a, mut b) = (entry("ab"), entry("a"));
    (a.call, b.call) = ("c".into(), "bc".into());
    assert_ne!(super::row_hash(1, &[0; 32], &a), super::row_hash(1, &[0; 32], &b));
}

#[test]
fn a_receipt_closes_the_open_visit_and_waits_until_sent() {
    let mut ledger = three();
    let visit = OpenVisit { call: "c".into(), boot: "b".into(), at_ns: 1, draft: "{}".into() };
    ledger.keep_open_visit(&visit).unwrap();
    ledger.renew_open_visit(&OpenVisit { at_ns: 2, ..visit.clone() }).unwrap();
    assert_eq!(ledger.open_visits().unwrap()[0].at_ns, 2);
    ledger.keep_receipt("r1", b"sealed", &entry("receipt")).unwrap();
    // One that was on its way when the visit was closed opens nothing again.
    ledger.renew_open_visit(&visit).unwrap();
    assert_eq!(ledger.open_visits().unwrap(), vec![]);
    assert_eq!(ledger.waiting_receipts().unwrap(), vec![("r1".to_owned(), b"sealed".to_vec())]);
    ledger.receipt_sent("r1").unwrap();
    assert!(ledger.waiting_receipts().unwrap().is_empty());
    assert_eq!(ledger.check().unwrap().0, 4);
}

#[test]
fn floors_never_fall() {
    let mut ledger = Ledger::in_memory().unwrap();
    ledger.keep_document("policy", b"five", 5).unwrap();
    ledger.raise_floor("policy", 3).unwrap();
    assert_eq!(ledger.floors().unwrap(), [("policy".to_owned(), 5)].into());
    assert!(ledger.db.execute("UPDATE revision_floor SET revision = 1", []).is_err());
    assert!(ledger.db.execute("DELETE FROM revision_floor", []).is_err());
    assert_eq!(ledger.document("policy").unwrap().unwrap(), b"five");
}

/// How it was broken: power goes between the two writes; the floor stands above the kept policy, which is refused as old at the next
/// start, and the box has none until the broker is reached.
#[test]
fn a_document_and_its_floor_are_kept_together_or_not_at_all() {
    let mut ledger = Ledger::in_memory().unwrap();
    ledger.keep_document("policy", b"five", 5).unwrap();
    ledger.db.execute_batch("CREATE TEMP TRIGGER cut BEFORE INSERT ON document BEGIN SELECT RAISE(ABORT, 'cut'); END").unwrap();
    assert!(ledger.keep_document("policy", b"six", 6).is_err());
    assert_eq!((ledger.floors().unwrap()["policy"], ledger.document("policy").unwrap().unwrap()), (5, b"five".to_vec()));
}

#[test]
fn the_file_survives_a_reopening_and_an_unknown_version_is_refused() {
    let dir = std::env::temp_dir().join(format!("parloir-ledger-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let head = Ledger::open(&dir).unwrap().append(&entry("start")).unwrap();
    let again = Ledger::open(&dir).unwrap();
    assert_eq!(again.check().unwrap(), (1, head));
    again.db.execute_batch("PRAGMA user_version = 9").unwrap();
    drop(again);
    assert!(matches!(Ledger::open(&dir), Err(LedgerError::Version(9))));
    std::fs::remove_dir_all(&dir).unwrap();
}

/// How it was broken: there was room for one record. The receipt of a visit that the disk would not take waited in memory; the next visit's
/// record took the place of its own, or its receipt, once written, took away the next visit's: a crash then lost a receipt.
#[test]
fn the_receipt_of_one_visit_leaves_the_record_of_another() {
    let mut ledger = Ledger::in_memory().unwrap();
    let visit = |call: &str| OpenVisit { call: call.into(), boot: "b".into(), at_ns: 1, draft: "{}".into() };
    ledger.keep_open_visit(&visit("c")).unwrap();
    ledger.keep_open_visit(&visit("d")).unwrap();
    ledger.keep_receipt("r1", b"sealed", &entry("receipt")).unwrap();
    assert_eq!(ledger.open_visits().unwrap(), vec![visit("d")]);
    ledger.close_visit(&Entry { call: "d".into(), ..entry("receipt") }).unwrap();
    assert_eq!((ledger.open_visits().unwrap(), ledger.waiting_receipts().unwrap().len()), (vec![], 1));
}

#[test]
fn a_database_of_version_1_is_taken_over_with_its_open_visit() {
    let dir = std::env::temp_dir().join(format!("parloir-ledger-v1-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let old = Connection::open(dir.join(FILE)).unwrap();
    let schema = SCHEMA.replace("call     TEXT    PRIMARY KEY", "one INTEGER PRIMARY KEY CHECK (one = 1)");
    assert_ne!(schema, SCHEMA);
    old.execute_batch(&format!("{schema} PRAGMA user_version = 1")).unwrap();
    old.execute("INSERT INTO open_visit VALUES (1, 'b', 7, '{\"call\":\"c1\"}')", []).unwrap();
    drop(old);
    let ledger = Ledger::open(&dir).unwrap();
    ledger.sound().unwrap();
    let open = ledger.open_visits().unwrap();
    assert_eq!((open[0].call.as_str(), open[0].at_ns, open.len()), ("c1", 7, 1));
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_missing_table_and_a_broken_page_are_not_sound() {
    let ledger = three();
    ledger.sound().unwrap();
    ledger.db.execute_batch("DROP TABLE denied").unwrap();
    assert!(ledger.sound().unwrap_err().is_unreadable());
}
