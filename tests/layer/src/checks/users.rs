//! Owns: the tables of fixed numbers (useradd-staticids): they say what systemd/sysusers.d says, each number once.
//! Never: a number that a build invents.
//! Called by: `scripts/layer static`.

use std::collections::{BTreeMap, BTreeSet};

use super::Context;
use crate::tree::Tree;
use crate::{Book, Fault};

const PASSWD: &str = "yocto-layer/files/parloir-passwd";
const GROUP: &str = "yocto-layer/files/parloir-group";

/// What systemd 259, D-Bus and base-passwd of the release ask for; found by the graph, kept here so that a lost line is seen without it.
const OF_OTHERS: &[(&str, &[&str])] =
    &[(PASSWD, &["messagebus", "systemd-network"]), (GROUP, &["messagebus", "systemd-network", "systemd-journal", "render"])];

pub(super) fn check(with: &Context<'_>) -> Vec<Fault> {
    let mut book = Book::new("users");
    let (users, groups) = (table(&mut book, with.tree, PASSWD), table(&mut book, with.tree, GROUP));
    let (made_users, made_groups) = (made(with.tree, "USERADD_PARAM"), made(with.tree, "GROUPADD_PARAM"));
    for line in with.tree.text("systemd/sysusers.d/parloir.conf").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["u!", name, number, ..] => {
                same(&mut book, PASSWD, &users, name, number);
                is_made(&mut book, "USERADD_PARAM", &made_users, name);
                same(&mut book, GROUP, &groups, name, number);
            }
            ["g", name, number, ..] => {
                same(&mut book, GROUP, &groups, name, number);
                is_made(&mut book, "GROUPADD_PARAM", &made_groups, name);
            }
            _ => {}
        }
    }
    for (file, names) in OF_OTHERS {
        let table = if *file == PASSWD { &users } else { &groups };
        for name in names.iter().filter(|name| !table.contains_key(**name)) {
            book.fault(*file, format!("{name} has no number: its recipe would be skipped"), "give it one");
        }
    }
    asked_for(&mut book, with, &users, &groups);
    book.faults
}

/// Names that recipes make by that variable.
fn made(tree: &Tree, variable: &str) -> BTreeSet<String> {
    let of = |file: &str| -> Vec<String> {
        let recipe = super::recipes::recipe(tree, file);
        let set = recipe.assignments.iter().filter(|a| a.parts().next() == Some(variable));
        let text: Vec<String> = set.map(|a| recipe.expand(&a.value)).collect();
        text.iter().flat_map(|text| text.split(';')).filter_map(|one| one.split_whitespace().last()).map(str::to_owned).collect()
    };
    tree.layer_files(".bb").flat_map(of).collect()
}

/// The root is read-only: a user that the build does not make, nobody makes.
fn is_made(book: &mut Book, variable: &str, made: &BTreeSet<String>, name: &str) {
    let at = format!("yocto-layer: {variable}");
    book.hold(
        made.contains(name),
        at,
        format!("no recipe makes {name}, and nothing can on a read-only root"),
        "add it to the recipe",
    );
}

/// Name to number, complaining about what is there twice, and about shells.
fn table(book: &mut Book, tree: &Tree, file: &str) -> BTreeMap<String, String> {
    let (mut table, mut numbers) = (BTreeMap::new(), BTreeSet::new());
    let is_users = file == PASSWD;
    for (at, line) in tree.text(file).lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let parts: Vec<&str> = line.split(':').collect();
        let at = format!("{file}:{}", at + 1);
        if parts.len() != if is_users { 7 } else { 4 } || parts[2].parse::<u32>().is_err() {
            book.fault(at, format!("`{line}` is not of its form"), "write it as passwd(5) or group(5) has it");
            continue;
        }
        book.hold(numbers.insert(parts[2].to_owned()), &at, format!("number {} is there twice", parts[2]), "give each its own");
        book.hold(
            table.insert(parts[0].to_owned(), parts[2].to_owned()).is_none(),
            &at,
            format!("{} is there twice", parts[0]),
            "take one out",
        );
        let shell = parts[parts.len() - 1];
        book.hold(
            !is_users || shell.ends_with("/nologin"),
            &at,
            format!("{} could log in ({shell})", parts[0]),
            "give it /usr/sbin/nologin",
        );
    }
    book.hold(!table.is_empty(), file, "it is not there or empty: a build would invent numbers", "write it");
    table
}

fn same(book: &mut Book, file: &str, table: &BTreeMap<String, String>, name: &str, number: &str) {
    let found = table.get(name).map_or("nothing", String::as_str);
    book.hold(
        found == number,
        format!("{file}: {name}"),
        format!("it is {found}, systemd/sysusers.d says {number}: the data partition knows users by number"),
        "make them equal",
    );
}

/// Every user and group that a recipe, unit, rule or policy of ours names.
fn asked_for(book: &mut Book, with: &Context<'_>, users: &BTreeMap<String, String>, groups: &BTreeMap<String, String>) {
    let known = |table: &BTreeMap<String, String>, name: &str| {
        name == "root" || name.contains(['%', '$']) || name.chars().all(|c| c.is_ascii_digit()) || table.contains_key(name)
    };
    for (path, one) in with.manifest.files.iter().filter(|(path, _)| path.contains("/systemd/system/")) {
        let text = String::from_utf8_lossy(&one.bytes).into_owned();
        for line in text.lines() {
            let (key, value) = line.split_once('=').unwrap_or_default();
            let (table, file) = match key {
                "User" | "SocketUser" => (users, PASSWD),
                "Group" | "SocketGroup" | "SupplementaryGroups" => (groups, GROUP),
                _ => continue,
            };
            for name in value.split_whitespace() {
                book.hold(
                    known(table, name),
                    path,
                    format!("{key}={name}, which {file} does not know"),
                    "give it a number there",
                );
            }
        }
    }
    for file in with.tree.layer_files(".bb") {
        let recipe = super::recipes::recipe(with.tree, file);
        for assignment in &recipe.assignments {
            let table = match assignment.parts().next() {
                Some("USERADD_PARAM") => users,
                Some("GROUPADD_PARAM") => groups,
                _ => continue,
            };
            for one in recipe.expand(&assignment.value).split(';').filter(|one| !one.trim().is_empty()) {
                let name = one.split_whitespace().last().unwrap_or_default();
                book.hold(
                    known(table, name),
                    format!("{file}:{}", assignment.line),
                    format!("{name} has no fixed number: the recipe would be skipped"),
                    "add it to the tables",
                );
            }
        }
    }
}
