//! Owns: a slow, obvious twin of doors, lease and fair clock: it keeps every word that was said and counts anew each time.
//! Never: shares code with the machine; it sees only events and effects.
//! Called by: walk.rs, after each step.
//!
//! Where the machine keeps hands and sums, the twin keeps lists of intervals and measures their intersection. The one rule that it
//! has to be told: a beginning that is reported late is not moved back before the other end's last change.

use parloir_core::effect::Entry;
use parloir_core::*;
use parloir_pass::{Bytes32, Grant, Id, Media};

/// Open doors, by the twin.
#[derive(Debug, Default)]
pub struct Twin {
    trusted: bool,
    asked_again: u64,
    /// The call that gate was told of last, and when the end key went down first in it.
    prepared: Option<Id>,
    end_key: Option<u64>,
    visit: Option<Visit>,
}

#[derive(Debug)]
struct Visit {
    lease: Id,
    admitted: u64,
    granted: u64,
    /// Of the question that the grant in force answers.
    asked: u64,
    lease_until: u64,
    slot_ms: u64,
    process: Process,
    certificates: Vec<Bytes32>,
    verified: bool,
    own: Vec<(u64, u64)>,
    own_on: Option<u64>,
    /// Of the far ends of earlier grants.
    far_before: Vec<(u64, u64)>,
    words: Vec<Word>,
    beats: Vec<(u64, u64)>,
    patience_ms: u64,
}

#[derive(Debug, PartialEq)]
enum Process {
    /// Gate has not opened its doors.
    Prepared,
    /// Since it was heard last.
    Runs(u64),
    Dead,
}

#[derive(Debug)]
enum Word {
    Said {
        at: u64,
        decoding: bool,
        decoded_ms: u64,
        count: u64,
        not_before: u64,
    },
    /// The page began anew.
    Again,
}

const FOREVER: u64 = u64::MAX;
/// A call process that says nothing for so long is dead.
const SILENCE: u64 = 4000;

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
                Effect::Gate(ToGate::Prepare { lease, .. }) => (self.prepared, self.end_key) = (Some(*lease), None),
                Effect::Gate(ToGate::Close { lease }) => {
                    self.visit = self.visit.take().filter(|visit| visit.lease != *lease);
                    if self.prepared == Some(*lease) {
                        (self.prepared, self.end_key) = (None, None);
                    }
                }
                Effect::SendAsk(ask) if ask.regrant.is_some() => self.asked_again = now,
                Effect::Ledger(Entry::Regranted { call, .. }) => self.regrant(now, *call, event),
                Effect::SendToCall { message: ToCall::Plan { .. }, .. } => {
                    if let Some(visit) = &mut self.visit {
                        visit.verified = false;
                    }
                }
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

    fn lease_s(&self, grant: &Grant) -> u32 {
        if self.trusted { grant.lease_s } else { grant.lease_s.min(grant.slot_s) }
    }

    fn open(&mut self, now: u64, lease: Id, event: &Event) {
        let Event::Grant { grant, .. } = event else { panic!("doors opened by {event:?}") };
        assert_eq!(grant.call, lease, "doors of another lease than the grant's");
        assert!(grant.media == Media::Voice || grant.media == Media::Video);
        self.visit = Some(Visit {
            lease,
            admitted: now,
            granted: now,
            asked: now,
            lease_until: now + u64::from(self.lease_s(grant)) * 1000,
            slot_ms: u64::from(grant.slot_s) * 1000,
            process: Process::Prepared,
            certificates: grant.parties.iter().map(|party| party.certificate).collect(),
            verified: false,
            own: Vec::new(),
            own_on: None,
            far_before: Vec::new(),
            words: Vec::new(),
            beats: Vec::new(),
            // A private visit needs no beats.
            patience_ms: if grant.class.is_private() { FOREVER } else { 60_000 },
        });
    }

    fn regrant(&mut self, now: u64, call: Id, event: &Event) {
        let Event::Grant { grant, .. } = event else { panic!("regranted by {event:?}") };
        let lease_until = now + u64::from(self.lease_s(grant)) * 1000;
        let visit = self.visit.as_mut().expect("a visit");
        assert_eq!((visit.lease, grant.call), (call, call), "another visit's");
        let (counted, slot_ms) = (visit.both(now), u64::from(grant.slot_s) * 1000);
        assert!(counted + slot_ms <= visit.slot_ms, "a regrant that extends the slot");
        assert!(now + u64::from(grant.lease_s) * 1000 <= visit.lease_until, "a regrant that extends the lease");
        visit.words.push(Word::Again);
        visit.off(now);
        visit.far_before = visit.far(now);
        visit.words.clear();
        visit.beats.clear();
        visit.slot_ms = visit.both(now) + slot_ms;
        (visit.granted, visit.asked, visit.lease_until, visit.verified) = (now, self.asked_again, lease_until, false);
        visit.certificates = grant.parties.iter().map(|party| party.certificate).collect();
    }

    /// What was said.
    pub fn hear(&mut self, now: u64, event: &Event) {
        if let (Event::Gate(GateFact::Key(Press { stroke: Stroke::BackDown, .. })), Some(_)) = (event, self.prepared) {
            self.end_key.get_or_insert(now);
        }
        let Some(visit) = &mut self.visit else { return };
        if let Process::Runs(heard) = visit.process
            && now >= heard + SILENCE
        {
            visit.process = Process::Dead;
            visit.off(heard);
        }
        match event {
            Event::Call { call, fact } if *call == visit.lease && visit.process != Process::Dead => visit.fact(now, fact),
            Event::Gate(GateFact::Opened { lease, .. }) if *lease == visit.lease && visit.process == Process::Prepared => {
                visit.process = Process::Runs(now);
            }
            Event::Gate(GateFact::CallGone { lease }) if *lease == visit.lease && visit.process != Process::Dead => {
                visit.process = Process::Dead;
                visit.off(now);
            }
            Event::Gate(GateFact::Relaunched { lease }) if *lease == visit.lease && visit.process == Process::Dead => {
                visit.process = Process::Runs(now);
            }
            Event::Statement { party: 0, statement, .. }
                if statement.call == visit.lease && visit.last_count().is_none_or(|last| statement.count > last) =>
            {
                let not_before = visit.own_on.or(visit.own.last().map(|(_, to)| *to)).unwrap_or(visit.admitted);
                visit.words.push(Word::Said {
                    at: now,
                    not_before: not_before.min(now),
                    decoding: statement.decoding && !statement.last,
                    decoded_ms: statement.decoded_ms,
                    count: statement.count,
                });
            }
            _ => {}
        }
    }

    /// The clock was believed.
    pub fn trust(&mut self) {
        self.trusted = true;
    }

    /// A beat was accepted.
    pub fn beat(&mut self, now: u64, count: u64) {
        if let Some(visit) = &mut self.visit {
            visit.beats.push((count, now));
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
            (self.end_key.is_some_and(|at| now >= at + 1000), "the end key went down"),
            (visit.both(now) >= visit.slot_ms, "slot over"),
            (now >= visit.renewed_until().saturating_add(visit.patience_ms), "beats missing"),
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
    /// No beat reaches beyond its coming, nor further than 20.4 s for each one since an earlier one, or since the grant.
    fn renewed_until(&self) -> u64 {
        let Some((count, _)) = self.beats.last() else { return self.asked };
        let all = self.beats.iter().copied().chain([(0, self.asked)]);
        all.map(|(earlier, at)| at + (count - earlier) * 20_400).min().unwrap_or(self.asked)
    }

    fn last_count(&self) -> Option<u64> {
        self.words.iter().rev().find_map(|word| match word {
            Word::Said { count, .. } => Some(*count),
            Word::Again => None,
        })
    }

    fn fact(&mut self, now: u64, fact: &CallFact) {
        if let Process::Runs(heard) = &mut self.process {
            *heard = now;
        }
        match fact {
            CallFact::FarVerified { fingerprint } if self.certificates.contains(fingerprint) => {
                self.verified |= matches!(self.process, Process::Runs(_));
            }
            CallFact::Decoding { on: true, at_ms } if self.own_on.is_none() && self.verified => {
                let far = self.far(now).last().map_or(self.admitted, |(from, to)| if *to == FOREVER { *from } else { *to });
                self.own_on = Some((*at_ms).clamp(self.admitted, now).max(far).max(self.own.last().map_or(0, |(_, to)| *to)));
            }
            CallFact::Decoding { on: false, at_ms } => self.off((*at_ms).clamp(self.admitted, now)),
            CallFact::HungUp | CallFact::Trouble(Trouble::NotConnected | Trouble::Signalling | Trouble::Pipeline) => {
                self.off(now)
            }
            CallFact::FarAgain => {
                self.words.push(Word::Again);
                self.off(now);
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
        let mut out = self.far_before.clone();
        let mut on: Option<u64> = None;
        let (mut heard, mut decoded) = (self.granted, 0);
        for word in &self.words {
            let Word::Said { at, decoding, decoded_ms, not_before, .. } = word else {
                out.extend(on.take().map(|since| (since, heard)));
                continue;
            };
            if let Some(since) = on
                && at - heard >= 3000
            {
                out.push((since, heard));
                on = None;
            }
            let grown = decoded_ms.saturating_sub(decoded);
            match (on, decoding) {
                (None, true) => on = Some(at.saturating_sub(grown).max(heard).max(*not_before)),
                (Some(since), false) => {
                    out.push((since, heard.saturating_add(grown).min(*at)));
                    on = None;
                }
                _ => {}
            }
            (heard, decoded) = (*at, *decoded_ms);
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
