//! Owns: the report of a visit as JSON, the verdict over it, and its summary in words.
//! Never: figures that were not seen; what is missing is null.
//! Called by: demo.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::floor::Reference;
use crate::watch::{Anew, Seen, Side};

/// What the course itself measured.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// OK was pressed, `CLOCK_BOOTTIME` ns.
    pub ok_ns: i64,
    /// Back was pressed, `CLOCK_BOOTTIME` ns.
    pub back_ns: i64,
    /// From Back until no process held the camera's source and call was dead.
    pub camera_closed_ms: Option<f64>,
    /// What the box cost from the fifth second to the end: cores and memory, in all and by process.
    pub usage: Value,
    /// The visit went from OK to the receipt.
    pub visited: bool,
    /// In a tampered run: somebody held the camera's source at some moment.
    pub camera_ever_open: Option<bool>,
    /// In a tampered run: the screen at the end.
    pub phase: String,
    /// When the visitor called: the ring.
    pub ring: Option<Ring>,
    /// When the visitor called: somebody held the camera's source before OK.
    pub camera_open_before_ok: Option<bool>,
}

/// A ring that was answered.
#[derive(Clone, Copy, Debug)]
pub struct Ring {
    /// From Call in the page to the ringing screen.
    pub rang_after_ms: u128,
    /// From the ringing screen to the next one.
    pub answered_after_ms: u128,
}

impl Verdict {
    /// Whether what was wanted happened: a visit with media both ways and a good receipt, or a refusal with every door shut.
    #[must_use]
    pub fn as_wanted(&self, seen: &Seen, refusal: bool) -> bool {
        if refusal {
            // A refusal has a reason on the screen: of the question, or of the end.
            let reason = !seen.refused.is_empty() || seen.end_reason.as_ref().is_some_and(|reason| reason != "PersonEnded");
            let blind = [&seen.appliance, &seen.visitor].iter().all(|side| side.samples.iter().all(|s| s.frames == 0));
            return matches!(self.phase.as_str(), "refused" | "ended") && reason && blind;
        }
        let both = [&seen.appliance, &seen.visitor].iter().all(|side| side.samples.last().is_some_and(|s| s.frames > 0));
        let receipt = seen.receipt.as_ref().is_some_and(|r| r["verified"] == json!(true));
        let blind = self.camera_open_before_ok != Some(true);
        self.visited && both && receipt && blind && self.camera_closed_ms.is_some() && seen.errors.is_empty()
    }
}

fn rounded(value: f64) -> Value {
    json!((value * 10.0).round() / 10.0)
}

fn side(side: &Side, first_frame_ms: Option<f64>) -> Value {
    let (median, lowest) = side.settled();
    json!({
        "frames_decoded": side.samples.last().map_or(0, |s| s.frames),
        "width": side.width,
        "height": side.height,
        "fps": rounded(median),
        "lowest_fps": rounded(lowest),
        "codec": side.codec,
        "first_frame_ms": first_frame_ms.map(|ms| ms.round()),
        "audio_level_seen": side.sound,
        "audio_level": side.audio_level,
        "per_second": side.per_second().into_iter().map(rounded).collect::<Vec<_>>(),
    })
}

/// Seconds in which both sides decoded: from the later first frame to Back.
fn both_decoded(seen: &Seen, verdict: &Verdict, own_first_ms: Option<f64>) -> Option<f64> {
    let from = seen.admitted_ns?.max(verdict.ok_ns) as f64 / 1e6;
    let later = own_first_ms?.max(seen.visitor.first_frame_ms?);
    Some((verdict.back_ns as f64 / 1e6 - from - later) / 1000.0)
}

fn receipt(seen: &Seen) -> Value {
    let Some(event) = &seen.receipt else { return Value::Null };
    json!({
        "seconds_counted": event["receipt"]["seconds_counted"],
        "reason": event["receipt"]["reason"],
        "class": event["receipt"]["class"],
        "verified": event["verified"],
        "visitor_statement": event["visitor_statement"],
        "error": event["error"],
    })
}

/// The report: what the README describes, and more beside.
#[must_use]
pub fn build(seen: &Seen, verdict: &Verdict, reference: Option<Reference>, pictures: &[PathBuf]) -> Value {
    let own_first = seen.first_picture_ms(verdict.ok_ns);
    json!({
        "appliance": side(&seen.appliance, own_first),
        "visitor": side(&seen.visitor, seen.visitor.first_frame_ms),
        "camera_closed_ms": verdict.camera_closed_ms.map(rounded),
        "receipt": receipt(seen),
        "pictures": pictures,
        "both_decoded_seconds": both_decoded(seen, verdict, own_first).map(rounded),
        "gate_took_ms": seen.gate_took_ms,
        "reference_codec_loop": reference,
        "usage": verdict.usage,
        "doors_opened": seen.opened,
        "camera_ever_open": verdict.camera_ever_open,
        "phase": if verdict.phase.is_empty() { &seen.phase } else { &verdict.phase },
        "end_reason": seen.end_reason,
        "rogue": seen.rogue,
        "ring": verdict.ring.map(|ring| json!({
            "rang_after_ms": ring.rang_after_ms,
            "answered_after_ms": ring.answered_after_ms,
            "camera_open_before_ok": verdict.camera_open_before_ok,
            "facility": seen.rings,
        })),
        "refused": seen.refused.iter().map(|(code, rule)| json!({"code": code, "rule": rule})).collect::<Vec<_>>(),
        "codes": json!({"screen": seen.codes.0, "page": seen.codes.1}),
        "screen_began_anew": seen.anew == Anew::Stands,
        "errors": seen.errors,
        "deaths": seen.deaths,
    })
}

/// The report in a few plain lines.
#[must_use]
pub fn summary(report: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, who) in [("appliance", "the TV in the cell"), ("visitor", "the visitor's page")] {
        let s = &report[name];
        lines.push(format!(
            "{who}: {} frames {}x{} {}, median {} fps, lowest second {}, first picture after {} ms, sound {}",
            s["frames_decoded"],
            s["width"],
            s["height"],
            s["codec"].as_str().unwrap_or("-"),
            s["fps"],
            s["lowest_fps"],
            s["first_frame_ms"],
            if s["audio_level_seen"] == json!(true) { "heard" } else { "not heard" },
        ));
    }
    lines.push(format!("camera closed {} ms after Back, seen from outside", report["camera_closed_ms"]));
    let r = &report["receipt"];
    lines.push(format!(
        "receipt: {} s counted, reason {}, verified {}, with the visitor's statement: {}",
        r["seconds_counted"],
        r["reason"],
        r["verified"],
        if r["visitor_statement"].is_object() { "yes" } else { "no" }
    ));
    if report["ring"].is_object() {
        let ring = &report["ring"];
        let open = if ring["camera_open_before_ok"] == json!(true) { "OPEN" } else { "shut" };
        let (rang, answered) = (&ring["rang_after_ms"], &ring["answered_after_ms"]);
        lines.push(format!(
            "the TV rang {rang} ms after Call and was answered after {answered} ms; the camera was {open} until OK"
        ));
    }
    if report["reference_codec_loop"]["held"] == json!(false) {
        lines.push("this machine did not hold 30 fps with the codec alone just before: frame rates say nothing".to_owned());
    }
    for list in ["refused", "errors", "deaths"] {
        for entry in report[list].as_array().into_iter().flatten() {
            lines.push(format!("{list}: {entry}"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_seen_is_no_visit() {
        let seen = Seen::default();
        assert!(!Verdict { visited: true, camera_closed_ms: Some(9.0), ..Verdict::default() }.as_wanted(&seen, false));
        assert!(!Verdict::default().as_wanted(&seen, true));
        let report = build(&seen, &Verdict::default(), None, &[]);
        assert_eq!(report["appliance"]["frames_decoded"], 0);
        assert!(report["receipt"].is_null());
        assert!(!summary(&report).is_empty());
    }
}
