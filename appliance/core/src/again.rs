//! Owns: what brings a visit back under its call: a page that starts anew, another grant for the time that is left, a call process that
//! fell silent.
//! Never: extends anything: no minute more, no person else, no door without gate's own ticket.
//! Called by: turn, facts, documents, due.

use crate::call::Cause;
use crate::camera;
use crate::edges::What;
use crate::effect::{Effect, Entry, ToGate};
use crate::refusal::{Code, EndReason};
use crate::time::{AGAIN_EVERY_MS, AGAINS, NONCE_MS, RECALLS};
use crate::turn::Turn;
use crate::visit::{Admission, Again, Pending, Privacy, Process};
use parloir_pass::{Ask, Id};

impl Turn<'_> {
    /// The far side lost its session: another offer, as often as a visit may have one.
    pub(crate) fn far_again(&mut self) {
        let now = self.now;
        let Some(visit) = self.state.call.visit_mut() else { return };
        visit.all_off(now);
        self.cross(Cause::FarAgain, What::Nothing);
        self.keep_hold();
        self.recall();
    }

    /// Offers anew, unless that was done too often.
    pub(crate) fn recall(&mut self) {
        let Some(visit) = self.state.call.visit_mut() else { return };
        if visit.recalls < RECALLS && self.state.camera.kind() == camera::Kind::Open {
            visit.recalls += 1;
            self.send_plan();
        }
    }

    /// The facility's hint that the page has another certificate. It is not signed: all that it does is that the box asks, and that seldom.
    /// In a private visit not at all: this box has shown its half of the code, and a page that knows it could choose the next code.
    pub(crate) fn ask_again(&mut self, call: Id, nonce: Id) {
        let now = self.now;
        let ours = self
            .state
            .call
            .visit_mut()
            .filter(|visit| visit.privacy == Privacy::Open && visit.want.call == call && visit.again.may_ask(now));
        let Some(visit) = ours else { return self.refuse(Code::AgainStray, call) };
        let ask = Ask { nonce, regrant: Some(visit.grant.grant), ..visit.ask.clone() };
        let count = visit.again.asked + 1;
        visit.again = Again {
            asked: count,
            not_before: now.saturating_add(AGAIN_EVERY_MS),
            pending: Pending::Asked { ask: ask.clone(), until: now.saturating_add(NONCE_MS) },
        };
        self.push(Effect::Ledger(Entry::AskedAgain { call, count }));
        self.push(Effect::SendAsk(Box::new(ask)));
    }

    /// Another grant takes the place of the one before: the far side begins anew, the time does not.
    pub(crate) fn regranted(&mut self, admission: Admission) {
        let now = self.now;
        let Some(visit) = self.state.call.visit_mut() else { return };
        visit.all_off(now);
        let (call, replaced, grant) = (visit.want.call, visit.grant.grant, admission.grant.grant);
        visit.take_grant(admission, now);
        self.cross(Cause::RegrantFits, What::Nothing);
        self.begin_wait_anew();
        self.write_record();
        self.push(Effect::Ledger(Entry::Regranted { call, grant, replaced }));
        self.keep_hold();
        if self.state.camera.kind() == camera::Kind::Open {
            self.send_plan();
        }
    }

    /// No other grant: the visit stays what it was.
    pub(crate) fn not_regranted(&mut self, code: Code) {
        let Some(visit) = self.state.call.visit_mut() else { return };
        visit.again.pending = Pending::Nothing;
        let call = visit.want.call;
        self.cross(Cause::RegrantUnfit, What::Nothing);
        self.refuse(code, call);
    }

    /// Nothing came from the call process for 4 s although its doors are open: it is as good as dead.
    pub(crate) fn process_silent(&mut self) {
        let Some(visit) = self.state.call.visit() else { return };
        let (lease, heard) = (visit.want.call, visit.process.last_word(self.now));
        self.doors(camera::Cause::CallGone, lease, (false, false));
        self.process_lost(lease, heard);
    }

    /// The process of open doors is gone since `since`: gate starts another, at most three times.
    pub(crate) fn process_lost(&mut self, lease: Id, since: u64) {
        let now = self.now;
        let Some(visit) = self.state.call.visit_mut() else { return };
        visit.process_gone();
        visit.own_decoding(false, since, now);
        if !visit.may_relaunch() {
            return self.end(Cause::ProcessSpent, EndReason::CallFailed);
        }
        visit.relaunched += 1;
        let count = visit.relaunched;
        self.cross(Cause::ProcessDied, What::Nothing);
        self.push(Effect::Ledger(Entry::Relaunched { call: lease, count }));
        self.to_gate(ToGate::Relaunch { lease });
    }
}

impl Again {
    fn may_ask(&self, now: u64) -> bool {
        matches!(self.pending, Pending::Nothing) && self.asked < AGAINS && now >= self.not_before
    }
}

impl Process {
    /// When it was heard last; `now` of one that does not run.
    fn last_word(&self, now: u64) -> u64 {
        match self {
            Self::Runs { heard } => *heard,
            Self::Down => now,
        }
    }
}
