//! Owns: the reader of `systemd/cells.toml`, the one place that says what each process may be and have.
//! Never: gives a process anything that the file does not name.
//! Called by: the supervisor beside it, tests/house.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;

/// The file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cells {
    /// Always 1.
    pub version: u32,
    /// The processes, in the order of the file.
    pub cell: Vec<Cell>,
}

/// One process.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Short name, `gate`.
    pub name: String,
    /// What it owns, in words.
    pub what: String,
    /// Its user; no two cells share one.
    pub user: String,
    /// Number of that user and its group on the box; the bench has numbers of its own.
    pub uid: u32,
    /// File name of our binary, or the path of one that is not ours.
    pub binary: String,
    /// When it starts.
    pub start: Start,
    /// Cells that are started before it.
    pub after: Vec<String>,
    /// Device nodes.
    pub devices: Vec<Device>,
    /// Groups beside its own.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Sockets with a path. Socketpairs have none: they are handed over by fd.
    pub sockets: Vec<Socket>,
    /// What it may reach: `broker`, `relay`, `updates`; or that it may set the packet filter: `filter`.
    pub network: Vec<String>,
    /// Directories that it may write, with placeholders.
    pub writes: Vec<String>,
    /// `MemoryMax`, MiB.
    pub memory_mb: u32,
    /// What its death means, in words.
    pub death: String,
    /// Units beside its own that have the same user and walls and another command line.
    #[serde(default)]
    pub variants: Vec<Variant>,
    /// Command lines.
    pub arguments: Arguments,
    /// D-Bus.
    pub bus: Bus,
    /// Capabilities, without `CAP_`.
    pub capabilities: Capabilities,
    /// What the supervisor does at its death.
    pub restart: Restart,
}

/// When a cell starts.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// With the box.
    Boot,
    /// For each connection to its socket (systemd's `Accept=yes`).
    Socket,
    /// With the box, does its work and ends, and again when what it reads has changed. Not on the bench.
    Once,
}

/// A device node.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Path, with shell wildcards.
    pub path: String,
    /// Its name in a unit's `DeviceAllow=`.
    pub class: String,
    /// What the control group lets the cell open it for: `r`, `rw`; empty where it only changes the owner.
    pub allow: String,
    /// What for, in words.
    pub access: String,
}

/// A socket with a path.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Socket {
    /// Where, with placeholders.
    pub path: String,
    /// `seqpacket`.
    pub kind: String,
    /// `listens`, `connects` or `accepts`.
    pub role: String,
    /// The cell at the other end.
    pub peer: String,
}

/// Command lines: `device` always; `box` and `board`, or `bench` and `headless`, after it where they apply.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// First, on the box and on the bench.
    pub device: Vec<String>,
    /// On the box after that.
    #[serde(default, rename = "box")]
    pub on_box: Vec<String>,
    /// On the box after that: words that the board description gives.
    #[serde(default)]
    pub board: Vec<String>,
    /// On the bench.
    #[serde(default)]
    pub bench: Vec<String>,
    /// On the bench without a display.
    #[serde(default)]
    pub headless: Vec<String>,
}

/// The same authority in a second unit of the box.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Name of the unit, `parloir-help.service`.
    pub unit: String,
    /// Program and arguments, with placeholders.
    pub command: Vec<String>,
}

/// D-Bus rights.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    /// Names it may own.
    pub owns: Vec<String>,
    /// Interfaces of `org.parloir.Arbiter` it may call.
    pub calls: Vec<String>,
}

/// Capabilities, without `CAP_`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    /// On the box.
    #[serde(default)]
    pub device: Vec<String>,
    /// On the bench.
    #[serde(default)]
    pub bench: Vec<String>,
}

/// What follows a death.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// Always or never.
    pub policy: Policy,
    /// Wait before the start, milliseconds.
    pub delay_ms: u64,
    /// `WatchdogSec`, milliseconds; 0 none.
    pub watchdog_ms: u64,
}

/// systemd's `Restart=`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Started again whatever its end.
    Always,
    /// Started again when it failed.
    Failure,
    /// Stays dead.
    Never,
}

/// Why the file or an argument was refused.
#[derive(Debug)]
pub struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cells.toml: {}", self.0)
    }
}

impl std::error::Error for Refused {}

impl Cells {
    /// Reads and checks the file.
    ///
    /// # Errors
    /// Unreadable, not of this form, or naming a cell twice, a user twice, or a cell that is not there.
    pub fn read(path: &Path) -> Result<Self, Refused> {
        let text = std::fs::read_to_string(path).map_err(|e| Refused(format!("{}: {e}", path.display())))?;
        Self::parse(&text)
    }

    /// As [`Cells::read`], from text.
    ///
    /// # Errors
    /// As [`Cells::read`].
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let cells: Self = toml::from_str(text).map_err(|e| Refused(e.to_string()))?;
        cells.check()?;
        Ok(cells)
    }

    fn check(&self) -> Result<(), Refused> {
        if self.version != 1 {
            return Err(Refused(format!("version {} is not 1", self.version)));
        }
        for (at, cell) in self.cell.iter().enumerate() {
            for other in &self.cell[..at] {
                if other.name == cell.name || other.user == cell.user || other.uid == cell.uid {
                    return Err(Refused(format!("{} and {} share a name, a user or its number", other.name, cell.name)));
                }
            }
            if let Some(missing) = cell.after.iter().find(|name| !self.cell[..at].iter().any(|c| c.name == **name)) {
                return Err(Refused(format!("{} starts after {missing}, which does not stand before it", cell.name)));
            }
        }
        Ok(())
    }

    /// The cell of that name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Cell> {
        self.cell.iter().find(|cell| cell.name == name)
    }
}

/// Replaces every `{placeholder}`.
///
/// # Errors
/// A placeholder that `values` does not have.
pub fn fill(argument: &str, values: &BTreeMap<String, String>) -> Result<String, Refused> {
    let mut out = String::with_capacity(argument.len());
    let mut rest = argument;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, tail) = after.split_once('}').ok_or_else(|| Refused(format!("{argument}: a brace stays open")))?;
        let value = values.get(name).ok_or_else(|| Refused(format!("{argument}: nothing is known as {name}")))?;
        out.push_str(before);
        out.push_str(value);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

/// As [`fill`] for a configuration file: only `{lower-case-words}` outside of `#` comments are placeholders, any other brace is the
/// file's own.
///
/// # Errors
/// A placeholder that `values` does not have.
pub fn fill_text(text: &str, values: &BTreeMap<String, String>) -> Result<String, Refused> {
    let lines: Result<Vec<String>, Refused> = text.lines().map(|line| fill_line(line, values)).collect();
    Ok(lines?.join("\n") + "\n")
}

fn fill_line(line: &str, values: &BTreeMap<String, String>) -> Result<String, Refused> {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find('{').filter(|_| !line.starts_with('#')) {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let name = after[1..].split('}').next().unwrap_or_default();
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b"-_:".contains(&b));
        if is_name && after.len() > name.len() + 1 {
            out.push_str(&fill(&format!("{{{name}}}"), values)?);
            rest = &after[name.len() + 2..];
        } else {
            out.push('{');
            rest = &after[1..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> &'static str {
        include_str!("../../../systemd/cells.toml")
    }

    #[test]
    fn the_file_in_the_tree_is_read() {
        let cells = Cells::parse(ours()).expect("our own file");
        assert_eq!(cells.named("call").expect("call").start, Start::Socket);
        assert_eq!(cells.named("arbiter").expect("arbiter").bus.owns, ["org.parloir.Arbiter"]);
    }

    #[test]
    fn an_unknown_member_is_refused() {
        let text = ours().replacen("memory_mb", "memory_gb", 1);
        assert!(Cells::parse(&text).is_err());
    }

    #[test]
    fn two_cells_of_one_user_are_refused() {
        let text = ours().replacen("user = \"parloir-ui\"", "user = \"parloir-gate\"", 1);
        let why = Cells::parse(&text).expect_err("shared user").to_string();
        assert!(why.contains("share"), "{why}");
    }

    #[test]
    fn placeholders_are_all_replaced_or_refused() {
        let values = BTreeMap::from([("run".to_owned(), "/r".to_owned()), ("uid:x".to_owned(), "7".to_owned())]);
        assert_eq!(fill("{run}/a/{uid:x}", &values).expect("known"), "/r/a/7");
        assert!(fill("{other}", &values).is_err());
        assert!(fill("{run", &values).is_err());
        assert_eq!(fill_text("a { b {run} {} {A}", &values).expect("only run"), "a { b /r {} {A}\n");
        assert_eq!(fill_text("# the {words}", &values).expect("a comment"), "# the {words}\n");
        assert!(fill_text("{other}", &values).is_err());
    }
}
