//! Owns: what the ledger says about one person, as moments that a screen can show: visits, calls that were missed or refused, and what staff
//! have denied.
//! Never: shows a row of another person, or what only the box's own parts were told; changes a row; a name.
//! Called by: run (`Calls1.Record`).

use crate::bus::{Answer, Reply};
use crate::input::Input;
use crate::ledger::Entry;
use crate::run::{Arbiter, now};
use parloir_bus::error::BusError;
use parloir_bus::view::Moment;
use parloir_core::refusal::Place;
use parloir_core::{Code, EndReason, Now, Owner};
use parloir_pass::Id;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::timeout;

/// Most moments of one page.
pub const MOST: usize = 5;
/// One page in this time on the average: a screen that was taken over must not keep the disk busy by it.
const EVERY_MS: u64 = 250;
/// So many at once.
const BURST: u64 = 8;
/// Longest wait for the disk; nobody but the screen waits.
const DISK: Duration = Duration::from_secs(2);

/// How fast pages are made.
#[derive(Debug, Default)]
pub struct Pace {
    due_ms: u64,
}

impl Pace {
    fn may(&mut self, now: Now) -> bool {
        let due = self.due_ms.max(now.mono_ms);
        let may = due - now.mono_ms < BURST * EVERY_MS;
        if may {
            self.due_ms = due + EVERY_MS;
        }
        may
    }
}

impl Arbiter {
    /// A page of what was written about the person whom the box knows now, before that row; the disk is asked apart from the loop.
    pub(crate) fn recount(&mut self, caller: &Owner, before: u64, answer: Answer) {
        let no = |code: Code| Err(BusError::new(code.name(), code.hint()));
        let person = match self.core.person() {
            _ if !self.is_screen(caller) => return drop(answer.send(no(Code::NotScreen))),
            None => return drop(answer.send(no(Code::NotReady))),
            Some(person) => person,
        };
        if !self.pace.may(now()) {
            let hint = "More pages of the record than four in a second; ask again later.";
            return drop(answer.send(Err(BusError::new("TooMany", hint))));
        }
        let contacts = self.core.view().contacts.iter().map(|contact| contact.id.to_string()).collect();
        let (store, inputs) = (self.store.clone(), self.inputs.clone());
        tokio::spawn(async move {
            let read = store.ask(move |ledger| {
                let mut record = Record::of(person, contacts);
                ledger.back_from(before, |seq, row| record.take(seq, &row))?;
                Ok(record.told())
            });
            let moments = timeout(DISK, read).await.ok().and_then(Result::ok);
            let _ = inputs.send(Input::Recounted { person, moments, answer }).await;
        });
    }

    /// The disk has read it. Whoever is known now gets it, if that is still the same person.
    pub(crate) fn recounted(&self, person: Id, moments: Option<Vec<Moment>>, answer: Answer) {
        let reply = match moments {
            _ if self.core.person() != Some(person) => Err(BusError::new(Code::NotReady.name(), Code::NotReady.hint())),
            None => Err(BusError::new(Code::Storage.name(), Code::Storage.hint())),
            Some(moments) => Ok(Reply::Record(moments)),
        };
        let _ = answer.send(reply);
    }
}

/// A call whose later rows were read and its beginning was not.
#[derive(Debug, Default)]
struct Later {
    code: String,
    counted: u32,
    shut: Option<(String, u64)>,
    camera: bool,
    microphone: bool,
    open_ns: u64,
}

/// Rows from the newest to the oldest, folded into moments of one person.
#[derive(Debug)]
struct Record {
    person: String,
    contacts: BTreeSet<String>,
    later: BTreeMap<String, Later>,
    /// Rings that became a call, with it; rings that were over without one, with the code.
    answered: BTreeSet<String>,
    over: BTreeMap<String, String>,
    moments: Vec<Moment>,
    /// Calls of the moments, at the same place.
    calls: Vec<String>,
}

impl Record {
    fn of(person: Id, contacts: BTreeSet<String>) -> Self {
        Self {
            person: person.to_string(),
            contacts,
            later: BTreeMap::new(),
            answered: BTreeSet::new(),
            over: BTreeMap::new(),
            moments: Vec::new(),
            calls: Vec::new(),
        }
    }

    /// Takes the next older row; whether more are wanted. One moment more than a page is waited for: what stands before the last one of the
    /// page may belong to it.
    fn take(&mut self, seq: u64, row: &Entry) -> bool {
        let word =
            |key: &str| row.detail.split(' ').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('=')).unwrap_or_default();
        let ours = word("person") == self.person;
        let moment = |kind: &str, code: &str| Moment {
            seq,
            at: row.wall_s,
            kind: kind.to_owned(),
            contact: word("contact").to_owned(),
            code: code.to_owned(),
            ..Moment::default()
        };
        match row.event.as_str() {
            "ended" => {
                let later = self.later(row);
                word("reason").clone_into(&mut later.code);
                later.counted = word("seconds_counted").parse().unwrap_or(0);
            }
            "doors-shut" => self.later(row).shut = Some((row.boot.clone(), row.at_ns)),
            "doors-opened" => self.later(row).opened(row, word("camera") == "true", word("microphone") == "true"),
            "asked" if ours => {
                let later = self.later.remove(&row.call).unwrap_or_default();
                let call = Moment {
                    seconds_counted: later.counted,
                    camera: later.camera,
                    microphone: later.microphone,
                    seconds_open: u32::try_from(later.open_ns / 1_000_000_000).unwrap_or(u32::MAX),
                    ..moment("call", &later.code)
                };
                self.tell(call, &row.call);
            }
            "answered" => {
                self.answered.insert(word("ring").to_owned());
                if let Some(at) = self.calls.iter().position(|call| *call == row.call) {
                    self.moments[at].incoming = true;
                }
            }
            "ring-over" => drop(self.over.insert(word("ring").to_owned(), word("code").to_owned())),
            "rang" if ours && !self.answered.contains(word("ring")) => {
                let code = self.over.get(word("ring")).map_or("", String::as_str);
                let ring = Moment { incoming: true, ..moment("ring", code) };
                self.tell(ring, "");
            }
            "refused" if row.call.is_empty() && ours && is_persons(word("code")) => {
                self.tell(moment("refused", word("code")), "")
            }
            "refused" if !row.call.is_empty() && is_persons(word("code")) => word("code").clone_into(&mut self.later(row).code),
            "denied" if ours || self.contacts.contains(word("contact")) => self.tell(moment("denied", ""), ""),
            _ => {}
        }
        self.moments.len() <= MOST
    }

    /// What is known of the row's call. A row of another call may stand in the midst of a visit: an old grant that came again.
    fn later(&mut self, row: &Entry) -> &mut Later {
        self.later.entry(row.call.clone()).or_default()
    }

    fn tell(&mut self, moment: Moment, call: &str) {
        self.moments.push(moment);
        self.calls.push(call.to_owned());
    }

    fn told(mut self) -> Vec<Moment> {
        self.moments.truncate(MOST);
        self.moments
    }
}

impl Later {
    fn opened(&mut self, row: &Entry, camera: bool, microphone: bool) {
        (self.camera, self.microphone) = (self.camera || camera, self.microphone || microphone);
        // Without a word that they were shut, or in another boot, nobody here knows for how long.
        if let Some((_, at_ns)) = self.shut.take().filter(|(boot, _)| *boot == row.boot) {
            self.open_ns = self.open_ns.saturating_add(at_ns.saturating_sub(row.at_ns));
        }
    }
}

/// Whether a code is one that the person is told on the screen; what fits no call of now is a matter of the box's parts.
fn is_persons(code: &str) -> bool {
    if code.ends_with("Stray") {
        return false;
    }
    let places = Code::from_name(code).map(Code::places).or(EndReason::from_name(code).map(EndReason::places));
    places.is_some_and(|places| places.contains(&Place::Screen))
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
