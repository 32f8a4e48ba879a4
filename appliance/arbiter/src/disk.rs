//! Owns: the state directory: the database or a fresh one in the place of one that cannot be read, and the second file of what must
//! never be forgotten.
//! Never: opens visits on a disk of which it does not know what was denied; throws a database away.
//! Called by: main (at start), store (on its thread).
//!
//! What is lost and what follows (docs/adr/0014):
//! database unreadable, floors readable: set aside under a new name, a fresh one takes its place, visits go on;
//! floors unreadable, database readable: written anew from it;
//! both: no visit, for nobody knows what was denied, until the box is provisioned again;
//! directory full or not writable: no visit until it is, for no record of an open door could be kept.

use crate::floors::{self, Floors};
use crate::ledger::{Entry, FILE, Hash, Ledger, LedgerError, OpenVisit, Waiting};
use parloir_pass::Id;
use parloir_shell::BootTime;
use rusqlite::{Connection, OpenFlags};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Most databases that are set aside; the last is replaced.
const MAX_ASIDE: usize = 4;
/// Longest body of a receipt that is taken out of a database that was set aside.
const MAX_BODY: usize = 64 * 1024;

/// The state directory.
#[derive(Debug)]
pub struct Disk {
    dir: PathBuf,
    boot: String,
    ledger: Result<Ledger, String>,
    floors: Floors,
    /// It began without a database: what was denied is not known, so this process writes nothing but what must not be forgotten.
    blind: bool,
}

/// What could be read of a database that is set aside.
#[derive(Debug, Default)]
struct Rest {
    receipts: Vec<Waiting>,
    visits: Vec<OpenVisit>,
}

impl Disk {
    /// Takes up the directory as it is; one that cannot be used makes a `Disk` that refuses every write.
    #[must_use]
    pub fn open(dir: &Path, boot: &str) -> Self {
        let mut disk = Self {
            dir: dir.to_owned(),
            boot: boot.to_owned(),
            ledger: Err(String::new()),
            floors: Floors::default(),
            blind: false,
        };
        match disk.bring_up() {
            Ok(ledger) => disk.ledger = Ok(ledger),
            Err(error) => {
                tracing::warn!(dir = %dir.display(), %error, "no visit opens: the state directory cannot be used");
                disk.ledger = Err(error.to_string());
                disk.blind = true;
            }
        }
        disk
    }

    /// What must never be forgotten, from both places.
    #[must_use]
    pub const fn floors(&self) -> &Floors {
        &self.floors
    }

    /// The database.
    ///
    /// # Errors
    /// There is none.
    pub fn ledger(&mut self) -> Result<&mut Ledger, LedgerError> {
        match &mut self.ledger {
            Ok(ledger) if !self.blind => Ok(ledger),
            Ok(_) => Err(LedgerError::Down("it came back; the arbiter starts again to read what was denied".to_owned())),
            Err(why) => Err(LedgerError::Down(why.clone())),
        }
    }

    /// Whether the arbiter has to start again to see what is on the disk now.
    #[must_use]
    pub const fn wants_restart(&self) -> bool {
        self.blind && self.ledger.is_ok()
    }

    /// Brings up a database that was not there.
    pub fn retry(&mut self) {
        if self.ledger.is_err()
            && let Ok(ledger) = self.bring_up()
        {
            tracing::warn!("the state directory can be used again");
            self.ledger = Ok(ledger);
        }
    }

    /// The database showed itself damaged: the next [`Self::retry`] sets it aside.
    pub fn damaged(&mut self, why: &LedgerError) {
        if self.ledger.is_ok() {
            tracing::warn!(%why, "the database is damaged");
            self.ledger = Err(why.to_string());
        }
    }

    /// Keeps a denied target for good.
    ///
    /// # Errors
    /// One of both places did not take it; to be tried again.
    pub fn deny(&mut self, target: &Hash) -> Result<(), LedgerError> {
        self.floors.denied.insert(*target);
        let written = self.floors.write(&self.dir);
        self.any_ledger()?.deny(target)?;
        Ok(written?)
    }

    /// Keeps the highest revision of a kind of document.
    ///
    /// # Errors
    /// As [`Self::deny`].
    pub fn raise_floor(&mut self, kind: &str, revision: u64) -> Result<(), LedgerError> {
        self.floors.raise(kind, revision);
        let written = self.floors.write(&self.dir);
        self.any_ledger()?.raise_floor(kind, revision)?;
        Ok(written?)
    }

    /// Keeps a document in the form in which it came, with its floor.
    ///
    /// # Errors
    /// As [`Self::deny`].
    pub fn keep_document(&mut self, kind: &str, body: &[u8], revision: u64) -> Result<(), LedgerError> {
        self.floors.raise(kind, revision);
        let written = self.floors.write(&self.dir);
        self.any_ledger()?.keep_document(kind, body, revision)?;
        Ok(written?)
    }

    /// Notes how many rows found no place while the disk took none.
    ///
    /// # Errors
    /// SQLite's own.
    pub fn note_left_out(&mut self, rows: u64) -> Result<(), LedgerError> {
        let row = self.row("rows-left-out", format!("rows={rows}"));
        self.ledger()?.append(&row).map(|_| ())
    }

    // What must not be forgotten is written by a blind process too.
    fn any_ledger(&mut self) -> Result<&mut Ledger, LedgerError> {
        self.ledger.as_mut().map_err(|why| LedgerError::Down(why.clone()))
    }

    fn bring_up(&mut self) -> Result<Ledger, LedgerError> {
        let kept = Floors::read(&self.dir);
        if let Ok(Some(floors)) = &kept {
            self.floors.join(floors.clone());
        }
        let was_there = fs::metadata(self.dir.join(FILE)).is_ok_and(|about| about.len() > 0);
        // Before `read`, which makes the database: a torn file of floors beside no database is no new box.
        if let (Err(error), false) = (&kept, was_there) {
            return Err(LedgerError::Unreadable(format!(
                "there is no database; nor can the file {} be read: {error}",
                floors::FILE
            )));
        }
        let (mut ledger, row) = match read(&self.dir) {
            Ok(ledger) => {
                let row = self.judge_floors(&kept, was_there);
                (ledger, row)
            }
            Err(error) if error.is_unreadable() => {
                if !matches!(kept, Ok(Some(_))) {
                    return Err(LedgerError::Unreadable(format!("{error}; nor can the file {} be read", floors::FILE)));
                }
                let (ledger, row) = self.replace(&error)?;
                (ledger, Some(row))
            }
            Err(error) => return Err(error),
        };
        self.floors.join(Floors { revisions: ledger.floors()?, denied: ledger.denied()?.into_iter().collect() });
        self.write_both(&mut ledger)?;
        if let Some((event, detail)) = row {
            ledger.append(&self.row(event, detail))?;
        }
        Ok(ledger)
    }

    fn judge_floors(&self, kept: &io::Result<Option<Floors>>, was_there: bool) -> Option<(&'static str, String)> {
        match kept {
            Err(error) => {
                tracing::warn!(%error, "the file of floors and denied targets is written anew from the database");
                Some(("floors-rewritten", String::new()))
            }
            Ok(Some(_)) if !was_there => {
                tracing::warn!(dir = %self.dir.display(), "the database was gone: a fresh one takes its place");
                Some(("database-missing", String::new()))
            }
            Ok(_) => None,
        }
    }

    fn write_both(&self, ledger: &mut Ledger) -> Result<(), LedgerError> {
        for (kind, revision) in &self.floors.revisions {
            ledger.raise_floor(kind, *revision)?;
        }
        for target in &self.floors.denied {
            ledger.deny(target)?;
        }
        if !matches!(Floors::read(&self.dir), Ok(Some(same)) if same == self.floors) {
            self.floors.write(&self.dir)?;
        }
        Ok(())
    }

    /// Sets the database aside and makes a fresh one, with what could be read of receipts and open visits.
    fn replace(&self, why: &LedgerError) -> Result<(Ledger, (&'static str, String)), LedgerError> {
        let aside = self.free_name();
        for end in ["-shm", "-wal", ""] {
            match fs::rename(beside(&self.dir.join(FILE), end), beside(&aside, end)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        let rest = read_rest(&aside);
        let (receipts, visits) = (rest.receipts.len(), rest.visits.len());
        let name = aside.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        tracing::warn!(%why, set_aside = name, receipts, visits, "the database cannot be read: a fresh one takes its place");
        let mut ledger = Ledger::open(&self.dir)?;
        for (id, body) in &rest.receipts {
            ledger.keep_receipt(id, body, &self.row("receipt", format!("receipt={id} from={name}")))?;
        }
        for visit in &rest.visits {
            ledger.keep_open_visit(visit)?;
        }
        Ok((ledger, ("database-set-aside", format!("as={name} receipts={receipts} visits={visits}"))))
    }

    fn free_name(&self) -> PathBuf {
        let name = |n| self.dir.join(format!("{FILE}.unreadable-{n}"));
        (1..MAX_ASIDE).map(name).find(|path| !path.exists()).unwrap_or_else(|| name(MAX_ASIDE))
    }

    fn row(&self, event: &str, detail: String) -> Entry {
        let (boot, event) = (self.boot.clone(), event.to_owned());
        Entry { boot, at_ns: BootTime::now_ns(), wall_s: 0, event, call: String::new(), detail }
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn read(dir: &Path) -> Result<Ledger, LedgerError> {
    let mut ledger = Ledger::open(dir)?;
    ledger.sound()?;
    // A file that can be read and not written is of no more use than none.
    ledger.probe()?;
    match ledger.check() {
        Ok((rows, _)) => tracing::info!(rows, "the ledger's chain holds"),
        // The box goes on: who has broken the chain must not be able to break the visits too. The inspector sees it in the export.
        Err(error @ LedgerError::Broken(_)) => tracing::warn!(%error, "the ledger does not hold"),
        Err(error) => return Err(error),
    }
    Ok(ledger)
}

/// Receipts and open visits, as far as they can be read: each is signed and sealed, or judged again, so nothing in them is believed.
fn read_rest(path: &Path) -> Rest {
    let mut rest = Rest::default();
    let Ok(db) = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY) else { return rest };
    if let Ok(mut rows) = db.prepare("SELECT id, body FROM receipt")
        && let Ok(mut rows) = rows.query([])
    {
        while let Ok(Some(row)) = rows.next() {
            if let (Ok(id), Ok(body)) = (row.get::<_, String>(0), row.get::<_, Vec<u8>>(1))
                && id.parse::<Id>().is_ok()
                && body.len() <= MAX_BODY
            {
                rest.receipts.push((id, body));
            }
        }
    }
    if let Ok(mut rows) = db.prepare("SELECT call, boot, at_ns, draft FROM open_visit")
        && let Ok(mut rows) = rows.query([])
    {
        while let Ok(Some(row)) = rows.next() {
            if let (Ok(call), Ok(boot), Ok(at_ns), Ok(draft)) = (row.get(0), row.get(1), row.get::<_, i64>(2), row.get(3)) {
                rest.visits.push(OpenVisit { call, boot, at_ns: at_ns.cast_unsigned(), draft });
            }
        }
    }
    rest
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
