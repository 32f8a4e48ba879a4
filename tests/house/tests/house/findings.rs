//! Owns: that every finding of `tests/regress/findings.md` still has its test.
//! Never: runs them; their rooms do.
//! Called by: `scripts/test house`.

use parloir_house::root;
use std::fs::read_to_string;

#[test]
fn every_finding_has_its_test() {
    let findings = read_to_string(root().join("tests/regress/findings.md")).expect("the list of findings");
    let rows: Vec<&str> = findings.lines().filter(|line| line.starts_with("| ") && line.contains("::")).collect();
    assert!(rows.len() >= 12, "only {} findings are read", rows.len());
    for row in rows {
        let test = row.split('`').rev().nth(1).expect("a test in backquotes at the end");
        let (path, name) = test.split_once("::").expect("path::name");
        let source = read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}; named by: {row}"));
        assert!(source.contains(&format!("fn {name}(")), "{path} has no test {name}; named by: {row}");
    }
}
