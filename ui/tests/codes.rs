//! Owns: that every stable code has its sentence: the lists of `src/codes.rs` are those that `docs/refusals.md` prints.
//! Never: a list of its own.
//! Called by: cargo test.

use parloir_ui::codes::{CAUSES, ENDINGS, cause, ending};
use parloir_ui::shown::{Cause, Ending};
use std::collections::BTreeSet;

/// The codes of the printed tables: the first cell of each row, in back quotes.
fn printed() -> BTreeSet<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/refusals.md");
    let text = std::fs::read_to_string(path).expect("docs/refusals.md is printed by core's tests");
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    cells.map(|(code, _)| code.to_owned()).collect()
}

#[test]
fn every_code_is_sorted_and_no_other() {
    let ours: BTreeSet<String> =
        CAUSES.iter().map(|(c, _)| *c).chain(ENDINGS.iter().map(|(c, _)| *c)).map(str::to_owned).collect();
    assert_eq!(ours.len(), CAUSES.len() + ENDINGS.len(), "no code twice");
    let printed = printed();
    assert!(printed.len() > 40, "the list was read: {printed:?}");
    let missing: Vec<_> = printed.difference(&ours).collect();
    let stale: Vec<_> = ours.difference(&printed).collect();
    assert!(missing.is_empty() && stale.is_empty(), "without a sentence: {missing:?}; no longer printed: {stale:?}");
}

#[test]
fn an_unknown_code_gets_the_general_sentence() {
    assert_eq!(cause("NeverHeardOf"), Cause::Trouble);
    assert_eq!(ending("NeverHeardOf"), Ending::Trouble);
    assert_eq!(cause(""), Cause::Trouble);
}

#[test]
fn a_code_of_the_other_list_is_understood() {
    assert_eq!(cause("FarCertificate"), Cause::Safety);
    assert_eq!(cause("VisitorLeft"), Cause::Declined);
    assert_eq!(ending("Denied"), Ending::Staff);
}
