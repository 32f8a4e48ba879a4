//! Owns: that what must be refused is refused in the whole appliance: a reason on the screen, no frame, no door.
//! Never: asks the part that should refuse; doors are looked at from outside, through `/proc`.
//! Called by: `scripts/test bite`.

mod whole;

use serde_json::{Value, json};
use whole::{cannot, run};

/// Runs a visit with one thing wrong. `None` where roles cannot be separated.
fn tampered(kind: &str) -> Option<Value> {
    if cannot() {
        return None;
    }
    let (output, report) = run(&format!("bite-{kind}"), &["--headless", "--visitor", "chromium", "--tamper", kind]);
    assert!(output.status.success(), "{kind}: no clean refusal; see above");
    for side in ["appliance", "visitor"] {
        assert_eq!(report[side]["frames_decoded"], json!(0), "{kind}: {side} saw something");
    }
    assert!(matches!(report["phase"].as_str(), Some("refused" | "ended")), "{kind}: the screen shows no refusal: {report}");
    assert_eq!(report["errors"], json!([]), "{kind}");
    Some(report)
}

/// As [`tampered`], with this reason, and no door may have opened at all.
fn never_open(kind: &str, code: &str) {
    let Some(report) = tampered(kind) else { return };
    let refused = report["refused"].as_array().cloned().unwrap_or_default();
    assert!(refused.iter().any(|r| r["code"] == code), "{kind}: {code} is not among the reasons: {refused:?}");
    assert_eq!(report["camera_ever_open"], json!(false), "{kind}: somebody held the camera's source");
    assert_eq!(report["doors_opened"], json!(0), "{kind}");
}

#[test]
fn a_forged_ticket_beside_a_good_grant_opens_nothing() {
    never_open("forged-ticket", "BadTicket");
}

#[test]
fn a_grant_for_another_device_opens_nothing() {
    never_open("other-device", "GrantDevice");
}

#[test]
fn a_grant_with_one_bit_changed_opens_nothing() {
    never_open("one-bit", "BadSignature");
}

#[test]
fn a_grant_that_answers_another_question_opens_nothing() {
    never_open("wrong-nonce", "GrantStray");
}

#[test]
fn place_without_a_fresh_key_opens_nothing() {
    never_open("place-without-key", "NoFreshKey");
}

/// The grant is good, so the doors open; the far end is not the one that it names, so nothing leaves and nothing is shown.
#[test]
fn a_far_end_that_the_grant_does_not_name_sees_and_shows_nothing() {
    let Some(report) = tampered("far-certificate") else { return };
    assert_eq!(report["end_reason"], json!("FarCertificate"), "{report}");
    // The same look that finds no holder in the others finds one here.
    assert_eq!(report["camera_ever_open"], json!(true), "{report}");
}
