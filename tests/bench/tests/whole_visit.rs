//! Owns: one visit through every real part here: remote, gate, arbiter, call, link, ui, broker, relay, Chromium.
//! Never: a mock.
//! Called by: `scripts/test visit`.

mod whole;

use std::path::PathBuf;
use std::sync::OnceLock;

use parloir_clip::{Flavour, read_counter};
use serde_json::{Value, json};
use whole::{cannot, luma, run};

/// The one visit that all tests here look at; `None` where roles cannot be separated.
fn visit() -> Option<&'static Value> {
    static VISIT: OnceLock<Option<Value>> = OnceLock::new();
    let seen = VISIT.get_or_init(|| {
        if cannot() {
            return None;
        }
        let report = once();
        // Other work on the machine may have come in between: once more, and that one counts.
        Some(if smooth(&report) { report } else { once() })
    });
    seen.as_ref()
}

fn once() -> Value {
    let (output, report) = run("visit", &["--headless", "--visitor", "chromium", "--for", "30"]);
    assert!(output.status.success(), "the demo says that the visit did not happen: {}", output.status);
    report
}

/// At least 25 fps in the median and 20 in every second, on both sides.
fn smooth(report: &Value) -> bool {
    ["appliance", "visitor"].iter().all(|side| {
        let rate = |name: &str| report[side][name].as_f64().unwrap_or(0.0);
        rate("fps") >= 25.0 && rate("lowest_fps") >= 20.0
    })
}

#[test]
fn both_sides_decode_720p_h264_smoothly() {
    let Some(report) = visit() else { return };
    for side in ["appliance", "visitor"] {
        let s = &report[side];
        assert_eq!((&s["width"], &s["height"], &s["codec"]), (&json!(1280), &json!(720), &json!("H264")), "{side}");
        assert!(s["frames_decoded"].as_u64() > Some(600), "{side}: {s}");
    }
    if report["reference_codec_loop"]["held"] == json!(false) {
        println!("skipped: frame rates; the codec alone did not hold 30 fps on this machine just before");
        return;
    }
    assert!(smooth(report), "per second: {} and {}", report["appliance"]["per_second"], report["visitor"]["per_second"]);
}

#[test]
fn sound_is_heard_on_both_sides() {
    let Some(report) = visit() else { return };
    for side in ["appliance", "visitor"] {
        assert_eq!(report[side]["audio_level_seen"], json!(true), "{side}");
    }
}

#[test]
fn the_receipt_holds_both_words_and_counts_what_was_seen() {
    let Some(report) = visit() else { return };
    let receipt = &report["receipt"];
    assert_eq!(receipt["verified"], json!(true), "{receipt}");
    assert!(receipt["visitor_statement"].is_object(), "{receipt}");
    let counted = receipt["seconds_counted"].as_f64().expect("seconds");
    let decoded = report["both_decoded_seconds"].as_f64().expect("seconds");
    assert!((counted - decoded).abs() <= 1.0, "{counted} s counted, {decoded} s seen from outside");
}

#[test]
fn the_camera_is_closed_within_200_ms_of_back() {
    let Some(report) = visit() else { return };
    let took = report["camera_closed_ms"].as_f64().expect("it closed");
    assert!(took <= 200.0, "{took} ms");
}

#[test]
fn nothing_died_and_nothing_called_itself_a_bug() {
    let Some(report) = visit() else { return };
    assert_eq!(report["errors"], json!([]));
    assert_eq!(report["deaths"], json!([]));
}

#[test]
fn the_tv_shows_the_visitor_and_the_page_shows_the_cell() {
    let Some(report) = visit() else { return };
    for (prefix, flavour) in [("tv-", Flavour::Visitor), ("page-", Flavour::Cell)] {
        let counters = counters(report, prefix);
        let good = counters.iter().filter(|(seen, _)| *seen == flavour).count();
        assert!(good > 0, "no picture {prefix}* shows the clip of {flavour:?}: {}", report["pictures"]);
        assert_eq!(good, counters.len(), "a picture {prefix}* shows the wrong clip: {counters:?}");
    }
}

/// What the pictures with that prefix show, where a counter can be read.
fn counters(report: &Value, prefix: &str) -> Vec<(Flavour, u16)> {
    let pictures = report["pictures"].as_array().into_iter().flatten().filter_map(|p| p.as_str().map(PathBuf::from));
    pictures
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))
        .filter_map(|path| {
            let (luma, width, height) = luma(&path);
            read_counter(&luma, width, height, width)
        })
        .collect()
}
