//! Owns: that every stable code has its sentence: the rows of `src/codes.rs` are the codes that `docs/refusals.md` prints.
//! Never: a list of its own.
//! Called by: cargo test.

use parloir_ui::codes::{After, CAUSES, ENDINGS, Offer, ending, refusal};
use parloir_ui::shown::{Cause, Ending};
use std::collections::BTreeSet;

/// The codes of the printed tables: the first cell of each row, in back quotes, and the key of its sentence.
fn printed(prefix: &str) -> BTreeSet<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/refusals.md");
    let text = std::fs::read_to_string(path).expect("docs/refusals.md is printed by core's tests");
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | `"));
    cells.filter(|(_, key)| key.starts_with(prefix)).map(|(code, _)| code.to_owned()).collect()
}

fn compare(ours: &[&str], printed: &BTreeSet<String>, least: usize) {
    let set: BTreeSet<String> = ours.iter().map(|c| (*c).to_owned()).collect();
    assert_eq!(set.len(), ours.len(), "no code twice");
    assert!(printed.len() >= least, "the list was read: {printed:?}");
    let missing: Vec<_> = printed.difference(&set).collect();
    let stale: Vec<_> = set.difference(printed).collect();
    assert!(missing.is_empty() && stale.is_empty(), "without a sentence: {missing:?}; no longer printed: {stale:?}");
}

#[test]
fn every_code_has_a_row_and_no_other() {
    let causes: Vec<&str> = CAUSES.iter().map(|(code, ..)| *code).collect();
    let endings: Vec<&str> = ENDINGS.iter().map(|(code, ..)| *code).collect();
    compare(&causes, &printed("refused-"), 50);
    compare(&endings, &printed("ended-"), 15);
}

#[test]
fn every_end_of_a_visit_has_a_sentence_of_its_own() {
    let different: BTreeSet<String> = ENDINGS.iter().map(|(_, ending, _)| format!("{ending:?}")).collect();
    assert_eq!(different.len(), ENDINGS.len());
}

#[test]
fn an_unknown_code_gets_the_general_sentence() {
    for code in ["NeverHeardOf", "", "offline"] {
        assert_eq!(refusal(code), (Cause::Trouble, Offer::Again), "{code}");
        assert_eq!(ending(code), (Ending::Trouble, After::AgainOrDone), "{code}");
    }
}

#[test]
fn a_code_of_the_other_list_is_understood() {
    assert_eq!(refusal("FarCertificate").0, Cause::Safety);
    assert_eq!(refusal("VisitorLeft").0, Cause::Declined);
    assert_eq!(refusal("ScreenGone").0, Cause::Screen);
    assert_eq!(refusal("NeverConnected").0, Cause::NotStarted);
    assert_eq!(ending("Denied").0, Ending::Staff);
}
