//! Owns: reading a running box for the comparison with `systemd/cells.toml`.
//! Never: compares.
//! Called by: the courses of attacks.

use std::collections::BTreeMap;

use parloir_bench::cells::Cells;
use parloir_image::running::{Running, differences, users_let_out};
use parloir_image::talk::Process;
use parloir_image::tools::tree;
use parloir_image::{Halt, Probe};
use serde_json::{Value, json};

use super::{As, act};

/// What of a unit is compared.
const PROPERTIES: &str = "--property=DeviceAllow,DevicePolicy";
/// Kinds of namespaces.
const NAMESPACES: [&str; 4] = ["net", "mnt", "user", "ipc"];
/// Files of `/proc/PID/net`.
const NET: [&str; 8] = ["unix", "tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet"];

/// The differences, and what was looked at.
///
/// # Errors
/// The probe is gone.
pub fn compared(probe: &Probe, visit: bool) -> Result<Value, Halt> {
    let cells = Cells::read(&tree().join("systemd/cells.toml")).map_err(|why| Halt::Failed(why.to_string()))?;
    let seen = read(probe, visit)?;
    let looked: Vec<String> =
        seen.processes.iter().map(|p| format!("{} {} {} {:?}", p.pid, p.exe, p.unit, p.uids.first())).collect();
    Ok(json!({ "differences": differences(&cells, &seen), "processes": looked, "names": seen.names }))
}

fn read(probe: &Probe, visit: bool) -> Result<Running, Halt> {
    let mut seen = Running { visit, ..Running::default() };
    // The kernel's own have no file; the probe and what it runs are not of the box.
    let of_box = |process: &Process| !process.exe.is_empty() && process.unit != "probe.service";
    seen.processes = probe.processes()?.into_iter().filter(of_box).collect();
    for process in &seen.processes {
        let (pid, cgroup) = (process.pid, &process.cgroup);
        if !seen.memory.contains_key(cgroup) {
            let limit = probe.text(&format!("/sys/fs/cgroup{cgroup}/memory.max")).unwrap_or_default();
            seen.memory.insert(cgroup.clone(), limit);
        }
        let of = |kind: &&str| Some(((*kind).to_owned(), probe.stat(&format!("/proc/{pid}/ns/{kind}")).ok()?.to));
        seen.namespaces.insert(pid, NAMESPACES.iter().filter_map(|kind| of(kind)).collect());
        if pid == 1 || process.unit.starts_with("parloir-") {
            let text = |file: &&str| Some(((*file).to_owned(), probe.text(&format!("/proc/{pid}/net/{file}")).ok()?));
            seen.net.insert(pid, NET.iter().filter_map(|file| text(file)).collect());
        }
        if process.unit.starts_with("parloir-") && !seen.units.contains_key(&process.unit) {
            let shown = probe.out(&["systemctl", "show", &process.unit, PROPERTIES])?;
            seen.units.insert(process.unit.clone(), properties(&shown));
        }
    }
    seen.names = names(probe)?;
    let numbers = numbers(probe)?;
    let ruleset = probe.out(&["nft", "list", "ruleset"])?;
    seen.let_out = users_let_out(&ruleset, |name| numbers.get(name).copied());
    Ok(seen)
}

/// `NAME=VALUE` lines; a name that comes again adds to its value.
fn properties(text: &str) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
        let entry = all.entry(name.to_owned()).or_default();
        *entry = format!("{entry} {value}").trim().to_owned();
    }
    all
}

fn names(probe: &Probe) -> Result<Vec<(String, u32)>, Halt> {
    let told = act(probe, &As::user(""), &["names"])?;
    let pair = |entry: &Value| Some((entry[0].as_str()?.to_owned(), u32::try_from(entry[1].as_u64()?).ok()?));
    Ok(told.as_array().into_iter().flatten().filter_map(pair).collect())
}

fn numbers(probe: &Probe) -> Result<BTreeMap<String, u32>, Halt> {
    let text = probe.text("/etc/passwd")?;
    let of = |line: &str| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
    };
    Ok(text.lines().filter_map(of).collect())
}
