//! Owns: the licences of what is here and of what it is built from.
//! Never: legal advice; docs/licences.md tells what the combination means.
//! Called by: the house tests.

use std::path::Path;

use parloir_house::{metadata, root, text};

#[test]
fn ui_is_gpl_and_everything_else_apache() {
    for package in metadata()["packages"].as_array().into_iter().flatten().filter(|p| p["source"].is_null()) {
        let wanted = if package["name"] == "parloir-ui" { "GPL-3.0-only" } else { "Apache-2.0" };
        assert_eq!(package["license"], wanted, "{}", package["name"]);
    }
    assert!(text(Path::new("LICENSE-APACHE")).contains("Apache License"));
    assert!(text(Path::new("ui/LICENSE")).contains("GNU GENERAL PUBLIC LICENSE"));
}

#[test]
fn every_dependency_has_a_licence_that_deny_toml_allows() {
    let file: toml::Table = toml::from_str(&text(Path::new("deny.toml"))).expect("deny.toml is TOML");
    let words = |value: &toml::Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|w| w.as_str().map(str::to_owned)).collect()
    };
    let allowed = words(&file["licenses"]["allow"]);
    let exceptions = file["licenses"]["exceptions"].as_array().cloned().unwrap_or_default();
    let mut refused = Vec::new();
    for package in metadata()["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let licence = package["license"].as_str().unwrap_or_default();
        let mut here = allowed.clone();
        for exception in exceptions.iter().filter(|e| e["crate"].as_str() == Some(name)) {
            here.extend(words(&exception["allow"]));
        }
        if !satisfied(licence, &here) {
            refused.push(format!("{name}: {licence}"));
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
}

/// Whether one choice of an SPDX expression is allowed; `A/B` is the old way to write `A OR B`.
fn satisfied(expression: &str, allowed: &[String]) -> bool {
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = expression.split_whitespace().collect();
    let mut at = 0;
    let result = any(&words, &mut at, allowed);
    result && at == words.len()
}

fn any(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut result = all(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        result |= all(words, at, allowed);
    }
    result
}

fn all(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut result = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        result &= one(words, at, allowed);
    }
    result
}

fn one(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let result = any(words, at, allowed);
        *at += 1;
        return result;
    }
    let mut name = (*word).to_owned();
    if words.get(*at) == Some(&"WITH") {
        name = format!("{word} WITH {}", words.get(*at + 1).copied().unwrap_or_default());
        *at += 2;
    }
    allowed.contains(&name)
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    let allowed = ["MIT".to_owned(), "ISC".to_owned(), "Apache-2.0 WITH LLVM-exception".to_owned()];
    for (expression, good) in [
        ("MIT", true),
        ("MIT/GPL-3.0", true),
        ("GPL-3.0 OR (MIT AND ISC)", true),
        ("GPL-3.0 AND MIT", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
        ("", false),
    ] {
        assert_eq!(satisfied(expression, &allowed), good, "{expression}");
    }
}

#[test]
fn the_page_for_integrators_is_there() {
    let page = std::fs::read_to_string(root().join("docs/licences.md")).unwrap_or_default();
    for word in ["GPL-3.0", "Apache-2.0", "openh264", "x264", "installation information"] {
        assert!(page.contains(word), "docs/licences.md does not speak of {word}");
    }
}
