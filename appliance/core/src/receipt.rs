//! Owns: the receipt's figures, and the outcome that the screen shows of them.
//! Never: signs, or fills in the ledger's head (the arbiter does both).
//! Called by: edges (at the end), due (the open-visit record).

use crate::call::{Came, Closing, Doors, Why};
use crate::refusal::{EndReason, Next, Refusal};
use crate::state::{Last, State};
use crate::view::{Outcome, Phase};
use crate::visit::Visit;
use parloir_pass::{Bytes32, Gap, Id, Receipt, VERSION};

/// The fair clock in whole seconds, rounded to the nearest.
pub(crate) fn seconds(ms: u64) -> u32 {
    u32::try_from(ms.saturating_add(500) / 1000).unwrap_or(u32::MAX)
}

/// Of a call that is over.
pub(crate) fn seconds_counted(closing: &Closing) -> u32 {
    match &closing.came {
        Came::Admitted(visit) => seconds(visit.counted_ms(closing.ended_at)),
        Came::Unasked(_) | Came::Asked { .. } => 0,
    }
}

fn seconds_lost(visit: &Visit, ended_at: u64) -> u32 {
    seconds(visit.clock.gaps(ended_at).iter().map(|(from, to)| to - from).sum())
}

impl State {
    /// The receipt of a call that was asked for; `None` when nothing was asked of anybody.
    pub(crate) fn receipt_of(&self, closing: &Closing) -> Option<Receipt> {
        let ended_at = match closing.doors {
            Doors::Shut(at) => at,
            Doors::Waiting | Doors::Lost => closing.ended_at,
        };
        let mut receipt = match &closing.came {
            Came::Unasked(_) => return None,
            Came::Asked { at, .. } => self.blank(&closing.came, *at, ended_at),
            Came::Admitted(visit) => self.blank(&closing.came, visit.asked_at, ended_at),
        };
        if let Came::Admitted(visit) = &closing.came {
            fill(&mut receipt, visit, closing.ended_at);
        }
        closing.ending.why.name().clone_into(&mut receipt.reason);
        Some(receipt)
    }

    /// What the receipt would say if the box stopped now.
    pub(crate) fn record_of(&self, came: Came, now: u64) -> Receipt {
        let asked_at = match &came {
            Came::Admitted(visit) => visit.asked_at,
            Came::Asked { at, .. } => *at,
            Came::Unasked(_) => now,
        };
        let mut receipt = self.blank(&came, asked_at, now);
        if let Came::Admitted(visit) = &came {
            fill(&mut receipt, visit, now);
        }
        EndReason::PowerLost.name().clone_into(&mut receipt.reason);
        receipt
    }

    fn blank(&self, came: &Came, asked_at: u64, ended_at: u64) -> Receipt {
        let want = came.want();
        Receipt {
            v: VERSION,
            site: self.settings.site,
            device: self.settings.device,
            receipt: want.receipt,
            call: want.call,
            grant: None,
            person: want.person,
            contact: want.contact,
            class: want.class,
            asked_ms: 0,
            admitted_ms: None,
            first_decoded_here_ms: None,
            first_decoded_there_ms: None,
            ended_ms: ended_at.saturating_sub(asked_at),
            gaps: Vec::new(),
            seconds_counted: 0,
            frames_decoded: 0,
            width: 0,
            height: 0,
            reason: String::new(),
            wall_start: want.wall_start,
            ledger_head: Bytes32::default(),
            visitor_statement: None,
            regrants: Vec::new(),
            earlier_statements: Vec::new(),
        }
    }

    /// What the screen shows at the end; `None` when the person took the call back before anybody answered.
    pub(crate) fn outcome_of(&self, closing: &Closing) -> Option<(Phase, Outcome)> {
        let want = closing.came.want();
        let phase = match (closing.ending.why, &closing.came) {
            (Why::Ended(EndReason::PersonEnded), Came::Unasked(_) | Came::Asked { .. }) => return None,
            (Why::Ended(_), _) => Phase::Ended,
            (Why::Refused(_), _) => Phase::Refused,
        };
        let mut outcome = self.outcome(want.contact, closing.ending.why.name(), closing.ending.why.rule());
        outcome.name.clone_from(&want.name);
        outcome.staff_words.clone_from(&closing.ending.words);
        outcome.camera_shut = matches!(closing.doors, Doors::Shut(_));
        if !matches!(closing.came, Came::Unasked(_)) {
            outcome.receipt = Some(want.receipt);
        }
        if let Came::Admitted(visit) = &closing.came {
            outcome.seconds_counted = seconds_counted(closing);
            outcome.seconds_lost = seconds_lost(visit, closing.ended_at);
            outcome.recorded_by.clone_from(&visit.grant.recorded_by);
            outcome.both_sides = visit.jws().is_some() || visit.earlier_jws().next().is_some();
        }
        Some((phase, outcome))
    }

    /// A refusal that came before there was a call.
    pub(crate) fn refused_outcome(&self, contact: Id, refusal: &Refusal) -> Outcome {
        let mut outcome = self.outcome(contact, refusal.code.name(), refusal.code.rule());
        outcome.camera_shut = matches!(self.camera, crate::camera::Camera::Shut);
        if let Next::Window { from, to } = refusal.next {
            (outcome.next_from, outcome.next_to) = (from, to);
        }
        outcome
    }

    /// What the screen shows of a visit that a crash cut off. The record holds no name; the view takes it from the entitlement.
    pub(crate) fn recovered_outcome(&self, receipt: &Receipt, reason: EndReason) -> Last {
        let mut outcome = self.outcome(receipt.contact, reason.name(), reason.rule());
        outcome.seconds_counted = receipt.seconds_counted;
        outcome.seconds_lost = seconds(receipt.gaps.iter().map(|gap| gap.to_ms.saturating_sub(gap.from_ms)).sum());
        outcome.both_sides = receipt.visitor_statement.is_some() || !receipt.earlier_statements.is_empty();
        outcome.receipt = Some(receipt.receipt);
        outcome.camera_shut = matches!(self.camera, crate::camera::Camera::Shut);
        Last::Outcome { phase: Phase::Ended, call: receipt.call, outcome: Box::new(outcome) }
    }

    fn outcome(&self, contact: Id, code: &'static str, rule: &'static str) -> Outcome {
        let known = self.entitlement.as_ref().and_then(|e| e.contact(&contact));
        let (next_from, next_to) = known.map_or((0, 0), |c| self.window_of(c));
        Outcome {
            contact,
            name: known.map_or_else(String::new, |c| c.name.clone()),
            code,
            staff_words: String::new(),
            seconds_counted: 0,
            seconds_lost: 0,
            recorded_by: String::new(),
            camera_shut: false,
            both_sides: false,
            receipt: None,
            next_from,
            next_to,
            rule,
        }
    }
}

/// The visit's figures; all times in milliseconds since the Ask.
fn fill(receipt: &mut Receipt, visit: &Visit, ended_at: u64) {
    let since = |at: u64| at.saturating_sub(visit.asked_at);
    let mut grants = visit.earlier.iter().map(|earlier| earlier.grant).chain([visit.grant.grant]);
    receipt.grant = grants.next();
    receipt.regrants = grants.collect();
    receipt.earlier_statements = visit.earlier_jws().map(str::to_owned).collect();
    receipt.admitted_ms = Some(since(visit.admitted_at));
    receipt.first_decoded_here_ms = visit.first_here.map(since);
    receipt.first_decoded_there_ms = visit.first_there.map(since);
    receipt.gaps = visit.clock.gaps(ended_at).iter().map(|(from, to)| Gap { from_ms: since(*from), to_ms: since(*to) }).collect();
    receipt.seconds_counted = seconds(visit.counted_ms(ended_at));
    receipt.frames_decoded = visit.pictures.decoded();
    receipt.width = visit.pictures.width;
    receipt.height = visit.pictures.height;
    receipt.visitor_statement = visit.jws().map(str::to_owned);
}
