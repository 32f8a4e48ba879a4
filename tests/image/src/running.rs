//! Owns: the comparison of `systemd/cells.toml` with a running box: what was found there against what stands in the file, both ways.
//! Never: a machine; what it compares was read before.
//! Called by: the tests of whole boxes, at home and in a visit.

use std::collections::{BTreeMap, BTreeSet};

use parloir_bench::cells::{Cell, Cells, Start};

use crate::talk::Process;

/// Where our binaries are in the image.
const BINARIES: &str = "/usr/libexec/parloir/";
/// First and last number of our users, as `systemd/sysusers.d` gives them.
const USERS: std::ops::RangeInclusive<u32> = 800..=899;
/// Programs that may run as root beside the kernel's own threads, and why they must.
const ROOT: [(&str, &str); 5] = [
    ("/usr/lib/systemd/systemd", "starts everything"),
    ("/usr/lib/systemd/systemd-executor", "is systemd on its way to become a service"),
    ("/usr/lib/systemd/systemd-journald", "keeps the journal"),
    ("/usr/lib/systemd/systemd-udevd", "makes device nodes"),
    ("/usr/bin/rauc", "writes the slot that is not running"),
];
/// `udevadm` in Debian is the daemon's own file.
const UDEV: &str = "/usr/bin/udevadm";
/// Numbers of capabilities, linux/capability.h.
const CAPABILITIES: [(&str, u32); 8] = [
    ("CHOWN", 0),
    ("DAC_OVERRIDE", 1),
    ("FOWNER", 3),
    ("KILL", 5),
    ("NET_BIND_SERVICE", 10),
    ("NET_ADMIN", 12),
    ("NET_RAW", 13),
    ("SYS_ADMIN", 21),
];

/// What was found in a box.
#[derive(Clone, Debug, Default)]
pub struct Running {
    /// Every process but the kernel's own and the probe's.
    pub processes: Vec<Process>,
    /// `memory.max` by path of the control group.
    pub memory: BTreeMap<String, String>,
    /// Properties as `systemctl show` prints them, by unit.
    pub units: BTreeMap<String, BTreeMap<String, String>>,
    /// `/proc/PID/ns/*` by process: name of the namespace and its number.
    pub namespaces: BTreeMap<u32, BTreeMap<String, String>>,
    /// `/proc/PID/net/*` by process: name of the file and its text.
    pub net: BTreeMap<u32, BTreeMap<String, String>>,
    /// Names on the bus with the user of their owner.
    pub names: Vec<(String, u32)>,
    /// Users that the packet filter lets out.
    pub let_out: BTreeSet<u32>,
    /// A visit is on: then, and only then, there is a call process.
    pub visit: bool,
}

/// What is not as the file says; nothing is left out, so that one run tells all.
#[must_use]
pub fn differences(cells: &Cells, seen: &Running) -> Vec<String> {
    let mut wrong = Vec::new();
    for cell in &cells.cell {
        one(cell, seen, &mut wrong);
    }
    strangers(cells, seen, &mut wrong);
    bus(cells, seen, &mut wrong);
    listeners(cells, seen, &mut wrong);
    network(cells, seen, &mut wrong);
    wrong
}

fn of<'a>(cell: &Cell, seen: &'a Running) -> Vec<&'a Process> {
    seen.processes.iter().filter(|process| process.uids.first() == Some(&cell.uid)).collect()
}

fn one(cell: &Cell, seen: &Running, wrong: &mut Vec<String>) {
    let found = of(cell, seen);
    let most = match cell.start {
        Start::Boot => 1,
        Start::Socket => usize::from(seen.visit),
        // What a failure brings does not run while nothing fails.
        #[allow(unreachable_patterns)]
        _ => 0,
    };
    if found.len() != most {
        let names: Vec<String> = found.iter().map(|process| format!("{} {}", process.pid, process.name)).collect();
        wrong.push(format!("{}: {} processes and not {most}: {}", cell.name, found.len(), names.join(", ")));
    }
    for process in found {
        let mut say = |what: &str, is: String, should: String| {
            if is != should {
                wrong.push(format!("{}: {what} is {is}, and {should} in cells.toml", cell.name));
            }
        };
        let file = process.exe.rsplit('/').next().unwrap_or_default();
        say("program", file.to_owned(), cell.binary.rsplit('/').next().unwrap_or_default().to_owned());
        say("users", format!("{:?}", process.uids), format!("{:?}", [cell.uid; 4]));
        say("groups", format!("{:?}", process.gids), format!("{:?}", [cell.uid; 4]));
        let mask = capabilities(&cell.capabilities.device);
        for (what, is) in ["effective", "permitted", "bounding"].iter().zip(process.capabilities) {
            say(&format!("{what} capabilities"), format!("{is:#x}"), format!("{mask:#x}"));
        }
        say("no_new_privs", process.no_new_privileges.to_string(), true.to_string());
        say("seccomp", process.seccomp.to_string(), 2.to_string());
        say("memory.max", limit(process, seen), (u64::from(cell.memory_mb) << 20).to_string());
        say("number of further groups", further(process).len().to_string(), cell.groups.len().to_string());
        let slice = if cell.start == Start::Socket { "/parloir.slice/parloir-call.slice/" } else { "/parloir.slice/" };
        say("control group", process.cgroup.starts_with(slice).to_string(), true.to_string());
        devices(cell, process, seen, &mut say);
    }
}

/// Beside the primary one, which systemd lists too.
fn further(process: &Process) -> Vec<u32> {
    process.groups.iter().copied().filter(|group| process.gids.first() != Some(group)).collect()
}

fn limit(process: &Process, seen: &Running) -> String {
    seen.memory.get(&process.cgroup).map_or_else(|| "not read".to_owned(), |text| text.trim().to_owned())
}

fn capabilities(names: &[String]) -> u64 {
    let number = |name: &String| CAPABILITIES.iter().find(|(known, _)| *known == name.as_str()).map(|(_, bit)| 1u64 << bit);
    // An unknown name can match no process: all bits.
    names.iter().map(|name| number(name).unwrap_or(u64::MAX)).fold(0, |all, bit| all | bit)
}

/// `DeviceAllow=` of the unit is what the file allows, class by class, and nothing else is to be had.
fn devices(cell: &Cell, process: &Process, seen: &Running, say: &mut impl FnMut(&str, String, String)) {
    let Some(unit) = seen.units.get(&process.unit) else {
        say("unit", process.unit.clone(), "one of ours".to_owned());
        return;
    };
    let property = |name: &str| unit.get(name).cloned().unwrap_or_default();
    let allowed: BTreeSet<String> =
        cell.devices.iter().filter(|d| !d.allow.is_empty()).map(|d| format!("{} {}", d.class, d.allow)).collect();
    let is: BTreeSet<String> = allow_list(&property("DeviceAllow")).into_iter().collect();
    say("device classes", format!("{is:?}"), format!("{allowed:?}"));
    let policy = property("DevicePolicy");
    say("device policy", (policy == "closed" || policy == "strict").to_string(), true.to_string());
}

/// `char-drm rw` and so on, from `systemctl show`, which prints pairs after each other or one a line.
fn allow_list(text: &str) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let pairs = words.chunks(2).map(|pair| pair.join(" "));
    // PrivateDevices=yes brings the harmless pseudo devices by itself, ProtectClock=yes a clock to be read.
    pairs.filter(|pair| !pair.starts_with("/dev/") && pair != "char-rtc r").collect()
}

/// The other way round: no process of ours that the file does not know, nothing of ours as root, and as root only what must be.
fn strangers(cells: &Cells, seen: &Running, wrong: &mut Vec<String>) {
    let known: BTreeMap<u32, &Cell> = cells.cell.iter().map(|cell| (cell.uid, cell)).collect();
    for process in &seen.processes {
        let users: BTreeSet<u32> = process.uids.iter().copied().collect();
        let named = format!("{} {} ({})", process.pid, process.name, process.exe);
        if users.iter().any(|user| USERS.contains(user) && !known.contains_key(user)) {
            wrong.push(format!("{named} runs as {users:?}, a user of ours that cells.toml does not know"));
        }
        if process.exe.starts_with(BINARIES) && !users.iter().all(|user| known.contains_key(user)) {
            wrong.push(format!("{named} is ours and runs as {users:?}"));
        }
        let may = ROOT.iter().any(|(path, _)| *path == process.exe) || process.exe == UDEV;
        if users.contains(&0) && !may {
            wrong.push(format!("{named} runs as root"));
        }
    }
}

fn bus(cells: &Cells, seen: &Running, wrong: &mut Vec<String>) {
    let should: BTreeSet<(String, u32)> =
        cells.cell.iter().flat_map(|cell| cell.bus.owns.iter().map(|name| (name.clone(), cell.uid))).collect();
    let ours = |(name, user): &&(String, u32)| name.starts_with("org.parloir") || USERS.contains(user);
    let is: BTreeSet<(String, u32)> = seen.names.iter().filter(ours).cloned().collect();
    if is != should {
        wrong.push(format!("names on the bus are {is:?}, and {should:?} in cells.toml"));
    }
}

/// Sockets with a path are those of the file, and nobody waits for anything from the network but the client of DHCP for its lease, and in a
/// visit call for its relay: ICE does not connect its datagram socket, and the packet filter lets nobody else's datagrams in.
fn listeners(cells: &Cells, seen: &Running, wrong: &mut Vec<String>) {
    let mut paths = BTreeSet::new();
    let talks: BTreeSet<u32> = cells.cell.iter().filter(|cell| cell.network == ["relay"]).map(|cell| cell.uid).collect();
    for files in seen.net.values() {
        paths.extend(files.get("unix").map(|text| listening_paths(text)).unwrap_or_default());
        for file in ["tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet"] {
            let waiting = files.get(file).map(|text| waiting(file, text)).unwrap_or_default();
            let may = |user: &Option<u32>| file == "udp" && seen.visit && user.is_some_and(|user| talks.contains(&user));
            let strangers = waiting.into_iter().filter(|(_, user)| !may(user));
            wrong.extend(strangers.map(|(local, user)| format!("user {user:?} listens at {file} {local}")));
        }
    }
    let ours: BTreeSet<String> = paths.into_iter().filter(|path| path.starts_with("/run/parloir")).collect();
    let listens = cells.cell.iter().flat_map(|cell| &cell.sockets).filter(|socket| socket.role != "connects");
    let should: BTreeSet<String> = listens.map(|socket| socket.path.replace("{run}", "/run/parloir")).collect();
    if ours != should {
        wrong.push(format!("sockets that listen are {ours:?}, and {should:?} in cells.toml"));
    }
}

/// Paths of sockets that accept connections: flag `__SO_ACCEPTCON` of `/proc/net/unix`.
fn listening_paths(text: &str) -> BTreeSet<String> {
    let listens = |fields: &[&str]| fields.get(3).is_some_and(|flags| *flags == "00010000");
    let lines = text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.filter(|fields| listens(fields)).filter_map(|fields| fields.get(7).map(|path| (*path).to_owned())).collect()
}

/// Local addresses at which something from outside would be taken: TCP that listens (state 0A), UDP that is not connected (07) but the
/// client of DHCP (port 68), raw sockets of any kind. With the user whose socket it is.
fn waiting(file: &str, text: &str) -> Vec<(String, Option<u32>)> {
    let mut found = Vec::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (Some(local), Some(state)) = (fields.get(1), fields.get(3)) else { continue };
        let port = local.rsplit(':').next().and_then(|port| u32::from_str_radix(port, 16).ok());
        let open = match file {
            "tcp" | "tcp6" => *state == "0A",
            "udp" | "udp6" => *state == "07" && port != Some(68) && port != Some(0),
            "packet" => false,
            _ => true,
        };
        if open {
            found.push(((*local).to_owned(), fields.get(7).and_then(|user| user.parse().ok())));
        }
    }
    found
}

/// Who has no network in the file has an empty one of its own; who has is in the box's, and the filter names exactly those.
fn network(cells: &Cells, seen: &Running, wrong: &mut Vec<String>) {
    let of_box = seen.namespaces.get(&1).cloned().unwrap_or_default();
    for cell in &cells.cell {
        let filters = cell.capabilities.device.iter().any(|name| name == "NET_ADMIN");
        for process in of(cell, seen) {
            let own = seen.namespaces.get(&process.pid).cloned().unwrap_or_default();
            let is_boxes = |name: &str| !own.contains_key(name) || own.get(name) == of_box.get(name);
            if cell.network.is_empty() && !filters && is_boxes("net") {
                wrong.push(format!("{}: it has no network in cells.toml, and is in the box's", cell.name));
            }
            if is_boxes("mnt") {
                wrong.push(format!("{}: it sees the box's own mounts", cell.name));
            }
        }
    }
    // `filter` is the right to change the filter, not to pass it.
    let passes = |cell: &&Cell| cell.network.iter().any(|peer| peer != "filter");
    let should: BTreeSet<u32> = cells.cell.iter().filter(passes).map(|cell| cell.uid).collect();
    let is: BTreeSet<u32> = seen.let_out.iter().copied().filter(|user| USERS.contains(user)).collect();
    if is != should {
        wrong.push(format!("the packet filter lets out {is:?}, and cells.toml {should:?}"));
    }
}

/// Numbers of users that a ruleset of nft names after `skuid`, as names or numbers; `numbers` gives those of names.
#[must_use]
pub fn users_let_out(ruleset: &str, numbers: impl Fn(&str) -> Option<u32>) -> BTreeSet<u32> {
    let words: Vec<&str> = ruleset.split(|c: char| c.is_whitespace() || ",{}\"".contains(c)).filter(|w| !w.is_empty()).collect();
    let after = words.windows(2).filter(|pair| pair[0] == "skuid").map(|pair| pair[1]);
    after.filter_map(|word| word.parse().ok().or_else(|| numbers(word))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells() -> Cells {
        Cells::parse(include_str!("../../../systemd/cells.toml")).expect("our file")
    }

    /// A box that is as the file says.
    fn good() -> Running {
        let cells = cells();
        let mut seen = Running::default();
        let shared = |name: &str| BTreeMap::from([("net".to_owned(), "net:[1]".to_owned()), ("mnt".to_owned(), name.to_owned())]);
        seen.namespaces.insert(1, shared("mnt:[1]"));
        let root =
            |pid, exe: &str| Process { pid, exe: exe.to_owned(), uids: vec![0; 4], gids: vec![0; 4], ..Process::default() };
        seen.processes.push(root(1, ROOT[0].0));
        for (pid, cell) in (100..).zip(cells.cell.iter().filter(|cell| cell.start == Start::Boot)) {
            let mask = capabilities(&cell.capabilities.device);
            let unit = format!("parloir-{}.service", cell.name);
            let cgroup = format!("/parloir.slice/{unit}");
            seen.memory.insert(cgroup.clone(), format!("{}\n", u64::from(cell.memory_mb) << 20));
            let allow: Vec<String> =
                cell.devices.iter().filter(|d| !d.allow.is_empty()).map(|d| format!("{} {}", d.class, d.allow)).collect();
            let properties = [("DeviceAllow", allow.join(" ")), ("DevicePolicy", "closed".to_owned())];
            seen.units.insert(unit.clone(), properties.map(|(name, value)| (name.to_owned(), value)).into());
            let mut own = shared(&format!("mnt:[{pid}]"));
            if cell.network.is_empty() {
                own.insert("net".to_owned(), format!("net:[{pid}]"));
            }
            seen.namespaces.insert(pid, own);
            seen.names.extend(cell.bus.owns.iter().map(|name| (name.clone(), cell.uid)));
            seen.processes.push(Process {
                pid,
                exe: format!("{BINARIES}{}", cell.binary.rsplit('/').next().unwrap_or_default()),
                uids: vec![cell.uid; 4],
                gids: vec![cell.uid; 4],
                groups: [vec![cell.uid], (810..).take(cell.groups.len()).collect()].concat(),
                capabilities: [mask, mask, mask, mask],
                no_new_privileges: true,
                seccomp: 2,
                unit,
                cgroup,
                ..Process::default()
            });
        }
        let passes = |cell: &&Cell| cell.network.iter().any(|peer| peer != "filter");
        seen.let_out.extend(cells.cell.iter().filter(passes).map(|cell| cell.uid));
        let listens = "Num RefCount Protocol Flags Type St Inode Path\n\
            0: 00000002 00000000 00010000 0005 01 11 /run/parloir/gate/socket\n0: 00000002 00000000 00010000 0005 01 12 /run/parloir/call/socket\n\
            0: 00000002 00000000 00000000 0005 01 13 /run/parloir/other\n";
        seen.net.insert(1, BTreeMap::from([("unix".to_owned(), listens.to_owned())]));
        seen
    }

    #[test]
    fn a_box_as_the_file_says_has_no_difference() {
        assert_eq!(differences(&cells(), &good()), Vec::<String>::new());
    }

    #[test]
    fn every_change_of_it_is_a_difference() {
        let changes: [(&str, fn(&mut Running)); 14] = [
            ("processes and not", |seen| drop(seen.processes.pop())),
            ("runs as root", |seen| seen.processes[0].exe = "/usr/bin/other".to_owned()),
            ("users is", |seen| seen.processes[1].uids[2] = 0),
            ("effective capabilities", |seen| seen.processes[2].capabilities[0] = 1),
            ("bounding capabilities", |seen| seen.processes[2].capabilities[2] = u64::MAX),
            ("no_new_privs", |seen| seen.processes[3].no_new_privileges = false),
            ("seccomp", |seen| seen.processes[3].seccomp = 0),
            ("memory.max", |seen| seen.memory.clear()),
            ("further groups", |seen| seen.processes[1].groups.push(44)),
            ("device classes", |seen| {
                seen.units.values_mut().for_each(|u| drop(u.insert("DeviceAllow".into(), "char-drm r".into())))
            }),
            ("device policy", |seen| seen.units.values_mut().for_each(|u| drop(u.insert("DevicePolicy".into(), "auto".into())))),
            ("names on the bus", |seen| seen.names.push(("org.parloir.Other".to_owned(), 804))),
            ("lets out", |seen| assert!(seen.let_out.insert(804))),
            ("the box's", |seen| seen.namespaces.values_mut().for_each(|ns| drop(ns.insert("net".into(), "net:[1]".into())))),
        ];
        for (words, change) in changes {
            let mut seen = good();
            change(&mut seen);
            let wrong = differences(&cells(), &seen);
            assert!(wrong.iter().any(|line| line.contains(words)), "{words}: {wrong:?}");
        }
    }

    #[test]
    fn a_stranger_of_ours_is_found() {
        let mut seen = good();
        seen.processes.push(Process { pid: 500, exe: "/run/x".to_owned(), uids: vec![850; 4], ..Process::default() });
        let of_root = Process { pid: 501, exe: format!("{BINARIES}parloir-gate"), uids: vec![0; 4], ..Process::default() };
        seen.processes.push(of_root);
        let wrong = differences(&cells(), &seen);
        assert!(wrong.iter().any(|line| line.contains("does not know")), "{wrong:?}");
        assert!(wrong.iter().any(|line| line.contains("is ours and runs as {0}")), "{wrong:?}");
    }

    #[test]
    fn who_listens_is_found() {
        let tcp = "  sl  local_address rem_address   st\n   0: 00000000:0016 00000000:0000 0A 0 0 0 7\n   1: 0F02000A:9C40 01004D0A:22B8 01 0\n";
        assert_eq!(waiting("tcp", tcp), [("00000000:0016".to_owned(), Some(7))]);
        let udp = "  sl  local_address rem_address   st\n   0: 0F02000A:0044 00000000:0000 07 0\n   1: 00000000:14E9 00000000:0000 07 0\n";
        assert_eq!(waiting("udp", udp), [("00000000:14E9".to_owned(), None)]);
    }

    #[test]
    fn users_of_a_ruleset_are_read() {
        let ruleset = "meta skuid 805 ip daddr @relays accept\n meta skuid \"parloir-link\" tcp dport 1 accept";
        let numbers = |name: &str| (name == "parloir-link").then_some(803);
        assert_eq!(users_let_out(ruleset, numbers), BTreeSet::from([803, 805]));
    }
}
