//! Owns: the README's way from key press to picture: every stop is a file that is there and a symbol in it.
//! Never: judges the words beside it.
//! Called by: the house tests.

use std::path::Path;

use parloir_house::{root, text};

/// Rooms that the way must touch, in this order (design section 8).
const ROOMS: &[&str] = &[
    "appliance/gate/",
    "appliance/arbiter/",
    "ui/src/keys",
    "ui/src/bridge",
    "appliance/bus/dbus/Calls1.xml",
    "appliance/arbiter/",
    "appliance/core/",
    "appliance/core/src/edges",
    "appliance/arbiter/",
    "appliance/gate/",
    "appliance/call/",
    "appliance/call/",
    "appliance/frames/",
    "ui/src/video",
];

#[test]
fn every_stop_of_the_trace_is_there() {
    let stops = stops(&text(Path::new("README.md")));
    assert!(stops.len() >= 10, "the README's trace has only {} stops", stops.len());
    let mut broken = Vec::new();
    for (path, symbol) in &stops {
        let content = std::fs::read_to_string(root().join(path)).unwrap_or_default();
        if !defines(&content, symbol) {
            broken.push(format!("{path}::{symbol}"));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_trace_passes_the_rooms_in_order() {
    let stops = stops(&text(Path::new("README.md")));
    let mut rest = stops.iter();
    for room in ROOMS {
        assert!(rest.any(|(path, _)| path.starts_with(room)), "the trace does not reach {room} where it should");
    }
}

/// `path` and `symbol` of the lines `1. path::symbol — words` under "The trace"; backquotes and links around them are allowed.
fn stops(readme: &str) -> Vec<(String, String)> {
    let section = readme.lines().skip_while(|line| !line.starts_with("## The trace")).skip(1);
    section
        .take_while(|line| !line.starts_with("## "))
        .filter_map(|line| {
            let (number, rest) = line.trim_start().split_once(". ")?;
            number.parse::<u32>().ok()?;
            let stop = rest.trim_start_matches(['`', '[']);
            let stop: String = stop.chars().take_while(|c| !c.is_whitespace() && *c != '`' && *c != ']').collect();
            let (path, symbol) = stop.split_once("::")?;
            Some((path.to_owned(), symbol.to_owned()))
        })
        .collect()
}

/// Whether the file defines the last part of that symbol: an item of Rust, a name in XML, a part of Slint.
fn defines(content: &str, symbol: &str) -> bool {
    let last = symbol.rsplit("::").next().unwrap_or(symbol).trim_end_matches("()");
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-');
    let after = |before: &str| {
        let wanted = format!("{before}{last}");
        content.match_indices(&wanted).any(|(at, _)| ends(&content[at + wanted.len()..]))
    };
    let items =
        ["fn ", "struct ", "enum ", "trait ", "type ", "const ", "static ", "mod ", "macro_rules! ", "component ", "global "];
    items.iter().any(|item| after(item)) || content.contains(&format!("name=\"{last}\""))
}

#[test]
fn a_stop_is_read_and_a_missing_symbol_is_seen() {
    let readme = "# x\n## The trace\n1. `a/b.rs::Gate::press` — words\n2. [c.xml::Place](c.xml) — words\n## next\n3. d::e — no\n";
    let expected = [("a/b.rs", "Gate::press"), ("c.xml", "Place")];
    assert_eq!(stops(readme), expected.map(|(p, s)| (p.to_owned(), s.to_owned())));
    assert!(defines("pub fn press(&self) {}", "Gate::press"));
    assert!(!defines("pub fn pressed(&self) {}", "press"));
    assert!(defines("<method name=\"Place\">", "Place"));
}
