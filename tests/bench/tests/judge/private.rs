//! Owns: one private visit through every real part here: both screens show the same short code, the receipt says the class, and the screen
//! begins anew after it.
//! Never: a mock.
//! Called by: judge_moments.rs, whose program it shares.

use crate::whole::{cannot, run};
use serde_json::json;

#[test]
fn a_lawyers_visit_shows_the_same_code_on_both_screens_and_leaves_no_screen_behind() {
    if cannot() {
        return;
    }
    let (output, report) = run("private", &["--headless", "--visitor", "chromium", "--class", "lawyer", "--for", "8"]);
    assert!(output.status.success(), "the visit did not happen: {}", output.status);
    let (screen, page) = (&report["codes"]["screen"], &report["codes"]["page"]);
    println!("judge: a private visit: the TV showed {screen}, the visitor's page {page}");
    assert_eq!(screen.as_array().map(Vec::len), Some(1), "one code in a visit: {screen}");
    assert_eq!(screen, page);
    assert_eq!(report["receipt"]["verified"], json!(true), "{}", report["receipt"]);
    assert_eq!(report["receipt"]["class"], json!("lawyer"), "{}", report["receipt"]);
    assert_eq!(report["screen_began_anew"], json!(true));
    // The screen's end is no death: it was said, and in order.
    assert_eq!(report["deaths"], json!([]));
}
