//! Owns: what was seen in one row, with its time: screens, receipts, refusals, what facility and visitor told, ends of processes.
//! Never: judges; keeps anything of the row before but where things stand.
//! Called by: the rig (feeds it), verdict (reads it).

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;

use crate::lines::Line;

/// What the screen showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Screen {
    /// Phase: `refused`.
    pub phase: String,
    /// Stable code, or empty.
    pub code: String,
    /// Key of the sentence: `refused-Offline`, or empty.
    pub sentence: String,
}

impl std::fmt::Display for Screen {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.code.as_str(), self.sentence.as_str()) {
            ("", _) => write!(out, "{}", self.phase),
            (code, "") => write!(out, "{} {code}", self.phase),
            (code, sentence) => write!(out, "{} {code} ({sentence})", self.phase),
        }
    }
}

/// A receipt as the facility took it.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// Id of the receipt.
    pub id: String,
    /// Of the visit.
    pub call: String,
    /// Stable code.
    pub reason: String,
    /// Seconds counted.
    pub counted: u64,
    /// It was admitted.
    pub granted: bool,
    /// Every signature and count holds.
    pub verified: bool,
    /// What does not hold.
    pub error: String,
}

/// One row's events.
#[derive(Debug, Default)]
pub struct Trail {
    /// Screens in order; the first is the one that stood when the row began.
    pub screens: Vec<(Instant, Screen)>,
    /// Receipts in order, each delivery.
    pub receipts: Vec<(Instant, Receipt)>,
    /// Codes that the arbiter refused or ended with.
    pub codes: Vec<(Instant, String)>,
    /// Kinds of documents that the arbiter took.
    pub taken: Vec<String>,
    /// Events of the facility.
    pub facility: Vec<(Instant, Value)>,
    /// Events of the visitor.
    pub visitor: Vec<(Instant, Value)>,
    /// Processes that ended: name and how.
    pub ends: Vec<(Instant, String)>,
    /// Lines at level ERROR.
    pub errors: Vec<String>,
    /// The box's decoder: when, frames since the call process began.
    pub box_frames: Vec<(Instant, u64)>,
    /// The page's decoder: when, frames since the page began.
    pub page_frames: Vec<(Instant, u64)>,
    /// What a rogue printed.
    pub rogue: Vec<Value>,
    /// What a program that timed the bus printed.
    pub trips: Option<Value>,
    /// When the arbiter decided that a visit ends, `CLOCK_BOOTTIME` ns, by its own word.
    pub decided: Vec<i64>,
    /// Where things stand.
    pub stands: Stands,
}

/// What outlives a row.
#[derive(Debug, Default)]
pub struct Stands {
    /// The screen.
    pub screen: Screen,
    /// The box is attached at the broker, as the facility hears it.
    pub online: bool,
    /// The page's view.
    pub view: String,
    /// Link of each contact, by its name, in the entitlement's order of arrival.
    pub links: Vec<(String, String, String)>,
    /// Link of the first contact.
    pub url: String,
    /// Grant of the last admitted visit, and its call.
    pub grant: String,
    /// The last call that was asked.
    pub call: String,
    /// The last ring.
    pub ring: String,
    /// How often each process was seen to end.
    pub ended: BTreeMap<String, u32>,
}

impl Trail {
    /// A new row begins: only where things stand is kept.
    pub fn begin(&mut self) {
        let stands = std::mem::take(&mut self.stands);
        let screens = vec![(Instant::now(), stands.screen.clone())];
        *self = Self { screens, stands, ..Self::default() };
    }

    /// Takes in one line.
    pub fn take(&mut self, line: &Line) {
        if line.text.contains(" ERROR ") {
            self.errors.push(format!("{}: {}", line.from, line.text));
        }
        match line.from.as_str() {
            "ui" => self.screen(line),
            "arbiter" => self.arbiter(line),
            "facility" => self.facility(line),
            "visitor" => self.page(line),
            "rogue" => self.rogue.extend(line.json()),
            "trips" => self.trips = line.json().or(self.trips.take()),
            "bench" => self.ended(line),
            _ => {}
        }
    }

    fn screen(&mut self, line: &Line) {
        let Some(phase) = line.field("phase") else { return };
        let field = |name: &str| line.field(name).unwrap_or_default().to_owned();
        let screen = Screen { phase: phase.to_owned(), code: field("code"), sentence: field("sentence") };
        self.stands.screen.clone_from(&screen);
        self.screens.push((line.at, screen));
    }

    fn arbiter(&mut self, line: &Line) {
        if let Some(code) = line.field("code") {
            self.codes.push((line.at, code.to_owned()));
        }
        if line.text.contains("arbiter: ended ")
            && let Some(reason) = line.field("reason")
        {
            self.codes.push((line.at, reason.to_owned()));
            self.decided.extend(line.number("at_ns"));
        }
        if line.text.contains("document taken")
            && let Some(kind) = line.field("kind")
        {
            self.taken.push(kind.to_owned());
        }
        if line.field("first_picture").is_some() {
            self.box_frames.push((line.at, 1));
        }
        if let Some(frames) = line.number("frames_decoded") {
            self.box_frames.push((line.at, frames.unsigned_abs()));
        }
    }

    fn facility(&mut self, line: &Line) {
        let Some(event) = line.json() else { return };
        let word = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        match event["event"].as_str().unwrap_or_default() {
            "link" => {
                let link = (word("contact"), word("id"), word("url"));
                self.stands.links.retain(|known| known.1 != link.1);
                self.stands.links.push(link);
            }
            "ready" => self.stands.url = word("visitor_url"),
            "attached" | "online" => self.stands.online = event["online"].as_bool().unwrap_or(true),
            "asked" => self.stands.call = word("call"),
            "granted" | "regranted" => self.stands.grant = word("grant"),
            "ring" => self.stands.ring = word("ring"),
            "receipt" => self.receipts.push((line.at, receipt(&event))),
            _ => {}
        }
        self.facility.push((line.at, event));
    }

    fn page(&mut self, line: &Line) {
        let Some(event) = line.json() else { return };
        match event["event"].as_str().unwrap_or_default() {
            "waiting" => self.stands.view = "waiting".to_owned(),
            "view" => self.stands.view = event["view"].as_str().unwrap_or_default().to_owned(),
            "ended" => self.stands.view = "ended".to_owned(),
            "stats" => {
                if let Some(frames) = event["frames_decoded"].as_u64() {
                    self.page_frames.push((line.at, frames));
                }
                return;
            }
            _ => {}
        }
        self.visitor.push((line.at, event));
    }

    fn ended(&mut self, line: &Line) {
        if let Some((name, _)) = line.text.split_once(" ended: ") {
            *self.stands.ended.entry(name.to_owned()).or_default() += 1;
            self.ends.push((line.at, line.text.clone()));
        }
    }

    /// Whether the facility told this since the row began.
    #[must_use]
    pub fn told(&self, event: &str) -> bool {
        self.facility.iter().any(|(_, told)| told["event"] == event)
    }

    /// The phase that stands.
    #[must_use]
    pub fn phase(&self) -> &str {
        &self.stands.screen.phase
    }

    /// Whether the screen showed this phase at any moment from `since` on.
    #[must_use]
    pub fn showed(&self, phase: &str, since: Instant) -> bool {
        self.screens.iter().any(|(at, screen)| *at >= since && screen.phase == phase)
    }

    /// Seconds in which both decoders moved, seen from outside: what a fair clock must count.
    #[must_use]
    pub fn both_decoded(&self) -> f64 {
        let (ours, theirs) = (moving(&self.box_frames), moving(&self.page_frames));
        ours.iter().flat_map(|a| theirs.iter().map(move |b| overlap(*a, *b))).sum()
    }
}

type Stretch = (Instant, Instant);

/// Longest time between two samples of a decoder that runs: a stop of up to 2 s counts, and samples come every half second.
const STEADY_MS: u128 = 2500;

/// The stretches in which frames came.
fn moving(samples: &[(Instant, u64)]) -> Vec<Stretch> {
    let mut found: Vec<Stretch> = Vec::new();
    for pair in samples.windows(2) {
        let ((from, before), (to, after)) = (pair[0], pair[1]);
        if after <= before || (to - from).as_millis() > STEADY_MS {
            continue;
        }
        match found.last_mut() {
            Some(last) if last.1 == from => last.1 = to,
            _ => found.push((from, to)),
        }
    }
    found
}

fn overlap(a: Stretch, b: Stretch) -> f64 {
    let (from, to) = (a.0.max(b.0), a.1.min(b.1));
    to.saturating_duration_since(from).as_secs_f64()
}

fn receipt(event: &Value) -> Receipt {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Receipt {
        id: word(&event["receipt"]["receipt"]),
        call: word(&event["call"]),
        reason: word(&event["reason"]),
        counted: event["seconds_counted"].as_u64().unwrap_or(0),
        granted: event["receipt"]["grant"].is_string(),
        verified: event["verified"].as_bool().unwrap_or(false),
        error: word(&event["error"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn line(from: &str, text: &str) -> Line {
        Line { from: from.into(), at: Instant::now(), text: text.into() }
    }

    #[test]
    fn a_row_begins_with_the_screen_that_stands_and_no_old_receipt() {
        let mut trail = Trail::default();
        trail.take(&line("ui", r#"INFO ui: screen phase="refused" code="Offline" sentence="refused-Offline""#));
        trail
            .take(&line("facility", r#"{"event":"receipt","call":"c","reason":"NoAnswer","seconds_counted":0,"verified":true}"#));
        assert_eq!(trail.receipts[0].1.reason, "NoAnswer");
        trail.begin();
        assert_eq!(trail.screens[0].1.to_string(), "refused Offline (refused-Offline)");
        assert!(trail.receipts.is_empty());
    }

    #[test]
    fn only_seconds_in_which_both_decode_are_counted() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        // The box decodes for 12 s; the page from 2 s to 6 s and from 10 s to 11 s.
        let page = (10..=30).chain(50..=55).map(|n| (at(n * 200), n)).collect();
        let trail =
            Trail { box_frames: (0..=24).map(|n| (at(n * 500), n * 15)).collect(), page_frames: page, ..Trail::default() };
        assert!((trail.both_decoded() - 5.0).abs() < 0.01, "{}", trail.both_decoded());
    }
}
