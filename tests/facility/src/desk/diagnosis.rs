//! Owns: asking the box for a diagnostics export, page after page, until all of it is here.
//! Never: reads more in it than whether it is the box's own, and what comes next.
//! Called by: the desk (an order of staff, a page of the box, a tick).

use super::{Desk, Now, Output, Wrong, event, publish};
use parloir_pass::{Export, Id, Typ, VERSION};
use parloir_seal::{jws, random, sealed};
use serde_json::json;
use std::path::PathBuf;

/// How long a page may take before it is asked for again.
const AGAIN_MS: u64 = 4000;
/// How often in all.
const TRIES: u32 = 5;
/// Most pages of an export: 64 MiB of them.
const MAX_PAGES: usize = 2048;

/// An export that is being collected.
pub struct Diagnosis {
    file: PathBuf,
    request: Id,
    part: Part,
    from: u64,
    /// The ledger's end when the first page was made: what is written meanwhile is for the next export.
    last: u64,
    rows: u64,
    pages: Vec<String>,
    asked_ms: u64,
    tries: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Ledger,
    Journal,
}

impl Part {
    const fn word(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Journal => "journal",
        }
    }
}

impl Diagnosis {
    fn ask(&mut self, now: Now) -> Result<Output, Wrong> {
        (self.asked_ms, self.tries) = (now.mono_ms, self.tries + 1);
        let (request, part, from) = (self.request, self.part.word(), self.from);
        publish("diagnose", json!({"v": VERSION, "request": request, "part": part, "from": from}).to_string())
    }

    /// Takes a page; answers whether another one is wanted.
    fn take(&mut self, page: &Export, compact: String) -> Result<bool, Wrong> {
        let first = self.pages.is_empty();
        if self.pages.len() >= MAX_PAGES {
            return Err("more pages than an export may have: the box does not come to an end".into());
        }
        self.pages.push(compact);
        self.tries = 0;
        match (self.part, &page.ledger, &page.journal) {
            (Part::Ledger, Some(ledger), _) => {
                self.last = if first { ledger.last } else { self.last };
                self.from = ledger.from.saturating_add(ledger.rows.len() as u64);
                self.rows = self.from.saturating_sub(1);
                if ledger.rows.is_empty() || self.from > self.last {
                    (self.part, self.from) = (Part::Journal, 0);
                }
                Ok(true)
            }
            // The box's disk gives no rows; the journal is in its memory.
            (Part::Ledger, None, _) => {
                (self.part, self.from) = (Part::Journal, 0);
                Ok(true)
            }
            (Part::Journal, _, Some(piece)) => {
                self.from = piece.from.saturating_add(piece.text.len() as u64);
                Ok(!piece.text.is_empty() && self.from < piece.total)
            }
            (Part::Journal, _, None) => Ok(false),
        }
    }

    /// Whether a page is the one that was asked for, and no late answer to an earlier asking.
    fn is_answer(&self, page: &Export) -> bool {
        let (from, other) = match self.part {
            Part::Ledger => (page.ledger.as_ref().map(|ledger| ledger.from), page.journal.is_some()),
            Part::Journal => (page.journal.as_ref().map(|piece| piece.from), page.ledger.is_some()),
        };
        page.request == self.request && !other && from.is_none_or(|from| from == self.from)
    }
}

impl Desk {
    pub(super) fn diagnose(&mut self, now: Now, file: PathBuf) -> Result<Vec<Output>, Wrong> {
        if self.diagnosis.is_some() {
            return Err("an export is being collected already: wait for its event".into());
        }
        let part = Part::Ledger;
        let (request, pages) = (random::id()?, Vec::new());
        let mut diagnosis = Diagnosis { file, request, part, from: 1, last: 0, rows: 0, pages, asked_ms: 0, tries: 0 };
        let ask = diagnosis.ask(now)?;
        self.diagnosis = Some(diagnosis);
        Ok(vec![ask, event("console", json!({"do": "diagnose", "error": null}))])
    }

    pub(super) fn export(&mut self, now: Now, body: &[u8]) -> Result<Vec<Output>, Wrong> {
        let Some(mut diagnosis) = self.diagnosis.take() else { return Err("an export that nobody asked for".into()) };
        let page = self.read_export(body).and_then(|(page, compact)| {
            if !diagnosis.is_answer(&page) {
                return Ok(None);
            }
            diagnosis.take(&page, compact).map(|more| Some((page, more)))
        });
        match page {
            Ok(None) => {
                self.diagnosis = Some(diagnosis);
                Ok(Vec::new())
            }
            Ok(Some((_, true))) => {
                let ask = diagnosis.ask(now)?;
                self.diagnosis = Some(diagnosis);
                Ok(vec![ask])
            }
            Ok(Some((page, false))) => {
                let told = json!({"event": "diagnosed", "file": diagnosis.file, "pages": diagnosis.pages.len(),
                    "rows": diagnosis.rows, "release": page.release, "error": null});
                let bytes = (diagnosis.pages.join("\n") + "\n").into_bytes();
                Ok(vec![Output::File { path: diagnosis.file, bytes, event: told }])
            }
            Err(wrong) => {
                self.diagnosis = Some(diagnosis);
                Err(wrong)
            }
        }
    }

    fn read_export(&self, body: &[u8]) -> Result<(Export, String), Wrong> {
        let plain = sealed::open(Typ::Export, &self.site.device, &self.site.seal, body)?;
        let page: Export = jws::verify(&plain, &self.box_key)?;
        if (page.site, page.device) != (self.site.site, self.site.device) {
            return Err("an export of another box".into());
        }
        // Verified, so it is ASCII.
        Ok((page, String::from_utf8_lossy(&plain).into_owned()))
    }

    pub(super) fn tick_diagnosis(&mut self, now: Now) -> Result<Vec<Output>, Wrong> {
        let due = |d: &&mut Diagnosis| now.mono_ms >= d.asked_ms + AGAIN_MS;
        let Some(diagnosis) = self.diagnosis.as_mut().filter(due) else { return Ok(Vec::new()) };
        if diagnosis.tries < TRIES {
            return Ok(vec![diagnosis.ask(now)?]);
        }
        let told =
            json!({"file": diagnosis.file, "error": "the box does not answer: is it online, and does it have the Authority?"});
        self.diagnosis = None;
        Ok(vec![event("diagnosed", told)])
    }
}
