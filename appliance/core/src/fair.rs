//! Owns: the fair clock: milliseconds in which both ends decoded, and the gaps between them.
//! Never: decides what decoding is (visit), or ends a call.
//! Called by: visit, receipt.
//!
//! Either end learns late that it stopped (2 s without a frame here, a statement from there, 3 s without one), so a stop can lie in the
//! past, even before a run that was counted since. The last runs are kept to be cut back; older ones are a sum.

use parloir_pass::receipt::MAX_GAPS;
use std::collections::VecDeque;

/// Runs that can still be cut back. A stop lies at most some seconds back, and a run needs a word from call.
const RECENT: usize = 64;

/// Counts milliseconds of `CLOCK_BOOTTIME`.
#[derive(Clone, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct FairClock {
    past: Past,
    past_ms: u64,
    past_gaps: Vec<(u64, u64)>,
    recent: VecDeque<(u64, u64)>,
    hand: Hand,
}

/// The end of the last run that is only a sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
enum Past {
    #[default]
    Nothing,
    Until(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
enum Hand {
    #[default]
    Stands,
    Runs {
        since: u64,
    },
}

impl FairClock {
    pub(crate) fn runs(&self) -> bool {
        matches!(self.hand, Hand::Runs { .. })
    }

    /// Both ends decode since `at`; what was counted is never counted again.
    pub(crate) fn start(&mut self, at: u64) {
        if self.hand == Hand::Stands {
            self.hand = Hand::Runs { since: self.last_end().map_or(at, |end| at.max(end)) };
        }
    }

    /// One end decoded only until `at`, and not since.
    pub(crate) fn stop(&mut self, at: u64) {
        if let Hand::Runs { since } = self.hand {
            self.hand = Hand::Stands;
            if at > since {
                self.recent.push_back((since, at));
            }
        }
        self.cut_back(at);
        if self.recent.len() > RECENT
            && let Some(run) = self.recent.pop_front()
        {
            self.forget(run);
        }
    }

    fn cut_back(&mut self, at: u64) {
        while let Some(last) = self.recent.back_mut() {
            if last.1 <= at {
                return;
            }
            if last.0 < at {
                last.1 = at;
                return;
            }
            self.recent.pop_back();
        }
    }

    fn forget(&mut self, (from, to): (u64, u64)) {
        if let Past::Until(end) = self.past {
            note_gap(&mut self.past_gaps, end, from);
        }
        self.past = Past::Until(to);
        self.past_ms += to - from;
    }

    fn last_end(&self) -> Option<u64> {
        let past = match self.past {
            Past::Nothing => None,
            Past::Until(end) => Some(end),
        };
        self.recent.back().map(|(_, to)| *to).or(past)
    }

    fn closed_ms(&self) -> u64 {
        self.past_ms + self.recent.iter().map(|(from, to)| to - from).sum::<u64>()
    }

    /// Counted so far.
    pub(crate) fn counted_ms(&self, now: u64) -> u64 {
        match self.hand {
            Hand::Runs { since } => self.closed_ms() + now.saturating_sub(since),
            Hand::Stands => self.closed_ms(),
        }
    }

    /// When the slot is used up if nothing stops.
    pub(crate) fn reaches(&self, slot_ms: u64) -> Option<u64> {
        match self.hand {
            Hand::Runs { since } => Some(since.saturating_add(slot_ms.saturating_sub(self.closed_ms()))),
            Hand::Stands => None,
        }
    }

    /// The times after the first run in which the clock stood, ascending, until `end`.
    pub(crate) fn gaps(&self, end: u64) -> Vec<(u64, u64)> {
        let mut gaps = self.past_gaps.clone();
        let mut stood = match self.past {
            Past::Nothing => None,
            Past::Until(end) => Some(end),
        };
        let running = match self.hand {
            Hand::Runs { since } => Some((since, end)),
            Hand::Stands => None,
        };
        for (from, to) in self.recent.iter().copied().chain(running) {
            if let Some(stood) = stood {
                note_gap(&mut gaps, stood, from);
            }
            stood = Some(to);
        }
        if let Some(stood) = stood {
            note_gap(&mut gaps, stood, end);
        }
        gaps
    }
}

// Beyond the receipt's bound a gap is joined with the one before it; the seconds counted stay exact.
fn note_gap(gaps: &mut Vec<(u64, u64)>, from: u64, to: u64) {
    if from >= to {
        return;
    }
    if gaps.len() < MAX_GAPS {
        gaps.push((from, to));
    } else if let Some(last) = gaps.last_mut() {
        last.1 = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // One far party can begin, by its own word, before another stopped.
    #[test]
    fn no_moment_counts_twice() {
        let mut clock = FairClock::default();
        clock.start(0);
        clock.stop(10);
        clock.start(7);
        clock.stop(15);
        assert_eq!((clock.counted_ms(99), clock.gaps(15)), (15, Vec::new()));
    }

    #[test]
    fn beyond_their_bounds_runs_become_a_sum_and_gaps_are_joined() {
        let mut clock = FairClock::default();
        for n in 0..1000 {
            clock.start(n * 10);
            clock.stop(n * 10 + 4);
        }
        let gaps = clock.gaps(10_000);
        assert_eq!((clock.counted_ms(10_000), gaps.len()), (4000, MAX_GAPS));
        assert!(gaps.windows(2).all(|pair| pair[0].1 <= pair[1].0));
        assert_eq!((gaps[0], gaps[MAX_GAPS - 1].1), ((4, 10), 10_000));
    }
}
