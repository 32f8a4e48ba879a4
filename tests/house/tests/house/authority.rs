//! Owns: that `systemd/cells.toml` and the files beside it say the same.
//! Never: takes the word of one file.
//! Called by: the house tests.

use std::collections::BTreeSet;
use std::path::Path;

use parloir_bench::cells::{Cell, Cells, Start};
use parloir_house::{direct, files, metadata, root, text};

fn cells() -> Cells {
    Cells::read(&root().join("systemd/cells.toml")).expect("cells.toml is read")
}

/// Cells whose program is ours: another's has a path.
fn ours() -> Vec<Cell> {
    cells().cell.into_iter().filter(|cell| !cell.binary.starts_with('/')).collect()
}

#[test]
fn every_cell_has_a_binary_of_this_workspace() {
    let metadata = metadata();
    for cell in ours() {
        let built = metadata["packages"].as_array().into_iter().flatten().any(|package| {
            let targets = package["targets"].as_array().into_iter().flatten();
            targets.clone().any(|t| t["name"] == cell.binary.as_str() && t["kind"] == serde_json::json!(["bin"]))
        });
        assert!(built, "{} names the binary {}, which nothing builds", cell.name, cell.binary);
    }
}

#[test]
fn only_cells_with_bus_rights_speak_to_the_bus() {
    let metadata = metadata();
    for cell in ours() {
        let speaks = direct(&metadata, &cell.binary).iter().any(|d| d == "zbus");
        let may = !(cell.bus.owns.is_empty() && cell.bus.calls.is_empty());
        assert_eq!(speaks, may, "{}: its crate and its bus rights in cells.toml differ", cell.name);
    }
}

/// Rights of a bus policy: user, `own` or `call`, name or interface.
type Right = (String, &'static str, String);

fn rights_of_policy_files() -> BTreeSet<Right> {
    let policies = files().into_iter().filter(|p| p.starts_with("systemd/dbus") && p.extension().is_some_and(|e| e == "conf"));
    // Root is no cell; what it owns, the test of RAUC's policy below says.
    policies.flat_map(|path| rights_of(&text(&path))).filter(|(user, ..)| user != "root").collect()
}

fn rights_of(policy: &str) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    let text = without_comments(policy);
    let mut user = String::new();
    for tag in text.split('<').skip(1) {
        if tag.starts_with("policy") {
            user = attribute(tag, "user").unwrap_or_else(|| "*".to_owned());
        }
        if !tag.starts_with("allow") {
            continue;
        }
        if let Some(name) = attribute(tag, "own").or_else(|| attribute(tag, "own_prefix")) {
            rights.insert((user.clone(), "own", name));
        }
        // Without an interface it is all of them.
        let to = attribute(tag, "send_destination").filter(|to| to.starts_with("org.parloir.") || to == "*");
        if to.is_some() && attribute(tag, "send_interface").is_none() {
            rights.insert((user.clone(), "call", "*".to_owned()));
        }
        // Replies and signals of the bus itself are no rights of ours.
        if let Some(interface) = attribute(tag, "send_interface").filter(|i| i.starts_with("org.parloir.")) {
            let signal = attribute(tag, "send_type").is_some_and(|t| t == "signal") || user == "parloir-arbiter";
            if !signal {
                rights.insert((user.clone(), "call", interface));
            }
        }
    }
    rights
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, after) = tag.split_once(&format!(" {name}=\""))?;
    Some(after.split('"').next()?.to_owned())
}

fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!--") {
        out.push_str(before);
        rest = after.split_once("-->").map_or("", |(_, tail)| tail);
    }
    out + rest
}

#[test]
fn the_bus_policy_gives_exactly_what_the_cells_have() {
    assert_eq!(rights_of_policy_files(), rights_of_cells(), "systemd/dbus and cells.toml differ");
}

fn rights_of_cells() -> BTreeSet<Right> {
    let mut wanted = BTreeSet::new();
    for cell in cells().cell {
        wanted.extend(cell.bus.owns.iter().map(|name| (cell.user.clone(), "own", name.clone())));
        wanted.extend(cell.bus.calls.iter().map(|name| (cell.user.clone(), "call", name.clone())));
    }
    wanted
}

#[test]
fn rauc_is_roots_and_only_the_updater_calls_it() {
    let policy = without_comments(&text(Path::new("systemd/dbus/de.pengutronix.rauc.conf")));
    let rights = rights_of(&policy);
    assert_eq!(rights, BTreeSet::from([("root".to_owned(), "own", "de.pengutronix.rauc".to_owned())]));
    let users: BTreeSet<String> =
        policy.split('<').filter(|tag| tag.starts_with("policy")).filter_map(|tag| attribute(tag, "user")).collect();
    assert_eq!(users, BTreeSet::from(["parloir-updater", "root"].map(str::to_owned)));
    let (default, _) = policy.split_once("</policy>").expect("the default first");
    assert!(!default.contains("<allow"), "{default}");
    for denied in ["own=", "send_destination=", "receive_sender=", "send_interface="] {
        assert!(default.contains(&format!("<deny {denied}\"de.pengutronix.rauc")), "{denied} is not denied to everybody");
    }
}

#[test]
fn a_right_more_or_less_in_the_policy_is_seen() {
    let policy = text(Path::new("systemd/dbus/org.parloir.Arbiter.conf"));
    assert_eq!(rights_of(&policy), rights_of_cells());
    let link = "<policy user=\"parloir-link\">";
    for (from, to) in [
        (
            link,
            "<policy user=\"parloir-link\"><allow send_destination=\"org.parloir.Arbiter\" send_interface=\"org.parloir.Calls1\"/>",
        ),
        (link, "<policy user=\"parloir-link\"><allow send_destination=\"org.parloir.Arbiter\"/>"),
        (link, "<policy user=\"parloir-extra\">"),
        (link, "<policy user=\"parloir-link\"><allow own=\"org.parloir.Arbiter\"/>"),
        ("<policy context=\"default\">", "<policy context=\"default\"><allow send_interface=\"org.parloir.Courier1\"/>"),
        ("<allow own=\"org.parloir.Arbiter\"/>", ""),
    ] {
        assert!(policy.contains(from), "{from}");
        assert_ne!(rights_of(&policy.replacen(from, to, 1)), rights_of_cells(), "{to} instead of {from} is not seen");
    }
}

#[test]
fn a_comment_in_a_policy_gives_nothing() {
    assert_eq!(without_comments("a<!-- <allow own=\"x\"/> -->b"), "ab");
    assert_eq!(attribute("allow own=\"x\"/>", "own").as_deref(), Some("x"));
}

#[test]
fn the_interfaces_that_cells_call_have_a_file() {
    for interface in cells().cell.iter().flat_map(|cell| &cell.bus.calls) {
        let short = interface.rsplit('.').next().unwrap_or_default();
        let file = format!("appliance/bus/dbus/{short}.xml");
        assert!(
            text(Path::new(&file)).contains(&format!("interface name=\"{interface}\"")),
            "{file} does not define {interface}"
        );
    }
}

#[test]
fn sockets_have_two_ends() {
    let cells = cells();
    for cell in &cells.cell {
        for socket in &cell.sockets {
            let peer = cells.named(&socket.peer).unwrap_or_else(|| panic!("{}: no cell {}", cell.name, socket.peer));
            let there = peer.sockets.iter().any(|s| s.path == socket.path && s.peer == cell.name && s.role != socket.role);
            assert!(there, "{} {} {}: {} does not have the other end", cell.name, socket.role, socket.path, socket.peer);
        }
    }
}

#[test]
fn only_call_link_and_updater_reach_a_network_and_only_call_starts_by_socket() {
    for cell in cells().cell {
        let reaches: &[&str] = match cell.name.as_str() {
            "link" => &["broker"],
            "call" => &["relay"],
            "updater" => &["updates"],
            "peers" => &["filter"], // It says whom the others reach, and reaches nobody.
            _ => &[],
        };
        assert_eq!(cell.network, reaches, "{}: network", cell.name);
        assert_eq!(cell.start == Start::Socket, cell.name == "call", "{}: start", cell.name);
        assert!(!cell.death.is_empty() && !cell.what.is_empty(), "{}: words", cell.name);
    }
}
