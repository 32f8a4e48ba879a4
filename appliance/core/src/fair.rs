//! Owns: the fair clock: milliseconds in which both ends decoded, and the gaps between them.
//! Never: decides what decoding is (visit), or ends a call.
//! Called by: visit, receipt.

use parloir_pass::receipt::MAX_GAPS;

/// Counts milliseconds of `CLOCK_BOOTTIME`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct FairClock {
    counted_ms: u64,
    hand: Hand,
    gaps: Vec<(u64, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Hand {
    /// Both ends have never decoded.
    #[default]
    NotYet,
    Runs { since: u64 },
    Stands { since: u64 },
}

impl FairClock {
    pub(crate) fn runs(&self) -> bool {
        matches!(self.hand, Hand::Runs { .. })
    }

    /// Both ends decode since `at`; a time that was counted or a gap that was closed is never counted again.
    pub(crate) fn start(&mut self, at: u64) {
        match self.hand {
            Hand::Runs { .. } => {}
            Hand::NotYet => self.hand = Hand::Runs { since: at },
            Hand::Stands { since } => {
                let at = at.max(since);
                self.note_gap(since, at);
                self.hand = Hand::Runs { since: at };
            }
        }
    }

    /// One end stopped at `at`.
    pub(crate) fn stop(&mut self, at: u64) {
        if let Hand::Runs { since } = self.hand {
            let at = at.max(since);
            self.counted_ms += at - since;
            self.hand = Hand::Stands { since: at };
        }
    }

    /// The visit is over: the last gap ends, too.
    pub(crate) fn finish(&mut self, at: u64) {
        self.stop(at);
        if let Hand::Stands { since } = self.hand {
            let at = at.max(since);
            self.note_gap(since, at);
            self.hand = Hand::Stands { since: at };
        }
    }

    // Beyond the receipt's bound a gap is joined with the one before it; the seconds counted stay exact.
    fn note_gap(&mut self, from: u64, to: u64) {
        if from == to {
            return;
        }
        if self.gaps.len() < MAX_GAPS {
            self.gaps.push((from, to));
        } else if let Some(last) = self.gaps.last_mut() {
            last.1 = to;
        }
    }

    /// Counted so far.
    pub(crate) fn counted_ms(&self, now: u64) -> u64 {
        match self.hand {
            Hand::Runs { since } => self.counted_ms + now.saturating_sub(since),
            Hand::NotYet | Hand::Stands { .. } => self.counted_ms,
        }
    }

    /// When the slot is used up if nothing stops.
    pub(crate) fn reaches(&self, slot_ms: u64) -> Option<u64> {
        match self.hand {
            Hand::Runs { since } => Some(since.saturating_add(slot_ms.saturating_sub(self.counted_ms))),
            Hand::NotYet | Hand::Stands { .. } => None,
        }
    }

    /// Closed gaps, ascending.
    pub(crate) fn gaps(&self) -> &[(u64, u64)] {
        &self.gaps
    }
}
