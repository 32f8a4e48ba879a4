//! Owns: that every test which `tests/regress/findings.md`, `docs/security.md`, `docs/threats.md`, `docs/integrating.md` or `docs/operating.md` names is there.
//! Never: runs them; their rooms do.
//! Called by: `scripts/test house`.

use parloir_house::root;
use std::fs::read_to_string;

/// Tests named as `path::name` in backquotes in this line.
fn named(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.split('`').skip(1).step_by(2).filter_map(|word| word.split_once("::"))
}

fn resolve(line: &str, path: &str, name: &str) {
    let source = read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}; named by: {line}"));
    let declared = format!("fn {name}(");
    let at = source.find(&declared).unwrap_or_else(|| panic!("{path} has no test {name}; named by: {line}"));
    let start = source[..at].rfind('\n').unwrap_or(0);
    let marks = |l: &&str| l.trim_start().starts_with("#[") || l.trim_start().starts_with("//");
    let is_test = source[..start].lines().rev().take_while(marks).any(|l| l.contains("test"));
    assert!(is_test, "{path}::{name} is no test; named by: {line}");
}

#[test]
fn every_finding_has_its_test() {
    let findings = read_to_string(root().join("tests/regress/findings.md")).expect("the list of findings");
    let rows: Vec<&str> = findings.lines().filter(|line| line.starts_with("| ") && line.contains("::")).collect();
    assert!(rows.len() >= 12, "only {} findings are read", rows.len());
    for row in rows {
        let (path, name) = named(row).last().expect("path::name in backquotes at the end");
        resolve(row, path, name);
    }
}

#[test]
fn every_property_has_its_tests() {
    let page = read_to_string(root().join("docs/security.md")).expect("the properties");
    // The table of processes that were taken over is printed by its test and compared there.
    let (before, rest) = page.split_once("<!-- taken over").expect("the mark of the printed table");
    let after = rest.split_once("<!-- end -->").expect("the mark of its end").1;
    let page = format!("{before}{after}");
    let rows =
        page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Property") && !line.starts_with("| ---"));
    let mut count = 0;
    for row in rows {
        let tests: Vec<_> = named(row).collect();
        assert!(!tests.is_empty(), "a property without a test: {row}");
        tests.into_iter().for_each(|(path, name)| resolve(row, path, name));
        count += 1;
    }
    assert!(count >= 25, "only {count} properties are read");
}

/// Requirements of security that `docs/threats.md` must answer.
const THREATS: u32 = 14;

#[test]
fn every_threat_has_its_tests_and_says_when_it_does_not_hold() {
    let page = read_to_string(root().join("docs/threats.md")).expect("the threats");
    for number in 1..=THREATS {
        let start = format!("| **S{number}** ");
        let row = page.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no row for S{number}"));
        assert_eq!(row.split(" | ").count(), 4, "threat, what holds, tests, when not: {row}");
        let tests: Vec<_> = named(row).collect();
        assert!(!tests.is_empty(), "a threat without a test: {row}");
        tests.into_iter().for_each(|(path, name)| resolve(row, path, name));
    }
}

#[test]
fn what_the_integrators_and_the_operators_page_name_is_there() {
    for page in ["docs/integrating.md", "docs/operating.md"] {
        let text = read_to_string(root().join(page)).expect("the page");
        let tests: Vec<_> = text.lines().flat_map(|line| named(line).map(move |(path, name)| (line, path, name))).collect();
        assert!(!tests.is_empty(), "{page} names no test");
        tests.into_iter().for_each(|(line, path, name)| resolve(line, path, name));
    }
}
