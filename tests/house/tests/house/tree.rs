//! Owns: what every file must have, and what no file may have.
//! Never: reads outside the tree.
//! Called by: the house tests.

use std::path::Path;

use parloir_house::{files, files_ending, root, text};

#[test]
fn every_rust_file_says_what_it_owns_what_it_never_does_and_who_calls_it() {
    let mut missing = Vec::new();
    for path in files_ending("rs") {
        let text = text(&path);
        let head: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        let owns = head.first().is_some_and(|line| line.starts_with("//! Owns: "));
        let rest = ["//! Never: ", "//! Called by: "].iter().all(|start| head.iter().any(|line| line.starts_with(start)));
        // A test or an example is called by its runner and never ships: one line on what it shows will do.
        let room = if path.starts_with("tests") { 2 } else { 0 };
        let inner: Vec<String> = path.components().skip(room).map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
        let is_test = inner.iter().any(|part| part == "tests" || part == "examples" || part.ends_with("_tests.rs"));
        if !(owns && rest || is_test && !head.is_empty()) {
            missing.push(path);
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn nothing_names_a_machine() {
    // Written in two halves, so that this file does not name them either.
    let never = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("index.", "crates.io"),
        concat!("static.", "crates.io"),
        concat!("deb.", "debian.org"),
        concat!("bash_", "jobs"),
    ];
    let mut found = Vec::new();
    for path in files() {
        for (number, line) in text(&path).lines().enumerate() {
            if never.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_lock_names_one_registry_by_its_public_name() {
    let lock = text(Path::new("Cargo.lock"));
    let sources: Vec<&str> = lock.lines().filter(|line| line.starts_with("source = ")).collect();
    assert!(!sources.is_empty());
    let public = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    assert!(sources.iter().all(|source| *source == public), "another source than the public registry");
}

#[test]
fn links_in_docs_lead_somewhere() {
    let mut broken = Vec::new();
    for path in files_ending("md") {
        let text = text(&path);
        let folder = path.parent().unwrap_or(Path::new(""));
        for target in links(&text) {
            let file = target.split('#').next().unwrap_or_default();
            let outside = target.contains("://") || target.starts_with("mailto:") || file.is_empty();
            if !outside && !root().join(folder).join(file).exists() {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Targets of `[words](target)`, code blocks aside.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        let mut rest = if code { "" } else { line };
        while let Some((_, after)) = rest.split_once("](") {
            let (target, tail) = after.split_once(')').unwrap_or((after, ""));
            found.push(target.to_owned());
            rest = tail;
        }
    }
    found
}

#[test]
fn a_link_is_found_and_a_code_block_is_not() {
    assert_eq!(links("see [a](b.md) and [c](d#e)\n```\n[x](y)\n```\n"), ["b.md", "d#e"]);
}

#[test]
fn fixed_rooms_are_at_the_top() {
    for room in ["appliance", "ui", "yocto-layer", "systemd", "scripts", "tests", "docs", "README.md", "CHANGELOG.md", ".ci/run"]
    {
        assert!(root().join(room).exists(), "{room} is not there");
    }
}
