//! Owns: when a side decoded, read off its frame counter from outside: spans of time, and in which both sides did.
//! Never: believes a side's own word about seconds.
//! Called by: the courses whose visit has a gap.

use crate::watch::Sample;

/// From and to, seconds of `CLOCK_BOOTTIME`.
pub type Span = (f64, f64);

/// Near an interruption so much of the usual rate in an interval is decoding throughout; less is its edge.
const THROUGHOUT: f64 = 0.8;
/// Edges lie at most so long after the interruption is over, seconds.
const NEAR: f64 = 2.0;
/// A side may have decoded so long after its last sample, seconds: both sides report once or twice a second.
const UNSEEN: f64 = 1.1;

/// When a side decoded. Its clock may start anew, as a page's does when it is loaded again, and its counter with it. Only near the
/// `interruption` is a slow interval looked into: elsewhere the machine does other things, and slow decoding is decoding.
#[must_use]
pub fn decoded(samples: &[Sample], interruption: Span) -> Vec<Span> {
    let rate = usual_rate(samples);
    let intervals = intervals(samples);
    let mut spans: Vec<Span> = Vec::new();
    for (n, interval) in intervals.iter().enumerate() {
        let before = n.checked_sub(1).and_then(|n| intervals.get(n));
        let ran = before.is_some_and(|before| before.frames > 0);
        let took = interval.frames as f64 / rate;
        let near = interval.to > interruption.0 && interval.from.is_some_and(|from| from < interruption.1 + NEAR);
        let throughout = interval.share(rate) >= THROUGHOUT || (interval.frames > 0 && !near);
        match interval.from {
            Some(from) if throughout => add(&mut spans, (from, interval.to)),
            Some(from) if ran => add(&mut spans, (from, (from + took).min(interval.to))),
            Some(from) => add(&mut spans, ((interval.to - took).max(from), interval.to)),
            None => {
                // The counter began anew; what ran until then may have run a little longer than was told.
                if let (Some(before), true) = (before, ran) {
                    extend(&mut spans, before.to);
                }
                add(&mut spans, (interval.to - took, interval.to));
            }
        }
    }
    if let Some(last) = intervals.last().filter(|last| last.frames > 0) {
        extend(&mut spans, last.to);
    }
    spans
}

/// Between two samples of one counter; without `from`: what a counter had when it was first seen.
struct Interval {
    from: Option<f64>,
    to: f64,
    frames: u64,
}

impl Interval {
    /// How much of it was decoding at the usual rate; more than 1 where packets had waited.
    fn share(&self, rate: f64) -> f64 {
        self.from.map_or(0.0, |from| self.frames as f64 / rate / (self.to - from).max(0.001))
    }
}

fn intervals(samples: &[Sample]) -> Vec<Interval> {
    let mut last: Option<(f64, Sample)> = None;
    let mut out = Vec::new();
    for (to, sample) in on_one_clock(samples) {
        let before = last.filter(|(_, before)| sample.at >= before.at && sample.frames >= before.frames);
        let frames = sample.frames - before.map_or(0, |(_, before)| before.frames);
        out.push(Interval { from: before.map(|(from, _)| from), to, frames });
        last = Some((to, sample));
    }
    out
}

/// Samples with their times on the bench's clock. The line that came quickest says how the side's own clock stands to it.
fn on_one_clock(samples: &[Sample]) -> Vec<(f64, Sample)> {
    let mut out = Vec::new();
    for run in samples.chunk_by(|a, b| a.at <= b.at) {
        let offset = run.iter().map(|s| s.came - s.at).fold(f64::INFINITY, f64::min);
        out.extend(run.iter().map(|s| (s.at + offset, *s)));
    }
    out
}

/// The median of the intervals in which anything was decoded, frames a second.
fn usual_rate(samples: &[Sample]) -> f64 {
    let mut rates: Vec<f64> = samples
        .windows(2)
        .filter(|pair| pair[1].at > pair[0].at && pair[1].frames > pair[0].frames)
        .map(|pair| (pair[1].frames - pair[0].frames) as f64 / (pair[1].at - pair[0].at))
        .collect();
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(30.0)
}

fn add(spans: &mut Vec<Span>, (from, to): Span) {
    match spans.last_mut() {
        Some(last) if from - last.1 < 0.001 => last.1 = last.1.max(to),
        _ if to > from => spans.push((from, to)),
        _ => {}
    }
}

/// What ran until `end` may have run on unseen.
fn extend(spans: &mut [Span], end: f64) {
    if let Some(last) = spans.last_mut().filter(|last| end - last.1 < 0.001) {
        last.1 = end + UNSEEN;
    }
}

/// The spans in which both did, until `end`.
#[must_use]
pub fn both(one: &[Span], other: &[Span], end: f64) -> Vec<Span> {
    let mut shared = Vec::new();
    for a in one {
        for b in other {
            let (from, to) = (a.0.max(b.0), a.1.min(b.1).min(end));
            if to > from {
                shared.push((from, to));
            }
        }
    }
    shared
}

/// Their length, seconds.
#[must_use]
pub fn seconds(spans: &[Span]) -> f64 {
    spans.iter().map(|(from, to)| to - from).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A counter at 30 fps that stands between `stop` and `start`, looked at twice a second.
    fn side(stop: f64, start: f64, end: f64) -> Vec<Sample> {
        let frames = |at: f64| (at.min(stop) + (at - start).max(0.0)) * 30.0;
        let looks = (end * 2.0) as u32;
        (1..=looks).map(|n| f64::from(n) / 2.0).map(|at| Sample { at, came: at, frames: frames(at) as u64 }).collect()
    }

    #[test]
    fn a_gap_is_seen_to_a_tenth_of_a_second_wherever_the_samples_lie() {
        for (stop, start) in [(10.0, 20.0), (10.3, 30.8), (10.1, 30.45)] {
            let spans =
                both(&decoded(&side(stop, start, 40.0), (stop, start)), &decoded(&side(99.0, 99.0, 40.0), (stop, start)), 40.2);
            assert_eq!(spans.len(), 2, "{spans:?}");
            let expected = stop + 40.2 - start;
            assert!((seconds(&spans) - expected).abs() < 0.15, "{spans:?} is not {expected}");
        }
    }

    #[test]
    fn a_page_that_starts_anew_is_two_spans_on_one_clock() {
        // Loaded again at 12.4; its clock and its counter begin at 13, it decodes from 14.2.
        let mut page: Vec<Sample> = (1..=12u32)
            .map(|n| Sample { at: f64::from(n) + 100.0, came: f64::from(n) + 0.05, frames: u64::from(n) * 30 })
            .collect();
        page.extend((0..10u32).map(|n| Sample {
            at: f64::from(n) + 2.0,
            came: f64::from(n) + 15.1,
            frames: 24 + u64::from(n) * 30,
        }));
        let appliance = side(12.4, 14.2, 24.0);
        let spans = both(&decoded(&appliance, (12.4, 12.4)), &decoded(&page, (12.4, 12.4)), 24.5);
        assert_eq!(spans.len(), 2, "{spans:?}");
        assert!((seconds(&spans) - (12.4 + 24.5 - 14.3)).abs() < 0.3, "{spans:?}: {}", seconds(&spans));
    }

    #[test]
    fn nothing_decoded_is_no_span() {
        assert!(decoded(&[], (0.0, 0.0)).is_empty());
        let still = |at| Sample { at, came: at, frames: 0 };
        assert!(decoded(&[still(1.0), still(2.0)], (0.0, 0.0)).is_empty());
    }

    #[test]
    fn a_slow_machine_far_from_the_interruption_is_no_gap() {
        let at = |n: u32, frames| Sample { at: f64::from(n) / 2.0, came: f64::from(n) / 2.0, frames };
        let mut frames = 0;
        let samples: Vec<Sample> = (1..40)
            .map(|n| {
                frames += if n % 3 == 0 { 6 } else { 15 };
                at(n, frames)
            })
            .collect();
        assert_eq!(decoded(&samples, (100.0, 100.0)).len(), 1);
    }
}
