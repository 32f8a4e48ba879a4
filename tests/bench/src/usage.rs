//! Owns: what a set of users' processes cost over a window: processor time and memory, from `/proc`.
//! Never: counts one process twice, or one that belongs to another user.
//! Called by: demo (the box), kiosk (the browser).

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::time::Instant;

use serde_json::{Value, json};

use crate::outside::{cpu_seconds, pids, pss_mib};

/// Processor seconds so far, by process.
pub struct Meter {
    users: Vec<(String, u32)>,
    start: Instant,
    before: BTreeMap<u32, f64>,
}

impl Meter {
    /// Begins to count for these users (name in the report, number).
    #[must_use]
    pub fn start(users: Vec<(String, u32)>) -> Self {
        let before = owned(&users).into_iter().map(|(pid, _)| (pid, cpu_seconds(pid))).collect();
        Self { users, start: Instant::now(), before }
    }

    /// The cost since: cores used, and memory now, in all and by user. A process that ended meanwhile is not in it.
    #[must_use]
    pub fn read(&self) -> Value {
        let seconds = self.start.elapsed().as_secs_f64();
        let mut by_user: BTreeMap<String, (f64, f64, u32)> = BTreeMap::new();
        for (pid, user) in owned(&self.users) {
            // One that ends between the two looks of this line reads as zero.
            let cores = (cpu_seconds(pid) - self.before.get(&pid).copied().unwrap_or(0.0)).max(0.0) / seconds;
            let sum = by_user.entry(user).or_default();
            *sum = (sum.0 + cores, sum.1 + pss_mib(pid), sum.2 + 1);
        }
        let total = by_user.values().fold((0.0, 0.0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2));
        let parts: serde_json::Map<String, Value> = by_user.into_iter().map(|(name, sum)| (name, cost(sum))).collect();
        let mut all = cost(total);
        all["seconds"] = json!(round(seconds, 10.0));
        all["parts"] = Value::Object(parts);
        all
    }
}

fn cost((cores, mib, processes): (f64, f64, u32)) -> Value {
    json!({ "cores": round(cores, 10_000.0), "pss_mib": round(mib, 10.0), "processes": processes })
}

fn round(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

/// Processes of those users.
fn owned(users: &[(String, u32)]) -> Vec<(u32, String)> {
    let owner = |pid: u32| std::fs::metadata(format!("/proc/{pid}")).ok().map(|meta| meta.uid());
    let mut found = Vec::new();
    for pid in pids() {
        // Of a process that made itself unreadable the directory belongs to root; its status tells the true user.
        let uid = real_uid(pid).or_else(|| owner(pid));
        if let Some((name, _)) = users.iter().find(|(_, id)| Some(*id) == uid) {
            found.push((pid, name.clone()));
        }
    }
    found
}

fn real_uid(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_ascii_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_costs_something() {
        let me = nix::unistd::getuid().as_raw();
        let meter = Meter::start(vec![("me".to_owned(), me)]);
        let busy = Instant::now();
        let mut x = 0u64;
        while busy.elapsed().as_millis() < 120 {
            x = x.wrapping_mul(31).wrapping_add(7);
        }
        let cost = meter.read();
        assert!(cost["cores"].as_f64() > Some(0.05), "{cost} {x}");
        assert!(cost["parts"]["me"]["pss_mib"].as_f64() > Some(0.5), "{cost}");
    }
}
