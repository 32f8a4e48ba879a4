//! Owns: what can be seen of processes from outside, in `/proc`: who has a file open, processor time, memory.
//! Never: asks the processes themselves.
//! Called by: demo (the camera after the end), the side-by-side bench.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{SysconfVar, sysconf};

/// A file as the kernel names it, whatever path leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// Of the file at that path.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub fn of(path: &Path) -> std::io::Result<Self> {
        let meta = fs::metadata(path)?;
        Ok(Self { device: meta.dev(), inode: meta.ino() })
    }
}

/// Processes that hold the file by descriptor or by mapping.
#[must_use]
pub fn holders(file: FileId) -> Vec<u32> {
    pids().into_iter().filter(|pid| holds(*pid, file)).collect()
}

/// Whether that process does.
#[must_use]
pub fn holds(pid: u32, file: FileId) -> bool {
    holds_descriptor(pid, file) || holds_mapping(pid, file)
}

fn holds_descriptor(pid: u32, file: FileId) -> bool {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    entries.flatten().any(|entry| {
        // Following the link asks the open file itself, so a file that was renamed or removed is still found.
        fs::metadata(entry.path()).is_ok_and(|meta| meta.dev() == file.device && meta.ino() == file.inode)
    })
}

fn holds_mapping(pid: u32, file: FileId) -> bool {
    let Ok(maps) = fs::read_to_string(format!("/proc/{pid}/maps")) else { return false };
    let inode = file.inode.to_string();
    maps.lines().any(|line| line.split_ascii_whitespace().nth(4) == Some(inode.as_str()))
}

/// All processes of this PID namespace.
#[must_use]
pub fn pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The user that a living process runs as; `None` for one that is gone or waits to be reaped.
#[must_use]
pub fn user_of(pid: u32) -> Option<u32> {
    let user = fs::metadata(format!("/proc/{pid}")).ok()?.uid();
    // Field 3 of proc(5): Z has ended, X is about to be gone.
    stat(pid)?.first().is_some_and(|state| state != "Z" && state != "X").then_some(user)
}

/// The process and everything that descends from it.
#[must_use]
pub fn tree(root: u32) -> BTreeSet<u32> {
    let parents: Vec<(u32, u32)> = pids().into_iter().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found = BTreeSet::from([root]);
    loop {
        let before = found.len();
        found.extend(parents.iter().filter(|(_, parent)| found.contains(parent)).map(|(pid, _)| *pid).collect::<Vec<_>>());
        if found.len() == before {
            return found;
        }
    }
}

/// Fields of `/proc/PID/stat` after the command's closing bracket: the first is field 3 of proc(5).
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_ascii_whitespace().map(str::to_owned).collect())
}

fn parent(pid: u32) -> Option<u32> {
    stat(pid)?.get(1)?.parse().ok()
}

/// Processor time in seconds that the process and its reaped children have used (proc(5) fields 14 to 17).
#[must_use]
pub fn cpu_seconds(pid: u32) -> f64 {
    let hz = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    let ticks: i64 = stat(pid).map_or(0, |f| f.iter().skip(11).take(4).filter_map(|v| v.parse::<i64>().ok()).sum());
    ticks as f64 / hz as f64
}

/// Proportional set size in MiB: shared pages are counted by their share, so a tree's sum is true.
#[must_use]
pub fn pss_mib(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let kib = text.lines().find_map(|line| line.strip_prefix("Pss:")?.split_ascii_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_file_has_this_process_as_holder_until_it_is_closed() {
        let path = std::env::temp_dir().join(format!("parloir-outside-{}", std::process::id()));
        fs::write(&path, "x").expect("temp file");
        let file = FileId::of(&path).expect("its id");
        let open = fs::File::open(&path).expect("opens");
        assert_eq!(holders(file), [std::process::id()]);
        fs::remove_file(&path).expect("removed");
        assert_eq!(holders(file), [std::process::id()], "a removed file is held all the same");
        drop(open);
        assert_eq!(holders(file), Vec::<u32>::new());
    }

    #[test]
    fn a_child_is_in_the_tree_and_has_memory() {
        let mut child = std::process::Command::new("sleep").arg("30").spawn().expect("sleep");
        assert!(tree(std::process::id()).contains(&child.id()));
        assert!(pss_mib(std::process::id()) > 0.5);
        child.kill().expect("kill");
        child.wait().expect("wait");
    }
}
