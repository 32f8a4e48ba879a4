//! Owns: what machine and probe say to each other over the guest's second serial port: JSON lines, each bounded.
//! Never: a port, a process.
//! Called by: probe (asks), guest (answers).
//!
//! ```text
//! > {"id":7,"ask":{"do":"read","path":"/proc/cmdline","offset":0,"limit":65536}}
//! < {"id":7,"part":"BASE64"}          as many as it takes, in order
//! < {"id":7,"last":"BASE64"}          together they are the answer as JSON; or
//! < {"id":7,"wrong":"no such file"}
//! < {"event":{"kind":"journal",...}}  without being asked
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Longest line either way, bytes. The kernel keeps 64 KiB of a serial port that is not read at once.
pub const LINE: usize = 24 * 1024;
/// Bytes of an answer in one line.
pub const PART: usize = 12 * 1024;
/// Longest answer, bytes.
pub const ANSWER: usize = 16 << 20;

/// A line from the machine.
#[derive(Debug, Serialize, Deserialize)]
pub struct Asked {
    /// Chosen by the machine, never twice.
    pub id: u64,
    /// What for.
    pub ask: Ask,
}

/// A line from the probe.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Told {
    /// Some of an answer.
    Part {
        /// Of the question.
        id: u64,
        /// Base64.
        part: String,
    },
    /// The end of an answer.
    Last {
        /// Of the question.
        id: u64,
        /// Base64.
        last: String,
    },
    /// It could not be done.
    Wrong {
        /// Of the question.
        id: u64,
        /// Why, in words.
        wrong: String,
    },
    /// What was not asked for.
    Event {
        /// What.
        event: Event,
    },
}

/// What the probe tells unasked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    /// It runs. Clocks of the guest, seconds.
    Hello {
        /// The kernel's id of this boot.
        boot: String,
        /// `CLOCK_BOOTTIME`.
        boot_s: f64,
        /// Unix time.
        unix_s: f64,
    },
    /// An entry of the journal.
    Journal(Entry),
}

/// An entry of the journal, `systemd.journal-fields(7)`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Entry {
    /// `__MONOTONIC_TIMESTAMP`, seconds since the guest's kernel started.
    pub at: f64,
    /// `_SYSTEMD_UNIT`, or for systemd's own words on a unit `UNIT`; empty without one.
    pub unit: String,
    /// `SYSLOG_IDENTIFIER`.
    pub from: String,
    /// `_PID`.
    pub pid: u32,
    /// `PRIORITY`, 0 to 7.
    pub priority: u8,
    /// `MESSAGE_ID`, if any.
    pub id: String,
    /// `MESSAGE`.
    pub text: String,
}

/// What the probe can be asked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Ask {
    /// A program, to its end: [`Ran`].
    Run(Run),
    /// A program that goes on: its process id. It ends with the probe.
    Start(Run),
    /// A signal by its number.
    Signal {
        /// To whom.
        pid: i32,
        /// Which, signal(7).
        signal: i32,
    },
    /// Bytes of a file: base64 as a string.
    Read {
        /// Which.
        path: String,
        /// Where from.
        offset: u64,
        /// At most.
        limit: u64,
    },
    /// Bytes into a file.
    Write {
        /// Which.
        path: String,
        /// Where; 0 makes or empties it.
        offset: u64,
        /// Base64.
        bytes: String,
        /// Mode of a new one.
        mode: u32,
    },
    /// [`Node`], without following a link.
    Stat {
        /// Which.
        path: String,
    },
    /// Names in a directory, sorted.
    List {
        /// Which.
        path: String,
    },
    /// Who has it open: a list of [`Opener`].
    Openers {
        /// Which, links followed.
        path: String,
    },
    /// All processes: a list of [`Process`].
    Processes,
    /// All sockets: a list of [`Socket`].
    Sockets,
    /// `/proc/PID/mountinfo`: a list of [`Mount`].
    Mounts {
        /// Of which process.
        pid: u32,
    },
    /// Clocks: `[CLOCK_BOOTTIME, Unix time]`, seconds.
    Clocks,
}

/// A program to run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// Program and arguments. `parloir-probe` stands for the probe's own file.
    pub argv: Vec<String>,
    /// Its user, with the groups of that user and without capabilities; empty: root with all.
    pub user: String,
    /// A unit whose cgroup and namespaces it shall be in: what a process of that unit could do. Its seccomp filter is not taken over.
    pub unit: String,
    /// More groups by name.
    pub groups: Vec<String>,
    /// Its environment beside PATH and LANG.
    pub environment: Vec<(String, String)>,
    /// Standard input, base64.
    pub input: String,
    /// Killed after so long.
    pub limit_ms: u64,
}

/// What a program did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ran {
    /// Exit code.
    pub code: Option<i32>,
    /// Or the signal that ended it.
    pub signal: Option<i32>,
    /// It took longer than allowed and was killed.
    pub late: bool,
    /// Standard output, base64.
    pub stdout: String,
    /// Standard error, base64.
    pub stderr: String,
    /// How long it ran.
    pub took_ms: u64,
}

impl Ran {
    /// Ended with 0.
    #[must_use]
    pub fn good(&self) -> bool {
        self.code == Some(0)
    }

    /// Standard output as text.
    #[must_use]
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&decode(&self.stdout)).into_owned()
    }

    /// Standard error as text.
    #[must_use]
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&decode(&self.stderr)).into_owned()
    }
}

/// A file as stat(2) has it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Node {
    /// `file`, `directory`, `link`, `char`, `block`, `socket`, `pipe`.
    pub kind: String,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits, setuid and setgid included.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// Device of the node, major and minor.
    pub device: (u64, u64),
    /// Where a link leads.
    pub to: String,
}

/// Who has a file open.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Opener {
    /// Process.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// Its user.
    pub uid: u32,
    /// By a mapping, not by a descriptor.
    pub mapped: bool,
}

/// A process as `/proc` has it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
    /// Its name.
    pub name: String,
    /// The file that it runs; empty for the kernel's own.
    pub exe: String,
    /// Its command line.
    pub command: Vec<String>,
    /// Path of its cgroup.
    pub cgroup: String,
    /// The unit of that cgroup.
    pub unit: String,
    /// Real, effective, saved, file system user.
    pub uids: Vec<u32>,
    /// The same of groups.
    pub gids: Vec<u32>,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Effective, permitted, bounding, ambient capabilities.
    pub capabilities: [u64; 4],
    /// May gain none.
    pub no_new_privileges: bool,
    /// 0 none, 2 filter.
    pub seccomp: u32,
    /// State, as `S`.
    pub state: String,
    /// Proportional set size, KiB.
    pub pss_kib: u64,
    /// Resident set, KiB.
    pub rss_kib: u64,
    /// Processor time, seconds.
    pub cpu_s: f64,
    /// Paths of what it has open, as `readlink` gives them.
    pub open: Vec<String>,
}

/// A socket as `/proc/net` has it, of the probe's network.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Socket {
    /// `tcp`, `tcp6`, `udp`, `udp6`, `raw`, `raw6`, `packet`, `unix`.
    pub kind: String,
    /// Address and port; of `unix` the path.
    pub local: String,
    /// Address and port of the other end.
    pub remote: String,
    /// As `LISTEN`, or a number.
    pub state: String,
    /// Its inode.
    pub inode: u64,
    /// Processes that have it, with their names.
    pub holders: Vec<(u32, String)>,
}

/// A mount.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Mount {
    /// Where.
    pub at: String,
    /// Of what kind.
    pub kind: String,
    /// What.
    pub source: String,
    /// Options of the mount and of the file system.
    pub options: Vec<String>,
}

/// Base64.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// From base64; what is none is nothing.
#[must_use]
pub fn decode(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap_or_default()
}

/// The lines of an answer.
///
/// # Errors
/// It is longer than [`ANSWER`].
pub fn lines(id: u64, answer: &serde_json::Value) -> Result<Vec<String>, String> {
    let bytes = answer.to_string().into_bytes();
    if bytes.len() > ANSWER {
        return Err(format!("an answer of {} bytes is longer than {ANSWER}", bytes.len()));
    }
    let mut parts: Vec<String> = bytes.chunks(PART).map(encode).collect();
    let last = parts.pop().unwrap_or_default();
    let told = parts.into_iter().map(|part| Told::Part { id, part }).chain([Told::Last { id, last }]);
    told.map(|line| serde_json::to_string(&line).map_err(|why| why.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_answer_comes_in_bounded_lines_and_whole() {
        let answer = serde_json::json!({ "bytes": "ä".repeat(40_000) });
        let lines = lines(3, &answer).expect("lines");
        assert!(lines.len() > 5 && lines.iter().all(|line| line.len() < LINE));
        let mut whole = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            match serde_json::from_str(line).expect("ours") {
                Told::Part { id: 3, part } if at + 1 < lines.len() => whole.extend(decode(&part)),
                Told::Last { id: 3, last } if at + 1 == lines.len() => whole.extend(decode(&last)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&whole).expect("json"), answer);
    }

    #[test]
    fn an_event_and_a_refusal_are_told_apart() {
        let event = r#"{"event":{"kind":"hello","boot":"x","boot_s":1.5,"unix_s":2.0}}"#;
        assert!(matches!(serde_json::from_str(event), Ok(Told::Event { event: Event::Hello { .. } })));
        assert!(matches!(serde_json::from_str(r#"{"id":1,"wrong":"no"}"#), Ok(Told::Wrong { id: 1, .. })));
    }
}
