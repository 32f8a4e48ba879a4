//! Owns: what the updater keeps on the data partition: reports that wait, the floor, bundles that failed, the update under way.
//! Never: a half-written file: each is written beside its name, flushed and renamed. Never anything about a person.
//! Called by: run. The fields stand in docs/stored-data.toml. A newer release reads what an older one wrote and the other way round:
//! an unknown member is passed over, a missing one has its default.

use crate::health::Health;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Longest file that is read, bytes.
const MAX_FILE: u64 = 256 * 1024;
/// Most bundles that are remembered as failed; the oldest goes first.
const MAX_FAILED: usize = 64;
/// Most reports that wait.
pub const MAX_QUEUE: usize = 64;

/// How far the update under way is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Being fetched, or waiting to be installed.
    #[default]
    Downloading,
    /// RAUC writes.
    Installing,
    /// Written.
    Installed,
    /// Its slot has started.
    Trial,
    /// Its trial failed, and the box was told to restart.
    Falling,
}

/// `before.json`: the update under way, and the box before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Before {
    /// Form of this file.
    pub v: u32,
    /// The server's action.
    pub action: String,
    /// Of the bundle.
    pub sha256: String,
    /// Of the bundle; the offer's word until RAUC has read it.
    pub version: String,
    /// The operator wants it now.
    pub forced: bool,
    /// Where it started.
    pub from: From,
    /// The boot in which this was written last.
    pub boot: String,
    /// How far it is.
    pub phase: Phase,
    /// Installations that were begun.
    pub tries: u32,
    /// The box before the installation.
    pub health: Health,
    /// Which log of a failed trial lay there before.
    pub log: String,
    /// Why the trial failed, as it saw it; empty: it has not said.
    pub code: String,
    /// In words.
    pub why: String,
}

/// The slot and version that ran before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct From {
    /// RAUC's name of it, as `system-a`.
    pub slot: String,
    /// Its version.
    pub version: String,
}

/// `floor`: the newest version that was blessed here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Floor {
    /// Form of this file.
    pub v: u32,
    /// SemVer.
    pub version: String,
    /// Of its bundle; empty when it did not come by one.
    pub sha256: String,
}

/// A bundle that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failed {
    /// Of the bundle.
    pub sha256: String,
    /// In which action.
    pub action: String,
    /// Its version.
    pub version: String,
    /// Why.
    pub code: String,
}

/// `failed.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FailedList {
    /// Form of this file.
    pub v: u32,
    /// Oldest first.
    pub failed: Vec<Failed>,
}

/// What a report is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Of {
    /// The update.
    #[default]
    Deployment,
    /// A cancel of it.
    Cancel,
}

/// A report that waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Its number, unique on this box.
    pub report: u64,
    /// Id in the path: of the action, or of the cancel.
    pub action: String,
    /// Which of the two.
    pub of: Of,
    /// DDI's `status.execution`.
    pub execution: String,
    /// DDI's `status.result.finished`.
    pub finished: String,
    /// Our code, or empty.
    pub code: String,
    /// DDI's `status.details`.
    pub details: Vec<String>,
    /// It was sent, and whether it arrived is not known.
    pub tried: bool,
}

/// `queue.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Queue {
    /// Form of this file.
    pub v: u32,
    /// Number of the next report.
    pub next: u64,
    /// In the order in which they are sent.
    pub entries: Vec<Report>,
}

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}: look at the data partition's room and health [org.parloir.Error.UpdateStorage]", path.display())]
pub struct Unwritten {
    path: PathBuf,
    why: io::Error,
}

/// The directory.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
}

impl Store {
    /// Over this directory.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// Where the bundle lies when it is whole.
    #[must_use]
    pub fn bundle(&self) -> PathBuf {
        self.directory.join("bundle")
    }

    /// Where it grows.
    #[must_use]
    pub fn part(&self) -> PathBuf {
        self.directory.join("bundle.part")
    }

    /// The update under way.
    #[must_use]
    pub fn before(&self) -> Option<Before> {
        self.read("before.json").filter(|before: &Before| !before.action.is_empty())
    }

    /// Writes it down; `None` forgets it and its bundle.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn set_before(&self, before: Option<&Before>) -> Result<(), Unwritten> {
        match before {
            Some(before) => self.write("before.json", &Before { v: 1, ..before.clone() }),
            None => {
                for name in ["before.json", "bundle", "bundle.part"] {
                    let _ = fs::remove_file(self.directory.join(name));
                }
                self.settle("before.json")
            }
        }
    }

    /// The floor; the default one refuses nothing.
    #[must_use]
    pub fn floor(&self) -> Floor {
        self.read("floor").unwrap_or_default()
    }

    /// Sets it.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn set_floor(&self, floor: &Floor) -> Result<(), Unwritten> {
        self.write("floor", &Floor { v: 1, ..floor.clone() })
    }

    /// The last failure of a bundle.
    #[must_use]
    pub fn failed(&self, sha256: &str) -> Option<Failed> {
        let list: FailedList = self.read("failed.json").unwrap_or_default();
        list.failed.into_iter().rfind(|failed| failed.sha256 == sha256)
    }

    /// Remembers a failure.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn add_failed(&self, failed: Failed) -> Result<(), Unwritten> {
        let mut list: FailedList = self.read("failed.json").unwrap_or_default();
        list.failed.retain(|known| known.sha256 != failed.sha256);
        list.failed.push(failed);
        let over = list.failed.len().saturating_sub(MAX_FAILED);
        list.failed.drain(..over);
        list.v = 1;
        self.write("failed.json", &list)
    }

    /// The reports that wait.
    #[must_use]
    pub fn queue(&self) -> Queue {
        self.read("queue.json").unwrap_or_default()
    }

    /// Keeps them.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn set_queue(&self, queue: &Queue) -> Result<(), Unwritten> {
        self.write("queue.json", &Queue { v: 1, ..queue.clone() })
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let path = self.directory.join(name);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes));
        match read {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return None,
            Err(e) => {
                tracing::warn!(code = "UpdateStorage", "{}: {e}: taken as if it were not there", path.display());
                return None;
            }
            Ok(_) => {}
        }
        serde_json::from_slice(&bytes)
            .map_err(|e| tracing::warn!(code = "UpdateStorage", "{}: {e}: taken as if it were not there", path.display()))
            .ok()
    }

    fn write<T: Serialize>(&self, name: &str, value: &T) -> Result<(), Unwritten> {
        let path = self.directory.join(name);
        let no = |why: io::Error| Unwritten { path: path.clone(), why };
        let text = serde_json::to_vec(value).map_err(|e| no(e.into()))?;
        let beside = self.directory.join(format!("{name}.new"));
        let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside);
        let mut file = open.map_err(no)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(no)?;
        fs::rename(&beside, &path).map_err(no)?;
        self.settle(name)
    }

    /// The directory itself: a name that is not flushed is gone after a power cut.
    fn settle(&self, name: &str) -> Result<(), Unwritten> {
        let flush = File::open(&self.directory).and_then(|directory| directory.sync_all());
        flush.map_err(|why| Unwritten { path: self.directory.join(name), why })
    }
}

impl Queue {
    /// Puts a report at the end, unless one that closes the same action is there already. When it is full, the oldest report that closes
    /// nothing goes.
    pub fn push(&mut self, mut report: Report) {
        let closes = |r: &Report| r.execution == "closed";
        let same = |r: &Report| r.of == report.of && r.action == report.action;
        if closes(&report) && self.entries.iter().any(|r| same(r) && closes(r)) {
            return;
        }
        if self.entries.len() >= MAX_QUEUE {
            let at = self.entries.iter().position(|r| !closes(r)).unwrap_or(0);
            self.entries.remove(at);
        }
        self.next += 1;
        report.report = self.next;
        if let Some(first) = report.details.first_mut() {
            first.push_str(&marker(report.report));
        }
        self.entries.push(report);
    }
}

/// What ends the first detail of a report: by this it is found again in the action's history.
#[must_use]
pub fn marker(report: u64) -> String {
    format!(" [report {report}]")
}

#[cfg(test)]
mod tests {
    use super::{Before, Failed, Floor, MAX_QUEUE, Of, Phase, Queue, Report, Store};

    fn store(name: &str) -> Store {
        let directory = std::env::temp_dir().join(format!("parloir-updater-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        Store::new(&directory)
    }

    #[test]
    fn everything_that_is_written_is_read_again_and_the_rest_is_nothing() {
        let store = store("store");
        assert_eq!((store.before(), store.floor(), store.queue()), (None, Floor::default(), Queue::default()));
        let before = Before { v: 1, action: "7".to_owned(), phase: Phase::Trial, ..Before::default() };
        store.set_before(Some(&before)).unwrap();
        assert_eq!(store.before(), Some(before));
        std::fs::write(store.bundle(), b"x").unwrap();
        store.set_before(None).unwrap();
        assert!(store.before().is_none() && !store.bundle().exists());
        let failed = Failed { sha256: "aa".to_owned(), action: "7".to_owned(), ..Failed::default() };
        store.add_failed(failed.clone()).unwrap();
        assert_eq!((store.failed("aa"), store.failed("bb")), (Some(failed), None));
        std::fs::remove_dir_all(&store.directory).unwrap();
    }

    #[test]
    fn files_of_another_release_or_of_a_cut_are_no_reason_to_stop() {
        let store = store("forms");
        let write = |text: &str| std::fs::write(store.directory.join("before.json"), text).unwrap();
        write(r#"{"v":9,"action":"7","phase":"trial","more":{"than":["this"]}}"#);
        assert_eq!(store.before().unwrap().phase, Phase::Trial);
        for broken in ["", "{", "{\"phase\":\"unknown\"}", "[]", "{}", "\0\0\0\0"] {
            write(broken);
            assert_eq!(store.before(), None, "{broken}");
        }
        std::fs::remove_dir_all(&store.directory).unwrap();
    }

    #[test]
    fn a_queue_closes_an_action_once_and_never_loses_what_closes() {
        let mut queue = Queue::default();
        let report = |action: &str, execution: &str| Report {
            action: action.to_owned(),
            execution: execution.to_owned(),
            details: vec!["words".to_owned()],
            ..Report::default()
        };
        queue.push(report("1", "closed"));
        queue.push(report("1", "closed"));
        assert_eq!((queue.entries.len(), queue.entries[0].details[0].as_str()), (1, "words [report 1]"));
        queue.push(Report { of: Of::Cancel, ..report("1", "closed") });
        (0..2 * MAX_QUEUE).for_each(|_| queue.push(report("2", "proceeding")));
        queue.push(report("2", "closed"));
        assert_eq!((queue.entries.len(), queue.entries.iter().filter(|r| r.execution == "closed").count()), (MAX_QUEUE, 3));
        assert!(queue.entries.is_sorted_by_key(|r| r.report));
    }
}
