//! Owns: what a run has seen so far: a fold over the lines that the processes print.
//! Never: waits, decides, or believes one side for the other.
//! Called by: demo (feeds it), report (reads it).

use std::time::Instant;

use serde_json::Value;

use crate::lines::Line;
use crate::play::boot_ns;

/// One sample of a side's decoder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Seconds on one clock per side.
    pub at: f64,
    /// Seconds of `CLOCK_BOOTTIME` when the bench heard of it; for the box its own time.
    pub came: f64,
    /// Frames decoded since the visit began.
    pub frames: u64,
}

/// What one side decodes.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// Samples in order.
    pub samples: Vec<Sample>,
    /// Of the last frame, pixels.
    pub width: u64,
    /// Of the last frame, pixels.
    pub height: u64,
    /// `H264`.
    pub codec: String,
    /// First decoded frame, milliseconds after the later of OK and admission.
    pub first_frame_ms: Option<f64>,
    /// Loudest sound seen, in the side's own measure, for a person.
    pub audio_level: Option<f64>,
    /// Sound was heard.
    pub sound: bool,
}

/// The fold.
#[derive(Debug, Default)]
pub struct Seen {
    /// Phase of the screen, as the ui shows it.
    pub phase: String,
    /// Every phase that it showed, in order.
    pub phases: Vec<String>,
    /// Link of the visitor.
    pub visitor_url: Option<String>,
    /// The facility is ready and the box is there.
    pub attached: bool,
    /// The visitor's page waits for a call.
    pub visitor_waits: bool,
    /// The far side was admitted, `CLOCK_BOOTTIME` ns.
    pub admitted_ns: Option<i64>,
    /// First picture on the box, `CLOCK_BOOTTIME` ns.
    pub first_picture_ns: Option<i64>,
    /// When gate said that the doors are open.
    pub opened: u32,
    /// What the box decodes.
    pub appliance: Side,
    /// What the page decodes.
    pub visitor: Side,
    /// The facility's word about the receipt.
    pub receipt: Option<Value>,
    /// What the facility said of its rings, in order.
    pub rings: Vec<Value>,
    /// Grants that the facility gave.
    pub granted: u32,
    /// Those of them that replaced one of the same visit.
    pub regranted: u32,
    /// Refusals: code, rule.
    pub refused: Vec<(String, String)>,
    /// Lines at level ERROR: each is a bug of ours.
    pub errors: Vec<String>,
    /// Short codes of a private visit as the two screens showed them, each once, in order: the TV's, the page's.
    pub codes: (Vec<String>, Vec<String>),
    /// The screen said that it ends because a private visit is over, and is there again since.
    pub anew: Anew,
    /// Why the call ended, by the arbiter.
    pub end_reason: Option<String>,
    /// What came of dialling without a key.
    pub rogue: Option<Value>,
    /// Gate's own measure from its decision to the death of call, ms.
    pub gate_took_ms: Option<i64>,
    /// Processes that ended without being asked.
    pub deaths: Vec<String>,
    /// The visitor's process has ended.
    pub visitor_done: bool,
    /// The visitor's page showed its end.
    pub visitor_ended: bool,
}

/// A screen that ends after a private visit, so that nothing of it stays in its memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anew {
    /// No private visit is over.
    #[default]
    No,
    /// It said that it ends.
    Said,
    /// Its process ended.
    Ended,
    /// Another one stands in its place.
    Stands,
}

/// Quieter than this is silence, dBFS.
const SILENCE_DBFS: f64 = -60.0;

impl Seen {
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
            "rogue" => self.rogue = line.json().or(self.rogue.take()),
            _ => {}
        }
    }

    /// Whether the screen ends for a private visit. Its last line may come after its end: then the code that it showed says so.
    #[must_use]
    pub fn awaits_new_screen(&self) -> bool {
        self.anew == Anew::Said || (self.anew == Anew::No && !self.codes.0.is_empty())
    }

    fn screen(&mut self, line: &Line) {
        if let Some(code) = line.field("short_code") {
            note(&mut self.codes.0, code);
        }
        if line.field("spent").is_some() && self.anew == Anew::No {
            self.anew = Anew::Said;
        }
        if let Some(phase) = line.field("phase") {
            if self.anew == Anew::Ended && matches!(phase, "ended" | "home") {
                self.anew = Anew::Stands;
            }
            if self.phases.last().is_none_or(|last| last != phase) {
                self.phases.push(phase.to_owned());
            }
            self.phase = phase.to_owned();
        }
    }

    fn arbiter(&mut self, line: &Line) {
        if line.field("admitted").is_some() {
            self.admitted_ns = line.number("at_ns");
        }
        if line.field("opened").is_some() {
            self.opened += 1;
        }
        if line.field("first_picture").is_some() {
            self.first_picture_ns = self.first_picture_ns.or(line.number("at_ns"));
            self.appliance.codec = line.field("codec").unwrap_or_default().to_owned();
        }
        if line.field("first_sound").is_some() {
            self.appliance.sound = true;
        }
        if let (Some(frames), Some(at)) = (line.number("frames_decoded"), line.number("at_ns")) {
            let side = &mut self.appliance;
            let at = at as f64 / 1e9;
            side.samples.push(Sample { at, came: at, frames: frames.unsigned_abs() });
            side.width = line.number("width").unwrap_or(0).unsigned_abs();
            side.height = line.number("height").unwrap_or(0).unsigned_abs();
            if let Some(level) = line.number("audio_level") {
                let dbfs = level as f64 / 100.0;
                side.audio_level = Some(side.audio_level.map_or(dbfs, |loudest| loudest.max(dbfs)));
                side.sound |= dbfs > SILENCE_DBFS;
            }
        }
        if line.text.contains("arbiter: ended ") {
            self.end_reason = line.field("reason").map(str::to_owned);
        }
        if line.field("shut_reason").is_some() {
            self.gate_took_ms = line.number("took_ms").or(self.gate_took_ms);
        }
        if let Some(code) = line.field("code") {
            self.refused.push((code.to_owned(), line.field("rule").unwrap_or_default().to_owned()));
        }
    }

    fn facility(&mut self, line: &Line) {
        let Some(event) = line.json() else { return };
        match event["event"].as_str().unwrap_or_default() {
            "ready" => self.visitor_url = event["visitor_url"].as_str().map(str::to_owned),
            "attached" | "online" => self.attached = event["online"].as_bool().unwrap_or(true),
            "receipt" => self.receipt = Some(event),
            "ring" => self.rings.push(event),
            "granted" => self.granted += 1,
            "regranted" => self.regranted += 1,
            _ => {}
        }
    }

    fn page(&mut self, line: &Line) {
        let Some(event) = line.json() else { return };
        match event["event"].as_str().unwrap_or_default() {
            "waiting" => self.visitor_waits = true,
            "ended" => self.visitor_ended = true,
            "stats" => self.page_stats(&event, line.at),
            _ => {}
        }
    }

    fn page_stats(&mut self, event: &Value, at: Instant) {
        if let Some(code) = event["code"].as_str() {
            note(&mut self.codes.1, code);
        }
        let side = &mut self.visitor;
        let number = |name: &str| event[name].as_f64();
        if let Some(frames) = event["frames_decoded"].as_u64() {
            // The page's own clock when it gives one: the line may have waited on its way.
            let came = boot_ns() as f64 / 1e9 - at.elapsed().as_secs_f64();
            let at = number("at_ms").map_or(came, |ms| ms / 1000.0);
            side.samples.push(Sample { at, came, frames });
        }
        side.width = event["width"].as_u64().unwrap_or(side.width);
        side.height = event["height"].as_u64().unwrap_or(side.height);
        if let Some(codec) = event["codec"].as_str() {
            side.codec = codec.trim_start_matches("video/").to_owned();
        }
        if let Some(first) = number("first_frame_ms").filter(|ms| *ms > 0.0) {
            side.first_frame_ms = Some(first);
        }
        if let Some(level) = number("audio_level") {
            side.audio_level = Some(side.audio_level.map_or(level, |loudest| loudest.max(level)));
            side.sound |= level > 0.001;
        }
    }

    /// Milliseconds from the later of OK and admission to the box's first picture.
    #[must_use]
    pub fn first_picture_ms(&self, ok_ns: i64) -> Option<f64> {
        let from = self.admitted_ns?.max(ok_ns);
        Some((self.first_picture_ns? - from) as f64 / 1e6)
    }
}

/// What a screen shows of a code, if it is another one than before; without their spaces codes are compared.
fn note(codes: &mut Vec<String>, shown: &str) {
    let code: String = shown.chars().filter(char::is_ascii_digit).collect();
    if !code.is_empty() && codes.last() != Some(&code) {
        codes.push(code);
    }
}

impl Side {
    /// Frames decoded in all, by the last sample.
    #[must_use]
    pub fn decoded(&self) -> u64 {
        self.samples.last().map_or(0, |sample| sample.frames)
    }

    /// Whether a sample that came after that second of `CLOCK_BOOTTIME` counts anew and has counted something.
    #[must_use]
    pub fn decoded_since(&self, second: f64) -> bool {
        let (Some(before), Some(last)) = (self.samples.iter().rfind(|s| s.came < second), self.samples.last()) else {
            return false;
        };
        last.came > second && last.at < before.at && last.frames > 0
    }

    /// Frames decoded in each whole second, from the first decoded frame on.
    #[must_use]
    pub fn per_second(&self) -> Vec<f64> {
        let Some(first) = self.samples.iter().position(|s| s.frames > 0) else { return Vec::new() };
        let samples = &self.samples[first..];
        let (start, end) = (samples[0].at, samples[samples.len() - 1].at);
        let whole = (end - start).floor().max(0.0) as usize;
        let at = |second: usize| interpolated(samples, start + second as f64);
        (0..whole).map(|second| at(second + 1) - at(second)).collect()
    }

    /// The rate of [`Side::per_second`] from the fifth second on: median and lowest.
    #[must_use]
    pub fn settled(&self) -> (f64, f64) {
        let mut rates: Vec<f64> = self.per_second().into_iter().skip(5).collect();
        rates.sort_by(f64::total_cmp);
        match rates.as_slice() {
            [] => (0.0, 0.0),
            all => (all[all.len() / 2], all[0]),
        }
    }
}

/// Frames at that moment, on the line between the samples around it.
fn interpolated(samples: &[Sample], at: f64) -> f64 {
    let after = samples.iter().position(|s| s.at >= at).unwrap_or(samples.len() - 1).max(1);
    let (a, b) = (samples[after - 1], samples[after.min(samples.len() - 1)]);
    let span = b.at - a.at;
    let share = if span > 0.0 { ((at - a.at) / span).clamp(0.0, 1.0) } else { 1.0 };
    a.frames as f64 + (b.frames as f64 - a.frames as f64) * share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(from: &str, lines: &[String]) -> Seen {
        let mut seen = Seen::default();
        for text in lines {
            seen.take(&Line { from: from.into(), at: Instant::now(), text: text.clone() });
        }
        seen
    }

    #[test]
    fn half_second_facts_become_frames_in_each_second() {
        let lines: Vec<String> = (0..=20u64)
            .map(|half| {
                format!(
                    "1.0 INFO arbiter: progress frames_decoded={} width=1280 height=720 audio_level=-2000 at_ns={}",
                    1 + half * 15,
                    half * 500_000_000
                )
            })
            .collect();
        let seen = feed("arbiter", &lines);
        let rates = seen.appliance.per_second();
        assert_eq!(rates.len(), 10);
        assert!(rates.iter().all(|r| (r - 30.0).abs() < 0.01), "{rates:?}");
        assert_eq!(seen.appliance.settled(), (30.0, 30.0));
        assert!(seen.appliance.sound);
    }

    #[test]
    fn a_frozen_second_is_seen() {
        let at = |second: f64, frames| Sample { at: second, came: second, frames };
        let side = Side { samples: vec![at(0.0, 1), at(6.0, 181), at(7.0, 181), at(8.0, 211)], ..Side::default() };
        assert_eq!(side.settled().1, 0.0);
    }

    #[test]
    fn an_error_line_is_kept_for_the_verdict() {
        let seen = feed("link", &["1.2 ERROR link: broken".to_owned()]);
        assert_eq!(seen.errors.len(), 1);
    }

    #[test]
    fn first_picture_counts_from_the_later_of_ok_and_admission() {
        let lines = ["admitted admitted=1 at_ns=5000000", "first picture first_picture=1 at_ns=305000000 codec=H264"];
        let seen = feed("arbiter", &lines.map(str::to_owned));
        assert_eq!(seen.first_picture_ms(1_000_000), Some(300.0));
        assert_eq!(seen.first_picture_ms(105_000_000), Some(200.0));
    }
}
