//! Owns: users, groups, directories and firewall rules of `systemd/`, compared with `systemd/cells.toml`.
//! Never: reads a unit (`units` beside it does).
//! Called by: units.

use std::collections::{BTreeMap, BTreeSet};

use parloir_bench::cells::{Cell, Cells, fill};

use crate::units::{Book, Files};

/// The network's own user: DHCP.
const NETWORKD: &str = "systemd-network";

pub(crate) fn differences(book: &mut Book, cells: &Cells, files: &Files, values: &BTreeMap<String, String>) {
    users(book, cells, files);
    directories(book, cells, files, values);
    firewall(book, cells, files);
}

/// Lines of a configuration file without comments, as words.
fn lines(files: &Files, name: &str) -> Vec<Vec<String>> {
    let text = files.get(name).map_or("", String::as_str);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

fn users(book: &mut Book, cells: &Cells, files: &Files) {
    let lines = lines(files, "sysusers.d/parloir.conf");
    let of = |kind: &str| -> BTreeSet<(String, String)> {
        lines.iter().filter(|line| line[0] == kind && line.len() > 2).map(|line| (line[1].clone(), line[2].clone())).collect()
    };
    let wanted = cells.cell.iter().map(|cell| (cell.user.clone(), cell.uid.to_string())).collect();
    book.same("sysusers.d/parloir.conf u!", &of("u!"), &wanted);
    let groups: BTreeSet<String> = cells.cell.iter().flat_map(|cell| cell.groups.clone()).collect();
    book.same("sysusers.d/parloir.conf g", &of("g").into_iter().map(|(name, _)| name).collect(), &groups);
    let others: Vec<&String> = lines.iter().map(|line| &line[0]).filter(|kind| !["u!", "g"].contains(&kind.as_str())).collect();
    book.same("sysusers.d/parloir.conf: other lines", &others, &Vec::new());
    for line in lines.iter().filter(|line| line[0] == "u!") {
        // A home that nobody owns and a shell that is none.
        book.same(
            "sysusers.d/parloir.conf u!: home and shell",
            &line[line.len() - 2..].to_vec(),
            &vec!["/".to_owned(), "/usr/sbin/nologin".to_owned()],
        );
    }
}

fn directories(book: &mut Book, cells: &Cells, files: &Files, values: &BTreeMap<String, String>) {
    let ours = |path: &str| path.starts_with("/run/parloir/") || path.starts_with("/var/lib/parloir/");
    let lines = lines(files, "tmpfiles.d/parloir.conf");
    let made: BTreeSet<(String, String)> = lines
        .iter()
        .filter(|line| line[0] == "d" && ours(&line[1]) && line[3] != "root")
        .map(|line| (line[1].clone(), line[3].clone()))
        .collect();
    // What exists for one process only is a file system of that process, in its unit.
    let private = |path: &str| files.values().any(|text| text.contains(&format!("TemporaryFileSystem={path}:")));
    let written = |cell: &Cell| -> Vec<(String, String)> {
        let paths = cell.writes.iter().filter_map(|path| fill(path, values).ok());
        paths.filter(|path| ours(path) && !private(path)).map(|path| (path, cell.user.clone())).collect()
    };
    book.same("tmpfiles.d/parloir.conf d", &made, &cells.cell.iter().flat_map(written).collect());
    for line in &lines {
        book.same("tmpfiles.d/parloir.conf: user and group", &line[3], &line[4]);
    }
}

/// Users that the packet filter lets out, by number or name; `$word` is what the file defines it to be.
fn firewall(book: &mut Book, cells: &Cells, files: &Files) {
    let rules = files.iter().filter(|(path, _)| path.starts_with("nftables/")).map(|(_, text)| text.as_str());
    let lines: Vec<&str> = rules.flat_map(str::lines).filter(|line| !line.trim_start().starts_with('#')).collect();
    let defined: BTreeMap<&str, &str> = lines
        .iter()
        .filter_map(|line| line.trim().strip_prefix("define ")?.split_once('='))
        .map(|(word, value)| (word.trim(), value.trim()))
        .collect();
    let mut named = BTreeSet::new();
    for line in &lines {
        let words: Vec<&str> = line.split(|c: char| c.is_whitespace() || c == '"').filter(|word| !word.is_empty()).collect();
        // In `log … flags skuid` it is what the journal shall be told.
        for at in (0..words.len()).filter(|at| words[*at] == "skuid" && (*at == 0 || words[at - 1] != "flags")) {
            let user = words.get(at + 1).copied().unwrap_or_default();
            named.insert(user.strip_prefix('$').and_then(|word| defined.get(word).copied()).unwrap_or(user).to_owned());
        }
    }
    let reaches = |cell: &&Cell| cell.network.iter().any(|to| to == "broker" || to == "relay" || to == "updates");
    let wanted = cells.cell.iter().filter(reaches).map(|cell| cell.uid.to_string()).chain([NETWORKD.to_owned()]).collect();
    book.same("nftables: skuid", &named, &wanted);
}
