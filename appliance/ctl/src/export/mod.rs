//! Owns: reading a diagnostics export: the file's lines, each page's signature, and the pages as one whole.
//! Never: says anything of a page that it could not verify.
//! Called by: explain, show, ledger, replay.

mod when;

use std::path::PathBuf;

use parloir_issuer::files;
use parloir_pass::export::LedgerRow;
use parloir_pass::{Bytes32, Export, Id};
use parloir_seal::{PublicKey, jws, ledger::row_hash};

use crate::Fault;

pub use when::When;

/// Most bytes of an export's file.
const MAX: u64 = 64 * 1024 * 1024;

/// An export and by what it is believed.
#[derive(clap::Args)]
pub struct Source {
    /// The export, as the facility's console wrote it: one compact JWS on a line.
    export: PathBuf,
    /// Public key of the box (ask.pub).
    #[arg(long, value_name = "FILE")]
    box_key: PathBuf,
}

/// All pages of one export.
pub struct Whole {
    /// The newest page: how the box was then.
    pub now: Export,
    /// The ledger's rows, with the number of the first.
    pub ledger: Ledger,
    /// The journal's text, if it is whole.
    pub journal: Option<String>,
    /// Pages that were read.
    pub pages: usize,
}

/// Consecutive rows.
pub struct Ledger {
    /// Number of the first row; 1 is the first of all.
    pub from: u64,
    /// Hash of the row before it.
    pub previous: [u8; 32],
    /// The rows.
    pub rows: Vec<LedgerRow>,
    /// What the box said at the beginning of each page: how many of `rows` come before it, and the hash of the row before it.
    pub marks: Vec<(usize, [u8; 32])>,
    /// The box's word about its last row when the last of these pages was made: number and hash.
    pub head: (u64, [u8; 32]),
}

impl Ledger {
    /// The hash of each row, computed anew.
    pub fn hashes(&self) -> Vec<[u8; 32]> {
        let mut before = self.previous;
        let hash = |(row, seq): (&LedgerRow, u64)| {
            before = row_hash(seq, &before, row);
            before
        };
        self.rows.iter().zip(self.from..).map(hash).collect()
    }
}

impl Source {
    /// The key by which the export is believed.
    pub fn key(&self) -> Result<Bytes32, Fault> {
        Ok(files::read_public(&self.box_key)?)
    }

    /// Reads and verifies all of it.
    pub fn read(&self) -> Result<Whole, Fault> {
        let place = self.export.display();
        let size = std::fs::metadata(&self.export).map_or(0, |m| m.len());
        if size > MAX {
            return Err(Fault::new(place, "more than 64 MiB", "give an export of parloir-facility", "TooLarge"));
        }
        let key = PublicKey::new(&self.key()?)?;
        let bytes = files::read(&self.export)?;
        let lines = bytes.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
        let pages: Vec<Export> = lines.map(|line| Ok(jws::verify(line, &key)?)).collect::<Result<_, Fault>>()?;
        let wrong = |cause: &str| Fault::new(&place, cause, "ask the box for the export again", "ExportDoesNotHold");
        let Some(now) = pages.last().cloned() else { return Err(wrong("no page in it")) };
        let same = |p: &&Export| (p.request, p.device, p.site) == (now.request, now.device, now.site);
        if !pages.iter().all(|page| same(&page)) {
            return Err(wrong("pages of more than one export"));
        }
        Ok(Whole {
            ledger: join_ledger(&pages)
                .ok_or_else(|| wrong("a page of the ledger is missing, or rows do not follow each other"))?,
            journal: join_journal(&pages).map_err(wrong)?,
            pages: pages.len(),
            now,
        })
    }
}

/// The rows of all pages, if each page begins with the number after the one before it. Whether the chain holds is another question.
fn join_ledger(pages: &[Export]) -> Option<Ledger> {
    let mut whole = Ledger { from: 1, previous: [0; 32], rows: Vec::new(), marks: Vec::new(), head: (0, [0; 32]) };
    for page in pages.iter().filter_map(|page| page.ledger.as_ref()) {
        if whole.marks.is_empty() {
            (whole.from, whole.previous) = (page.from, page.previous.0);
        }
        if Some(page.from) != whole.from.checked_add(whole.rows.len() as u64) {
            return None;
        }
        whole.marks.push((whole.rows.len(), page.previous.0));
        whole.rows.extend(page.rows.iter().cloned());
        whole.head = (page.last, page.head.0);
    }
    Some(whole)
}

/// The text of the journal's pieces, if there are any.
fn join_journal(pages: &[Export]) -> Result<Option<String>, &'static str> {
    let mut pieces = pages.iter().filter_map(|page| page.journal.as_ref()).peekable();
    let Some(first) = pieces.peek().copied() else { return Ok(None) };
    let mut text = String::new();
    for piece in pieces {
        if piece.from != text.len() as u64 || (piece.total, piece.digest) != (first.total, first.digest) {
            return Err("a page of the journal is missing, or of another journal");
        }
        text.push_str(&piece.text);
    }
    let digest: [u8; 32] =
        sha2::Digest::finalize(sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), &text)).into();
    if text.len() as u64 == first.total && digest == first.digest.0 { Ok(Some(text)) } else { Err("the journal is not whole") }
}

/// A call's id as far as it is wanted: all of it or its first digits.
pub fn is_call(id: &Option<Id>, wanted: &str) -> bool {
    id.as_ref().is_some_and(|id| id.to_string().starts_with(wanted))
}
