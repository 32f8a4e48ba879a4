//! Owns: the arbiter's database: the hash-chained ledger, the open-visit record, receipts that wait, revision floors, kept documents.
//! Never: a name, a contact list, a picture, a key (requirements S4); changes or removes a ledger row.
//! Called by: store (on its own thread), main (at start, before anything runs).

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::time::Duration;

/// The tables, as `docs/stored-data.toml` explains them.
pub const SCHEMA: &str = include_str!("schema.sql");
/// `PRAGMA user_version` of [`SCHEMA`].
const SCHEMA_VERSION: i64 = 1;
/// Name of the file in the state directory.
pub const FILE: &str = "arbiter.db";
/// What every row's hash covers first, so that no other hash of this product is one.
const CONTEXT: &[u8] = b"parloir-ledger-row\0";

/// A SHA-256 value.
pub type Hash = [u8; 32];

/// Why the database would not.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// SQLite's own word.
    #[error("database: {0} [org.parloir.Error.Storage]")]
    Sqlite(#[from] rusqlite::Error),
    /// The file is of a version that this release does not know.
    #[error(
        "database: version {0} is not {SCHEMA_VERSION}; install the release that wrote it [org.parloir.Error.StorageVersion]"
    )]
    Version(i64),
    /// The chain does not hold at this row: it, or one before it, was changed outside.
    #[error("ledger: the chain breaks at row {0}; export it for the inspector [org.parloir.Error.LedgerBroken]")]
    Broken(u64),
}

/// What happened, to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which boot (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
    /// `CLOCK_BOOTTIME` nanoseconds.
    pub at_ns: u64,
    /// Unix seconds, 0 while the clock is not trusted.
    pub wall_s: i64,
    /// What, such as `doors-open`.
    pub event: String,
    /// Call id in hex, empty when none.
    pub call: String,
    /// `key=value` pairs.
    pub detail: String,
}

/// A visit whose doors may be open: what a receipt needs if this process ends before it can make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenVisit {
    /// Which boot.
    pub boot: String,
    /// Last time that it was written, `CLOCK_BOOTTIME` nanoseconds of that boot.
    pub at_ns: u64,
    /// The receipt as it would be if the visit ended then, JSON of `parloir_pass::Receipt`.
    pub draft: String,
}

/// A receipt that the broker has not acknowledged: its id and the sealed body.
pub type Waiting = (String, Vec<u8>);

/// The open database.
#[derive(Debug)]
pub struct Ledger {
    db: Connection,
}

impl Ledger {
    /// Opens `dir`'s database, making it when it is absent.
    ///
    /// # Errors
    /// The file cannot be opened, or is of another version.
    pub fn open(dir: &Path) -> Result<Self, LedgerError> {
        Self::prepare(Connection::open(dir.join(FILE))?)
    }

    /// A database in memory, for tests of the schema.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn in_memory() -> Result<Self, LedgerError> {
        Self::prepare(Connection::open_in_memory()?)
    }

    fn prepare(mut db: Connection) -> Result<Self, LedgerError> {
        db.busy_timeout(Duration::from_millis(200))?;
        // FULL: a row that was acknowledged survives a power cut. secure_delete: what is removed is overwritten.
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF;",
        )?;
        let version: i64 = db.query_row("PRAGMA user_version", [], |r| r.get(0))?;
        match version {
            0 => {
                let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
                tx.execute_batch(SCHEMA)?;
                tx.execute_batch(&format!("PRAGMA user_version = {SCHEMA_VERSION}"))?;
                tx.commit()?;
            }
            SCHEMA_VERSION => {}
            other => return Err(LedgerError::Version(other)),
        }
        Ok(Self { db })
    }

    /// Appends a row and gives its hash, the new head.
    ///
    /// # Errors
    /// SQLite's own; nothing is written then.
    pub fn append(&mut self, entry: &Entry) -> Result<Hash, LedgerError> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let hash = append_in(&tx, entry)?;
        tx.commit()?;
        Ok(hash)
    }

    /// The hash of the last row; zeros for an empty ledger. A receipt carries it, so that rows cut off the end are missed too.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn head(&self) -> Result<Hash, LedgerError> {
        Ok(last(&self.db)?.1)
    }

    /// Verifies the chain from its first row to its last and gives the number of rows and the head.
    ///
    /// # Errors
    /// [`LedgerError::Broken`] with the first row that does not follow from the ones before it.
    pub fn check(&self) -> Result<(u64, Hash), LedgerError> {
        let mut rows =
            self.db.prepare("SELECT seq, boot, at_ns, wall_s, event, call, detail, previous, hash FROM ledger ORDER BY seq")?;
        let mut rows = rows.query([])?;
        let (mut count, mut head) = (0_u64, [0; 32]);
        while let Some(row) = rows.next()? {
            let seq: u64 = row.get::<_, i64>(0)?.cast_unsigned();
            let entry = Entry {
                boot: row.get(1)?,
                at_ns: row.get::<_, i64>(2)?.cast_unsigned(),
                wall_s: row.get(3)?,
                event: row.get(4)?,
                call: row.get(5)?,
                detail: row.get(6)?,
            };
            let (previous, hash): (Hash, Hash) = (row.get(7)?, row.get(8)?);
            if seq != count + 1 || previous != head || hash != row_hash(seq, &head, &entry) {
                return Err(LedgerError::Broken(seq));
            }
            (count, head) = (seq, hash);
        }
        Ok((count, head))
    }

    /// Writes the open-visit record; before the doors open and every 5 s after.
    ///
    /// # Errors
    /// SQLite's own: then the doors must not open.
    pub fn keep_open_visit(&mut self, visit: &OpenVisit) -> Result<(), LedgerError> {
        self.db.execute(
            "INSERT INTO open_visit (one, boot, at_ns, draft) VALUES (1, ?1, ?2, ?3)
             ON CONFLICT (one) DO UPDATE SET boot = excluded.boot, at_ns = excluded.at_ns, draft = excluded.draft",
            params![visit.boot, visit.at_ns.cast_signed(), visit.draft],
        )?;
        Ok(())
    }

    /// The record of a visit that was not closed, if there is one.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn open_visit(&self) -> Result<Option<OpenVisit>, LedgerError> {
        let row = |r: &rusqlite::Row<'_>| {
            Ok(OpenVisit { boot: r.get(0)?, at_ns: r.get::<_, i64>(1)?.cast_unsigned(), draft: r.get(2)? })
        };
        Ok(self.db.query_row("SELECT boot, at_ns, draft FROM open_visit", [], row).optional()?)
    }

    /// Removes the open-visit record of a visit that never opened its doors.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn forget_open_visit(&mut self) -> Result<(), LedgerError> {
        self.db.execute("DELETE FROM open_visit", [])?;
        Ok(())
    }

    /// Keeps a sealed receipt until it is acknowledged, notes it in the ledger and closes the open-visit record, all or nothing.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn keep_receipt(&mut self, id: &str, body: &[u8], entry: &Entry) -> Result<(), LedgerError> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute("INSERT OR IGNORE INTO receipt (id, body) VALUES (?1, ?2)", params![id, body])?;
        tx.execute("DELETE FROM open_visit", [])?;
        append_in(&tx, entry)?;
        Ok(tx.commit()?)
    }

    /// The receipts that nobody has acknowledged, oldest first.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn waiting_receipts(&self) -> Result<Vec<Waiting>, LedgerError> {
        let mut rows = self.db.prepare("SELECT id, body FROM receipt ORDER BY rowid")?;
        let rows = rows.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The broker has the receipt.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn receipt_sent(&mut self, id: &str) -> Result<(), LedgerError> {
        self.db.execute("DELETE FROM receipt WHERE id = ?1", params![id])?;
        Ok(())
    }

    /// The highest revision seen of a kind of document, 0 for none.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn floor(&self, kind: &str) -> Result<u64, LedgerError> {
        let row = |r: &rusqlite::Row<'_>| r.get::<_, i64>(0);
        let found = self.db.query_row("SELECT revision FROM revision_floor WHERE kind = ?1", params![kind], row).optional()?;
        Ok(found.unwrap_or(0).cast_unsigned())
    }

    /// Raises a floor; a lower revision leaves it.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn raise_floor(&mut self, kind: &str, revision: u64) -> Result<(), LedgerError> {
        raise_in(&self.db, kind, revision)
    }

    /// Keeps a document in the form in which it came, with its floor, all or nothing.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn keep_document(&mut self, kind: &str, body: &[u8], revision: u64) -> Result<(), LedgerError> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        raise_in(&tx, kind, revision)?;
        tx.execute("INSERT OR REPLACE INTO document (kind, body) VALUES (?1, ?2)", params![kind, body])?;
        Ok(tx.commit()?)
    }

    /// A kept document; it is verified again before use.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn document(&self, kind: &str) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(self.db.query_row("SELECT body FROM document WHERE kind = ?1", params![kind], |r| r.get(0)).optional()?)
    }

    /// Keeps the hash of a denied target for good.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn deny(&mut self, target: &Hash) -> Result<(), LedgerError> {
        self.db.execute("INSERT OR IGNORE INTO denied (target) VALUES (?1)", params![target])?;
        Ok(())
    }

    /// Hashes of all denied targets.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn denied(&self) -> Result<Vec<Hash>, LedgerError> {
        let mut rows = self.db.prepare("SELECT target FROM denied")?;
        let rows = rows.query_map([], |r| r.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn raise_in(db: &Connection, kind: &str, revision: u64) -> Result<(), LedgerError> {
    let revision = i64::try_from(revision).unwrap_or(i64::MAX);
    db.execute(
        "INSERT INTO revision_floor (kind, revision) VALUES (?1, ?2)
         ON CONFLICT (kind) DO UPDATE SET revision = max(revision, excluded.revision)",
        params![kind, revision],
    )?;
    Ok(())
}

fn last(db: &Connection) -> Result<(u64, Hash), LedgerError> {
    let row = |r: &rusqlite::Row<'_>| Ok((r.get::<_, i64>(0)?.cast_unsigned(), r.get(1)?));
    let found = db.query_row("SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1", [], row).optional()?;
    Ok(found.unwrap_or((0, [0; 32])))
}

fn append_in(tx: &Transaction<'_>, entry: &Entry) -> Result<Hash, LedgerError> {
    let (seq, previous) = last(tx)?;
    let hash = row_hash(seq + 1, &previous, entry);
    tx.execute(
        "INSERT INTO ledger (seq, boot, at_ns, wall_s, event, call, detail, previous, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            (seq + 1).cast_signed(),
            entry.boot,
            entry.at_ns.cast_signed(),
            entry.wall_s,
            entry.event,
            entry.call,
            entry.detail,
            previous,
            hash
        ],
    )?;
    Ok(hash)
}

/// SHA-256 over the previous hash and the row in one spelling: fixed-size integers little-endian, texts after their 32-bit length.
fn row_hash(seq: u64, previous: &Hash, entry: &Entry) -> Hash {
    let mut hash = Sha256::new();
    hash.update(CONTEXT);
    hash.update(previous);
    hash.update(seq.to_le_bytes());
    hash.update(entry.at_ns.to_le_bytes());
    hash.update(entry.wall_s.to_le_bytes());
    for text in [&entry.boot, &entry.event, &entry.call, &entry.detail] {
        hash.update(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::{Entry, Ledger, LedgerError, OpenVisit};

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
        ledger
            .db
            .execute_batch("DROP TRIGGER ledger_no_update; DROP TRIGGER ledger_no_delete; DROP TRIGGER ledger_at_end")
            .unwrap();
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
        for column in
            ["boot = 'x'", "at_ns = 8", "wall_s = 9", "event = 'x'", "call = 'x'", "detail = 'x'", "hash = zeroblob(32)"]
        {
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
        let visit = OpenVisit { boot: "b".into(), at_ns: 1, draft: "{}".into() };
        ledger.keep_open_visit(&visit).unwrap();
        ledger.keep_open_visit(&OpenVisit { at_ns: 2, ..visit.clone() }).unwrap();
        assert_eq!(ledger.open_visit().unwrap().unwrap().at_ns, 2);
        ledger.keep_receipt("r1", b"sealed", &entry("receipt")).unwrap();
        assert_eq!(ledger.open_visit().unwrap(), None);
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
        assert_eq!(ledger.floor("policy").unwrap(), 5);
        assert!(ledger.db.execute("UPDATE revision_floor SET revision = 1", []).is_err());
        assert!(ledger.db.execute("DELETE FROM revision_floor", []).is_err());
        assert_eq!(ledger.document("policy").unwrap().unwrap(), b"five");
        assert_eq!(ledger.floor("authority").unwrap(), 0);
    }

    /// How it was broken: power goes between the two writes; the floor stands above the kept policy, which is refused as old at the next
    /// start, and the box has none until the broker is reached.
    #[test]
    fn a_document_and_its_floor_are_kept_together_or_not_at_all() {
        let mut ledger = Ledger::in_memory().unwrap();
        ledger.keep_document("policy", b"five", 5).unwrap();
        ledger
            .db
            .execute_batch("CREATE TEMP TRIGGER cut BEFORE INSERT ON document BEGIN SELECT RAISE(ABORT, 'cut'); END")
            .unwrap();
        assert!(ledger.keep_document("policy", b"six", 6).is_err());
        assert_eq!((ledger.floor("policy").unwrap(), ledger.document("policy").unwrap().unwrap()), (5, b"five".to_vec()));
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
}
