//! Owns: the guest's processes as `/proc` has them: who they are, what they may, what they hold.
//! Never: asks the processes themselves.
//! Called by: guest, role.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use nix::sys::stat::{major, minor};
use parloir_bench::outside::{FileId, holders};

use crate::talk::{Opener, Process};

/// All of them.
#[must_use]
pub fn pids() -> Vec<u32> {
    let mut pids = parloir_bench::outside::pids();
    pids.sort_unstable();
    pids
}

/// Path of a process's cgroup, from the root of the one hierarchy.
#[must_use]
pub fn cgroup(pid: u32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default().to_owned()
}

/// The innermost unit in a cgroup's path.
#[must_use]
pub fn unit(cgroup: &str) -> String {
    let is_unit = |part: &&str| part.ends_with(".service") || part.ends_with(".scope");
    cgroup.rsplit('/').find(is_unit).unwrap_or_default().to_owned()
}

/// Who has the file at that path open. A device node is one file by whatever name: what counts is its device.
///
/// # Errors
/// It cannot be looked at.
pub fn openers(path: &str) -> io::Result<Vec<Opener>> {
    let node = fs::metadata(path)?;
    let told = |pid: u32, mapped: bool| {
        let uid = fs::metadata(format!("/proc/{pid}")).map_or(u32::MAX, |meta| meta.uid());
        Opener { pid, name: name(pid), uid, mapped }
    };
    if node.rdev() == 0 {
        return Ok(holders(FileId::of(path.as_ref())?).into_iter().map(|pid| told(pid, false)).collect());
    }
    let file = format!("{:02x}:{:02x} {} ", major(node.dev()), minor(node.dev()), node.ino());
    let by_descriptor = |pid: &u32| {
        let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| fs::metadata(entry.path()).ok())
            .any(|open| open.rdev() == node.rdev() && open.mode() & 0o170_000 == node.mode() & 0o170_000)
    };
    let by_mapping = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/maps")).is_ok_and(|maps| maps.contains(&file));
    let all = pids();
    let descriptors = all.iter().filter(|pid| by_descriptor(pid)).map(|pid| told(*pid, false));
    let mappings = all.iter().filter(|pid| !by_descriptor(pid) && by_mapping(pid)).map(|pid| told(*pid, true));
    Ok(descriptors.chain(mappings).collect())
}

fn name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned()
}

/// Every process that can be read to its end.
#[must_use]
pub fn processes() -> Vec<Process> {
    pids().into_iter().filter_map(process).collect()
}

fn process(pid: u32) -> Option<Process> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default().trim();
    let numbers = |name: &str| field(name).split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<u32>>();
    let mask = |name: &str| u64::from_str_radix(field(name), 16).unwrap_or(0);
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command = command.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    let link = |path: String| fs::read_link(path).map(|to| to.display().to_string());
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut open: Vec<String> = open.filter_map(|entry| link(entry.path().display().to_string()).ok()).collect();
    open.sort();
    let cgroup = cgroup(pid);
    Some(Process {
        pid,
        parent: field("PPid").parse().unwrap_or(0),
        name: name(pid),
        exe: link(format!("/proc/{pid}/exe")).unwrap_or_default(),
        command: command.map(|word| String::from_utf8_lossy(word).into_owned()).collect(),
        unit: unit(&cgroup),
        cgroup,
        uids: numbers("Uid"),
        gids: numbers("Gid"),
        groups: numbers("Groups"),
        capabilities: ["CapEff", "CapPrm", "CapBnd", "CapAmb"].map(mask),
        no_new_privileges: field("NoNewPrivs") == "1",
        seccomp: field("Seccomp").parse().unwrap_or(0),
        state: field("State").chars().take(1).collect(),
        pss_kib: (parloir_bench::outside::pss_mib(pid) * 1024.0) as u64,
        rss_kib: field("VmRSS").split_ascii_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0),
        cpu_s: parloir_bench::outside::cpu_seconds(pid),
        open,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_unit_is_found_whatever_slices_are_around_it() {
        assert_eq!(unit("/parloir.slice/parloir-call.slice/parloir-call@3-1-801.service"), "parloir-call@3-1-801.service");
        assert_eq!(unit("/init.scope"), "init.scope");
        assert_eq!(unit("/"), "");
    }

    #[test]
    fn this_process_is_told_as_it_is() {
        let all = processes();
        let me = all.iter().find(|process| process.pid == std::process::id()).expect("it runs");
        assert!(me.pss_kib > 500 && !me.open.is_empty() && me.uids.len() == 4, "{me:?}");
    }

    #[test]
    fn an_open_device_node_has_this_process_as_opener() {
        let open = fs::File::open("/dev/null").expect("opens");
        let is_ours = |opener: &Opener| opener.pid == std::process::id();
        assert!(openers("/dev/null").expect("told").iter().any(is_ours));
        drop(open);
    }
}
