//! Owns: the printed tables and codes equal the code.
//! Never: passes when a document is missing.
//! Called by: cargo test; `UPDATE=1` writes the documents anew.
#![allow(clippy::disallowed_methods, reason = "a test may read its surroundings; the core may not")]

mod bed;
mod losses;

use std::path::Path;

fn compare(name: &str, printed: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, printed).expect("docs are writable");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == printed, "docs/{name} is not what the code prints; UPDATE=1 cargo test -p parloir-core --test docs");
}

#[test]
fn tables_equal_the_code() {
    compare("tables.md", &(parloir_core::tables::markdown() + &losses::markdown()));
}

#[test]
fn refusals_equal_the_code() {
    compare("refusals.md", &parloir_core::tables::refusals());
}

#[test]
fn codes_are_distinct() {
    use parloir_core::{Code, EndReason};
    let mut names: Vec<_> = Code::ALL.iter().map(|c| c.name()).chain(EndReason::ALL.iter().map(|r| r.name())).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "a code and an end reason share a name; outcome.code could not be told apart");
    assert!(Code::ALL.iter().all(|c| Code::from_name(c.name()) == Some(*c)));
}
