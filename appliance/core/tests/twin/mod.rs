//! Owns: a slow, obvious twin of doors, lease and fair clock: it keeps every word that was said and counts anew each time.
//! Never: shares code with the machine; it sees only events and effects.
//! Called by: walk.rs, after each step.
//!
//! Where the machine keeps hands and sums, the twin keeps lists of intervals and measures their intersection. The one rule that it
//! has to be told: a beginning that is reported late is not moved back before the other end's last change.

use parloir_core::*;
use parloir_pass::{Id, Media};

/// Open doors, by the twin.
#[derive(Debug, Default)]
pub struct Twin {
    trusted: bool,
    visit: Option<Visit>,
}

#[derive(Debug)]
struct Visit {
    lease: Id,
    admitted: u64,
    lease_until: u64,
    slot_ms: u64,
    process: Process,
    own: Vec<(u64, u64)>,
    own_on: Option<u64>,
    words: Vec<Said>,
    last_beat: u64,
    patience_ms: u64,
}

#[derive(Debug, PartialEq)]
enum Process {
    Runs,
    Dead,
}

#[derive(Debug)]
struct Said {
    at: u64,
    decoding: bool,
    decoded_ms: u64,
    count: u64,
    not_before: u64,
}

const FOREVER: u64 = u64::MAX;

impl Twin {
    /// The lease whose doors the twin holds open.
    pub fn lease(&self) -> Option<Id> {
        self.visit.as_ref().map(|visit| visit.lease)
    }

    /// What the step did to the doors; [`Twin::hear`] comes first.
    pub fn follow(&mut self, now: u64, event: &Event, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Gate(ToGate::Open { lease, .. }) => self.open(now, *lease, event),
                Effect::Gate(ToGate::Close { lease }) if self.lease() == Some(*lease) => self.visit = None,
                _ => {}
            }
        }
        match event {
            Event::Gate(GateFact::Gone | GateFact::Hello { .. }) => self.visit = None,
            Event::Gate(GateFact::Shut { lease, .. } | GateFact::Refused { lease, why: GateRefusal::NoLease })
                if self.lease() == Some(*lease) =>
            {
                self.visit = None;
            }
            _ => {}
        }
    }

    fn open(&mut self, now: u64, lease: Id, event: &Event) {
        let Event::Grant { grant, .. } = event else { panic!("doors opened by {event:?}") };
        assert_eq!(grant.call, lease, "doors of another lease than the grant's");
        assert!(grant.media == Media::Voice || grant.media == Media::Video);
        let lease_s = if self.trusted { grant.lease_s } else { grant.lease_s.min(grant.slot_s) };
        self.visit = Some(Visit {
            lease,
            admitted: now,
            lease_until: now + u64::from(lease_s) * 1000,
            slot_ms: u64::from(grant.slot_s) * 1000,
            process: Process::Runs,
            own: Vec::new(),
            own_on: None,
            words: Vec::new(),
            last_beat: now,
            patience_ms: 60_000,
        });
    }

    /// What was said.
    pub fn hear(&mut self, now: u64, event: &Event) {
        let Some(visit) = &mut self.visit else { return };
        match event {
            Event::Call { call, fact } if *call == visit.lease && visit.process == Process::Runs => visit.fact(now, fact),
            Event::Gate(GateFact::CallGone { lease }) if *lease == visit.lease && visit.process == Process::Runs => {
                visit.process = Process::Dead;
                visit.off(now);
            }
            Event::Gate(GateFact::Relaunched { lease }) if *lease == visit.lease => visit.process = Process::Runs,
            #[allow(clippy::collapsible_match, reason = "one arm an event")]
            Event::Statement { party: 0, statement, .. } if statement.call == visit.lease => {
                if visit.words.last().is_none_or(|last| statement.count > last.count) {
                    let not_before = visit.own_on.or(visit.own.last().map(|(_, to)| *to)).unwrap_or(visit.admitted);
                    visit.words.push(Said {
                        at: now,
                        not_before: not_before.min(now),
                        decoding: statement.decoding && !statement.last,
                        decoded_ms: statement.decoded_ms,
                        count: statement.count,
                    });
                }
            }
            _ => {}
        }
    }

    /// The clock was believed.
    pub fn trust(&mut self) {
        self.trusted = true;
    }

    /// A beat was accepted.
    pub fn beat(&mut self, now: u64) {
        if let Some(visit) = &mut self.visit {
            visit.last_beat = now;
        }
    }

    /// Milliseconds in which both ends decoded, until `now`, at most the slot.
    pub fn counted_ms(&self, now: u64) -> u64 {
        self.visit.as_ref().map_or(0, |visit| visit.both(now).min(visit.slot_ms))
    }

    /// Must not be true of a visit that goes on.
    pub fn over(&self, now: u64) -> Option<&'static str> {
        let visit = self.visit.as_ref()?;
        let reasons = [
            (now >= visit.lease_until, "lease over"),
            (visit.both(now) >= visit.slot_ms, "slot over"),
            (now >= visit.last_beat + visit.patience_ms, "beats missing"),
        ];
        reasons.into_iter().find(|(over, _)| *over).map(|(_, why)| why)
    }

    /// Whether both decode at `now`.
    pub fn both_decode(&self, now: u64) -> bool {
        self.visit.as_ref().is_some_and(|visit| {
            let far = visit.far(now);
            visit.own_on.is_some() && far.last().is_some_and(|(_, to)| *to == FOREVER)
        })
    }
}

impl Visit {
    fn fact(&mut self, now: u64, fact: &CallFact) {
        match fact {
            CallFact::Decoding { on: true, at_ms } if self.own_on.is_none() => {
                let far = self.far(now).last().map_or(self.admitted, |(from, to)| if *to == FOREVER { *from } else { *to });
                self.own_on = Some((*at_ms).clamp(self.admitted, now).max(far).max(self.own.last().map_or(0, |(_, to)| *to)));
            }
            CallFact::Decoding { on: false, at_ms } => self.off((*at_ms).clamp(self.admitted, now)),
            CallFact::HungUp | CallFact::Trouble(Trouble::NotConnected | Trouble::Signalling | Trouble::Pipeline) => {
                self.off(now)
            }
            _ => {}
        }
    }

    fn off(&mut self, at: u64) {
        if let Some(since) = self.own_on.take() {
            self.own.push((since, at.max(since)));
        }
    }

    /// The far side's intervals, from its words alone.
    fn far(&self, now: u64) -> Vec<(u64, u64)> {
        let mut out: Vec<(u64, u64)> = Vec::new();
        let mut on: Option<u64> = None;
        let (mut heard, mut decoded) = (self.admitted, 0);
        for word in &self.words {
            if let Some(since) = on
                && word.at - heard >= 3000
            {
                out.push((since, heard));
                on = None;
            }
            let grown = word.decoded_ms.saturating_sub(decoded);
            match (on, word.decoding) {
                (None, true) => on = Some(word.at.saturating_sub(grown).max(heard).max(word.not_before)),
                (Some(since), false) => {
                    out.push((since, heard.saturating_add(grown).min(word.at)));
                    on = None;
                }
                _ => {}
            }
            (heard, decoded) = (word.at, word.decoded_ms);
        }
        if let Some(since) = on {
            out.push((since, if now - heard >= 3000 { heard } else { FOREVER }));
        }
        out
    }

    fn both(&self, now: u64) -> u64 {
        let own: Vec<_> = self.own.iter().copied().chain(self.own_on.map(|since| (since, FOREVER))).collect();
        let far = self.far(now);
        // Every instant at which something changes, and what lies between two of them.
        let mut cuts: Vec<u64> = own.iter().chain(&far).flat_map(|(from, to)| [*from, (*to).min(now)]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let inside = |list: &[(u64, u64)], from: u64| list.iter().any(|(a, b)| *a <= from && from < *b);
        cuts.windows(2).filter(|w| inside(&own, w[0]) && inside(&far, w[0])).map(|w| w[1] - w[0]).sum()
    }
}
