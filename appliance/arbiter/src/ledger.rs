//! Owns: the arbiter's database: the hash-chained ledger, the open-visit record, receipts that wait, revision floors, kept documents.
//! Never: a name, a contact list, a picture, a key (requirements S4); changes or removes a ledger row.
//! Called by: store (on its own thread), main (at start, before anything runs).

use parloir_pass::export::MAX_ROWS;
use parloir_seal::ledger::row_hash;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Transaction, TransactionBehavior, params};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The tables, as `docs/stored-data.toml` explains them.
pub const SCHEMA: &str = include_str!("schema.sql");
/// `PRAGMA user_version` of [`SCHEMA`].
const SCHEMA_VERSION: i64 = 2;
/// From version 1, where the table held one visit at most.
const FROM_1: &str = "ALTER TABLE open_visit RENAME TO old;
    CREATE TABLE open_visit (call TEXT PRIMARY KEY, boot TEXT NOT NULL, at_ns INTEGER NOT NULL, draft TEXT NOT NULL) STRICT;
    INSERT INTO open_visit SELECT coalesce(json_extract(draft, '$.call'), ''), boot, at_ns, draft FROM old WHERE json_valid(draft);
    DROP TABLE old;";
/// Most rows that are read backwards at once: years of a person who is seldom called, and a moment of the disk's time.
const MOST_BACK: i64 = 20_000;
/// Name of the file in the state directory.
pub const FILE: &str = "arbiter.db";

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
    /// What is in the file is no database of ours any more.
    #[error("database: {0} [org.parloir.Error.StorageUnreadable]")]
    Unreadable(String),
    /// There is no database to write to.
    #[error("database: {0}; no visit opens until it can be used [org.parloir.Error.Storage]")]
    Down(String),
    /// The second file beside the database.
    #[error("floors: {0} [org.parloir.Error.Storage]")]
    Floors(#[from] std::io::Error),
    /// The chain does not hold at this row: it, or one before it, was changed outside.
    #[error("ledger: the chain breaks at row {0}; export it for the inspector [org.parloir.Error.LedgerBroken]")]
    Broken(u64),
}

impl LedgerError {
    /// Whether the file itself is damaged: no retry will help.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        match self {
            Self::Unreadable(_) => true,
            Self::Sqlite(error) => {
                matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
            }
            Self::Version(_) | Self::Down(_) | Self::Floors(_) | Self::Broken(_) => false,
        }
    }

    /// Whether the disk is at fault, and not what was asked of it: worth trying again.
    #[must_use]
    pub fn is_the_disks(&self) -> bool {
        match self {
            Self::Unreadable(_) | Self::Down(_) | Self::Floors(_) => true,
            Self::Sqlite(error) => !matches!(
                error.sqlite_error_code(),
                None | Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::ApiMisuse | ErrorCode::Unknown)
            ),
            Self::Version(_) | Self::Broken(_) => false,
        }
    }
}

/// What happened, to be appended.
pub use parloir_pass::export::LedgerRow as Entry;

/// A visit whose doors may be open: what a receipt needs if this process ends before it can make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenVisit {
    /// Which call, in hex.
    pub call: String,
    /// Which boot.
    pub boot: String,
    /// Last time that it was written, `CLOCK_BOOTTIME` nanoseconds of that boot.
    pub at_ns: u64,
    /// The receipt as it would be if the visit ended then, JSON of `parloir_pass::Receipt`.
    pub draft: String,
}

/// Consecutive rows and what they stand between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Number of the first.
    pub from: u64,
    /// Hash of the row before it; zeros before the first of all.
    pub previous: Hash,
    /// The rows.
    pub rows: Vec<Entry>,
    /// Number of the ledger's last row.
    pub last: u64,
    /// Its hash.
    pub head: Hash,
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
            1 => {
                let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
                tx.execute_batch(FROM_1)?;
                tx.execute_batch(&format!("PRAGMA user_version = {SCHEMA_VERSION}"))?;
                tx.commit()?;
            }
            SCHEMA_VERSION => {}
            other => return Err(LedgerError::Version(other)),
        }
        Ok(Self { db })
    }

    /// Whether every page of the file is as it should be, and every table there.
    ///
    /// # Errors
    /// [`LedgerError::Unreadable`] with the first thing that is not.
    pub fn sound(&self) -> Result<(), LedgerError> {
        let said: String = self.db.query_row("PRAGMA quick_check(1)", [], |r| r.get(0))?;
        if said != "ok" {
            return Err(LedgerError::Unreadable(said));
        }
        let made = |db: &Connection| -> Result<Vec<String>, rusqlite::Error> {
            let mut rows = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")?;
            rows.query_map([], |r| r.get(0))?.collect()
        };
        let model = Connection::open_in_memory()?;
        model.execute_batch(SCHEMA)?;
        if made(&self.db)? == made(&model)? { Ok(()) } else { Err(LedgerError::Unreadable("tables are missing".to_owned())) }
    }

    /// Whether something can be written and synced now: writes the version over itself.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn probe(&mut self) -> Result<(), LedgerError> {
        Ok(self.db.execute_batch(&format!("PRAGMA user_version = {SCHEMA_VERSION}"))?)
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
            let entry = read_row(row)?;
            let (previous, hash): (Hash, Hash) = (row.get(7)?, row.get(8)?);
            if seq != count + 1 || previous != head || hash != row_hash(seq, &head, &entry) {
                return Err(LedgerError::Broken(seq));
            }
            (count, head) = (seq, hash);
        }
        Ok((count, head))
    }

    /// Rows from this number on, at most [`MAX_ROWS`], with the hash before the first of them, and the ledger's last number and hash. As
    /// they lie there: whether the chain holds is for whoever reads the export.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn page(&self, from: u64) -> Result<Page, LedgerError> {
        let (last, head) = last(&self.db)?;
        let from = from.max(1);
        let before = "SELECT hash FROM ledger WHERE seq = ?1";
        let previous = self.db.query_row(before, params![(from - 1).cast_signed()], |r| r.get(0)).optional()?;
        let wanted = "SELECT seq, boot, at_ns, wall_s, event, call, detail FROM ledger WHERE seq >= ?1 ORDER BY seq LIMIT ?2";
        let mut rows = self.db.prepare(wanted)?;
        let rows = rows.query_map(params![from.cast_signed(), MAX_ROWS as i64], read_row)?;
        Ok(Page { from, previous: previous.unwrap_or([0; 32]), rows: rows.collect::<Result<_, _>>()?, last, head })
    }

    /// Rows before that one, newest first (0: from the end), as long as `wants` says so, and at most [`MOST_BACK`] of them.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn back_from(&self, before: u64, mut wants: impl FnMut(u64, Entry) -> bool) -> Result<(), LedgerError> {
        let before = if before == 0 { i64::MAX } else { i64::try_from(before).unwrap_or(i64::MAX) };
        let wanted = "SELECT seq, boot, at_ns, wall_s, event, call, detail FROM ledger WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2";
        let mut rows = self.db.prepare(wanted)?;
        let mut rows = rows.query(params![before, MOST_BACK])?;
        while let Some(row) = rows.next()? {
            if !wants(row.get::<_, i64>(0)?.cast_unsigned(), read_row(row)?) {
                break;
            }
        }
        Ok(())
    }

    /// Writes the open-visit record, before the doors open.
    ///
    /// # Errors
    /// SQLite's own: then the doors must not open.
    pub fn keep_open_visit(&mut self, visit: &OpenVisit) -> Result<(), LedgerError> {
        self.db.execute(
            "INSERT OR REPLACE INTO open_visit (call, boot, at_ns, draft) VALUES (?1, ?2, ?3, ?4)",
            params![visit.call, visit.boot, visit.at_ns.cast_signed(), visit.draft],
        )?;
        Ok(())
    }

    /// Writes it anew, every 5 s. One that is gone stays gone: its receipt is made.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn renew_open_visit(&mut self, visit: &OpenVisit) -> Result<(), LedgerError> {
        self.db.execute(
            "UPDATE open_visit SET boot = ?2, at_ns = ?3, draft = ?4 WHERE call = ?1",
            params![visit.call, visit.boot, visit.at_ns.cast_signed(), visit.draft],
        )?;
        Ok(())
    }

    /// The records of visits that were not closed, oldest first; more than one only where the disk took no receipts for a while.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn open_visits(&self) -> Result<Vec<OpenVisit>, LedgerError> {
        let row = |r: &rusqlite::Row<'_>| {
            Ok(OpenVisit { call: r.get(0)?, boot: r.get(1)?, at_ns: r.get::<_, i64>(2)?.cast_unsigned(), draft: r.get(3)? })
        };
        let mut rows = self.db.prepare("SELECT call, boot, at_ns, draft FROM open_visit ORDER BY rowid")?;
        let rows = rows.query_map([], row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Removes the open-visit record of a visit that never opened its doors.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn forget_open_visit(&mut self, call: &str) -> Result<(), LedgerError> {
        self.db.execute("DELETE FROM open_visit WHERE call = ?1", params![call])?;
        Ok(())
    }

    /// Keeps a sealed receipt until it is acknowledged, notes it in the ledger and closes the call's open-visit record, all or nothing.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn keep_receipt(&mut self, id: &str, body: &[u8], entry: &Entry) -> Result<(), LedgerError> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // A job that was given up for slow may have been done after all.
        if tx.execute("INSERT OR IGNORE INTO receipt (id, body) VALUES (?1, ?2)", params![id, body])? > 0 {
            close_in(&tx, entry)?;
        }
        Ok(tx.commit()?)
    }

    /// As [`Self::keep_receipt`] for a receipt that was acknowledged before the disk took it.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn close_visit(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        close_in(&tx, entry)?;
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

    /// The highest revision seen of each kind of document.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn floors(&self) -> Result<BTreeMap<String, u64>, LedgerError> {
        let mut rows = self.db.prepare("SELECT kind, revision FROM revision_floor")?;
        let rows = rows.query_map([], |r| Ok((r.get(0)?, r.get::<_, i64>(1)?.cast_unsigned())))?;
        Ok(rows.collect::<Result<_, _>>()?)
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

fn close_in(tx: &Transaction<'_>, entry: &Entry) -> Result<(), LedgerError> {
    tx.execute("DELETE FROM open_visit WHERE call = ?1", params![entry.call])?;
    append_in(tx, entry)?;
    Ok(())
}

/// Of columns from the second on: boot, `at_ns`, `wall_s`, event, call, detail.
fn read_row(row: &rusqlite::Row<'_>) -> Result<Entry, rusqlite::Error> {
    Ok(Entry {
        boot: row.get(1)?,
        at_ns: row.get::<_, i64>(2)?.cast_unsigned(),
        wall_s: row.get(3)?,
        event: row.get(4)?,
        call: row.get(5)?,
        detail: row.get(6)?,
    })
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

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
