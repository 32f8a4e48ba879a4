//! Owns: what becomes of a state directory that is damaged, and of what must not be forgotten in it.
//! Never: a file outside the temporary directory.
//! Called by: cargo test.

use super::Disk;
use crate::floors::{self, Floors};
use crate::ledger::{Entry, FILE, Ledger, OpenVisit};
use std::fs;
use std::path::PathBuf;

const RECEIPT: &str = "00112233445566778899aabbccddeeff";

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("parloir-disk-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// With a floor, a denied target, a receipt that waits and an open visit.
    fn used(name: &str) -> Self {
        let dir = Self::new(name);
        let mut disk = Disk::open(&dir.0, "b");
        disk.raise_floor("policy", 5).unwrap();
        disk.deny(&[7; 32]).unwrap();
        let row = |call: &str| Entry {
            boot: "b".into(),
            at_ns: 1,
            wall_s: 0,
            event: "receipt".into(),
            call: call.into(),
            detail: String::new(),
        };
        let visit = OpenVisit { call: "d".into(), boot: "b".into(), at_ns: 1, draft: "{}".into() };
        let ledger = disk.ledger().unwrap();
        ledger.keep_open_visit(&visit).unwrap();
        ledger.keep_receipt(RECEIPT, &[1; 5000], &row("c")).unwrap();
        dir
    }

    fn damage(&self, file: &str) {
        let path = self.0.join(file);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[..100].fill(0x55);
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut all: Vec<String> = fs::read_dir(&self.0).unwrap().map(Result::unwrap).map(name).collect();
        all.retain(|name| !name.ends_with("-wal") && !name.ends_with("-shm"));
        all.sort();
        all
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn remembers(disk: &mut Disk) {
    assert_eq!((disk.floors().floor("policy"), disk.floors().denied.contains(&[7; 32])), (5, true));
    let ledger = disk.ledger().unwrap();
    assert_eq!((ledger.floors().unwrap()["policy"], ledger.denied().unwrap()), (5, vec![[7; 32]]));
}

#[test]
fn a_database_that_cannot_be_read_is_set_aside_and_nothing_is_forgotten() {
    let dir = Dir::used("unreadable");
    dir.damage(FILE);
    for n in 1..=6 {
        let mut disk = Disk::open(&dir.0, "b");
        remembers(&mut disk);
        let (rows, _) = disk.ledger().unwrap().check().unwrap();
        assert_eq!(rows, 1, "a fresh ledger that says what happened");
        drop(disk);
        assert_eq!(dir.names().len(), 2 + n.min(4), "{:?}", dir.names());
        dir.damage(FILE);
    }
}

/// Only a page in the middle is damaged: receipts and open visits can still be read, and are.
#[test]
fn receipts_and_open_visits_are_taken_out_of_a_damaged_database() {
    let dir = Dir::used("rest");
    let db = rusqlite::Connection::open(dir.0.join(FILE)).unwrap();
    let (page, size): (i64, i64) = db
        .query_row(
            "SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_master WHERE name = 'denied'",
            [],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )
        .unwrap();
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(db);
    let mut bytes = fs::read(dir.0.join(FILE)).unwrap();
    let at = usize::try_from((page - 1) * size).unwrap();
    bytes[at..at + 64].fill(0xee);
    fs::write(dir.0.join(FILE), bytes).unwrap();
    let mut disk = Disk::open(&dir.0, "b");
    remembers(&mut disk);
    let ledger = disk.ledger().unwrap();
    assert_eq!(ledger.waiting_receipts().unwrap(), vec![(RECEIPT.to_owned(), vec![1; 5000])]);
    assert_eq!(ledger.open_visits().unwrap()[0].call, "d");
    assert!(dir.names().contains(&"arbiter.db.unreadable-1".to_owned()));
}

#[test]
fn floors_that_cannot_be_read_are_written_anew_from_the_database() {
    let dir = Dir::used("floors");
    dir.damage(floors::FILE);
    remembers(&mut Disk::open(&dir.0, "b"));
    assert_eq!(Floors::read(&dir.0).unwrap().unwrap().floor("policy"), 5);
    fs::remove_file(dir.0.join(floors::FILE)).unwrap();
    remembers(&mut Disk::open(&dir.0, "b"));
}

/// Broken if it opened: whoever can damage both files could undo a revocation.
#[test]
fn with_both_damaged_no_visit_is_recorded_and_so_none_opens() {
    let dir = Dir::used("both");
    dir.damage(FILE);
    dir.damage(floors::FILE);
    let mut disk = Disk::open(&dir.0, "b");
    assert!(disk.ledger().is_err());
    disk.retry();
    assert!(disk.ledger().is_err() && !disk.wants_restart());
    assert_eq!(dir.names(), [FILE, floors::FILE], "nothing is thrown away");
}

#[test]
fn an_empty_or_missing_database_beside_damaged_floors_is_no_new_box() {
    for gone in [true, false] {
        let dir = Dir::used("empty");
        for end in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(dir.0.join(format!("{FILE}{end}")));
        }
        if !gone {
            fs::write(dir.0.join(FILE), b"").unwrap();
        }
        fs::write(dir.0.join(floors::FILE), b"").unwrap();
        for start in 0..2 {
            assert!(Disk::open(&dir.0, "b").ledger().is_err(), "gone: {gone}, start {start}");
        }
    }
}

#[test]
fn a_database_that_is_gone_is_made_anew_and_nothing_is_forgotten() {
    let dir = Dir::used("gone");
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(dir.0.join(format!("{FILE}{end}")));
    }
    remembers(&mut Disk::open(&dir.0, "b"));
    assert_eq!(Ledger::open(&dir.0).unwrap().check().unwrap().0, 1);
}

/// It began without a directory: what it is told meanwhile is kept, and nothing else before it has started again.
#[test]
fn one_that_began_blind_keeps_revocations_and_opens_nothing_before_it_starts_again() {
    let dir = Dir::used("blind");
    let hidden = dir.0.with_extension("hidden");
    fs::rename(&dir.0, &hidden).unwrap();
    let mut disk = Disk::open(&dir.0, "b");
    assert!(disk.ledger().is_err() && disk.deny(&[9; 32]).is_err());
    fs::rename(&hidden, &dir.0).unwrap();
    disk.retry();
    assert!(disk.ledger().is_err() && disk.wants_restart());
    disk.deny(&[8; 32]).unwrap();
    drop(disk);
    let mut disk = Disk::open(&dir.0, "b");
    remembers_all(&mut disk);
}

fn remembers_all(disk: &mut Disk) {
    let denied = &disk.floors().denied;
    assert!([[7; 32], [8; 32], [9; 32]].iter().all(|target| denied.contains(target)), "{denied:?}");
    assert_eq!(disk.ledger().unwrap().denied().unwrap().len(), 3);
}
