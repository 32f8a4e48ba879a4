//! Owns: one step: which event goes where, and the bus calls of screen and courier.
//! Never: a state change outside a table of a machine.
//! Called by: `State::step`.

use crate::call::{Call, Cause, Ending, Kind, Made, Stage, Want};
use crate::edges::What;
use crate::effect::{Answer, Effect, Entry, ToCall};
use crate::event::{Event, Fresh, GateFact, Owner, Request, Stroke};
use crate::maintenance;
use crate::refusal::{Code, EndReason, Refusal};
use crate::remote::{self, Needs, Remote};
use crate::session;
use crate::state::{Last, Life, Screen, State};
use crate::view::Phase;
use crate::visit::{Lets, Seat};
use parloir_pass::{Id, Media};

/// One step in the making.
pub(crate) struct Turn<'a> {
    pub state: &'a mut State,
    /// The time that counts: of the event, or of the deadline that is being dealt with.
    pub now: u64,
    pub effects: Vec<Effect>,
    pub verdict: Verdict,
}

/// What became of the event itself, apart from the deadlines before and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Verdict {
    Taken,
    Refused(Code),
}

/// Zero: an id of nothing.
pub(crate) const NO_ID: Id = Id([0; 16]);

impl Turn<'_> {
    pub(crate) fn run(&mut self, event: Event) {
        let now = self.now;
        self.expire(now);
        self.now = now;
        self.state.at = now;
        self.keys(|remote| remote.fade(now));
        if self.state.call.kind() != Kind::Idle || matches!(event, Event::Gate(GateFact::Key(_))) {
            self.state.session.touch(now);
        }
        self.verdict = Verdict::Taken;
        self.dispatch(event);
        self.state.verdict = self.verdict;
        self.expire(now);
        self.now = now;
        self.keep_record();
        let view = self.state.project();
        if view != self.state.shown {
            self.state.shown = view;
            self.push(Effect::ViewChanged);
        }
    }

    fn dispatch(&mut self, event: Event) {
        match event {
            Event::Tick { fresh } => self.request_time(fresh),
            Event::Authority(document) => self.authority(*document),
            Event::Policy(document) => self.policy(*document),
            Event::Entitlement(document) => self.entitlement(*document),
            Event::Agenda(document) => self.agenda(*document),
            Event::Time(document) => self.time(document),
            Event::Grant { grant, key, ticket, code } => self.grant(&grant, key, &ticket, code),
            Event::Deny(document) => self.deny(*document),
            Event::DenyRestored(target) => {
                self.deny_stands(target);
            }
            Event::Beat(beat) => self.beat(beat),
            Event::Statement { party, statement, jws } => self.statement(party, statement, jws),
            Event::Unverified { typ } => self.unverified(typ),
            Event::Online { up, fresh } => {
                self.state.online = up;
                self.request_time(fresh);
            }
            Event::Attach { request, caller } => self.attach(request, caller),
            Event::Focus { request, caller } => self.focus(request, caller),
            Event::FocusDropped { owner } => self.unfocus(&owner),
            Event::OwnerGone { owner } => self.owner_gone(&owner),
            Event::Place { request, caller, contact, video, serial, fresh } => {
                let media = if video { Media::Video } else { Media::Voice };
                self.place(request, &caller, contact, media, serial, fresh);
            }
            Event::Ring(ring) => self.ring(&ring),
            Event::AskAgain { call, fresh } => self.ask_again(call, fresh),
            Event::Answer { request, caller, ring, video, serial, fresh } => {
                let media = if video { Media::Video } else { Media::Voice };
                self.answer(request, &caller, ring, media, serial, fresh);
            }
            Event::Decline { request, caller: _, ring } => self.decline_ring(request, ring),
            Event::End { request, caller: _ } => {
                let rings = self.state.call.kind() == Kind::Ringing;
                let ending: Ending = if rings { Code::RingDeclined.into() } else { EndReason::PersonEnded.into() };
                self.end(Cause::EndPressed, ending);
                self.reply(request, Answer::Done);
            }
            Event::Let { request, caller, camera, microphone, serial } => {
                self.let_out(request, &caller, Lets { camera, microphone }, serial);
            }
            Event::Frames { request, caller } => self.frames(request, &caller),
            Event::Dismiss { request, caller } => self.dismiss(request, &caller),
            Event::SignIn { request, caller, tag, serial, nonce, dial } => {
                self.sign_in(request, &caller, tag, serial, nonce, dial);
            }
            Event::SignOut { request, caller } => self.sign_out(request, &caller),
            Event::Begin { request, caller, stage, version } => self.begin_maintenance(request, caller, stage, version),
            Event::LeaseDropped { owner } => self.lease_dropped(&owner, maintenance::Cause::HolderDone),
            Event::Report { request, version, word } => self.report(request, version, word),
            Event::Signalling { request, call } => {
                let runs = self.state.call.visit().is_some_and(|visit| visit.want.call == call);
                if runs {
                    self.push(Effect::HandSignalling { request, call });
                } else {
                    self.decline(request, Code::NoCall.into());
                }
            }
            Event::Gate(fact) => self.gate_fact(fact),
            Event::Call { call, fact } => self.call_fact(call, fact),
            Event::CertificateMade { call, fingerprint, commitment } => {
                self.certificate_made(call, Made { certificate: fingerprint, commitment });
            }
            Event::CertificateFailed { call } => {
                if self.state.call.want().is_some_and(|want| want.call == call) {
                    self.cross(Cause::NotStarted, What::End(Code::Internal.into()));
                }
            }
            Event::Stopping => self.stop(),
            Event::Recovered { receipt, rebooted } => self.recovered(*receipt, rebooted),
        }
    }

    fn dismiss(&mut self, request: Request, caller: &Owner) {
        if !self.is_screen(caller) {
            return self.decline(request, Code::NotScreen.into());
        }
        self.state.last = Last::Nothing;
        self.reply(request, Answer::Done);
    }

    // As if the person had ended it: doors shut, receipt written.
    fn stop(&mut self) {
        self.state.life = Life::Stopping;
        let rings = self.state.call.kind() == Kind::Ringing;
        let ending: Ending = if rings { Code::Stopping.into() } else { EndReason::BoxStopped.into() };
        self.end(Cause::Stopped, ending);
        self.shift(maintenance::Cause::Stopped, None);
    }

    pub(crate) fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(crate) fn reply(&mut self, request: Request, answer: Answer) {
        self.push(Effect::Reply { request, answer: Ok(answer) });
    }

    /// Writes a refusal down, once.
    pub(crate) fn refuse(&mut self, code: Code, call: Id) {
        self.verdict = Verdict::Refused(code);
        let person = self.state.concerned();
        self.push(Effect::Ledger(Entry::Refused { code, call, person }));
    }

    /// Refuses a bus call.
    pub(crate) fn decline(&mut self, request: Request, refusal: Refusal) {
        self.refuse(refusal.code, NO_ID);
        self.push(Effect::Reply { request, answer: Err(refusal) });
    }

    pub(crate) fn is_screen(&self, caller: &Owner) -> bool {
        matches!(&self.state.screen, Screen::Attached(owner) if owner == caller)
    }

    fn attach(&mut self, request: Request, caller: Owner) {
        if let Screen::Attached(old) = &self.state.screen
            && *old != caller
        {
            let old = old.clone();
            self.unfocus(&old);
        }
        self.state.screen = Screen::Attached(caller);
        if let Some(visit) = self.state.call.visit_mut() {
            visit.seat = Seat::Taken;
        }
        self.reply(request, Answer::View);
    }

    fn focus(&mut self, request: Request, caller: Owner) {
        if !self.is_screen(&caller) {
            self.keys(|_| Some(remote::Cause::FocusRefused));
            return self.decline(request, Code::NotScreen.into());
        }
        self.keys(|remote| Some(remote.take(caller.clone())));
        self.push(Effect::HandKeys { request, holder: caller });
    }

    fn unfocus(&mut self, owner: &Owner) {
        if self.state.remote.holder() == Some(owner) {
            self.keys(|remote| Some(remote.drop_holder()));
            self.push(Effect::TakeKeys { holder: owner.clone() });
        }
    }

    // Keys and screen are lost in this very step. A visit has 5 s for the next screen, so that a screen that is restarted does not end
    // it; an asking ends at once: no door may open that no screen shows.
    fn owner_gone(&mut self, owner: &Owner) {
        self.unfocus(owner);
        self.lease_dropped(owner, maintenance::Cause::HolderGone);
        if !self.is_screen(owner) {
            return;
        }
        self.state.screen = Screen::Nobody;
        self.admit(session::Cause::ScreenMissing, None);
        let now = self.now;
        match self.state.call.kind() {
            Kind::Asking | Kind::Ringing => self.end(Cause::ScreenMissing, EndReason::ScreenGone),
            Kind::Joining | Kind::Live | Kind::Held => {
                if let Some(visit) = self.state.call.visit_mut() {
                    visit.lose_seat(now);
                }
            }
            Kind::Idle | Kind::Closing => {}
        }
    }

    fn place(&mut self, request: Request, caller: &Owner, contact: Id, media: Media, serial: u64, fresh: Fresh) {
        match self.may_place(caller, contact, media, serial, fresh) {
            Ok(want) => {
                self.state.last = Last::Nothing;
                self.cross(Cause::PlaceAllowed, What::Want(Box::new(want)));
                self.reply(request, Answer::Placed(fresh.call));
            }
            Err(refusal) => {
                self.cross(Cause::PlaceRefused, What::Nothing);
                // Who is not the screen changes nothing on it.
                let shown = refusal.code != Code::NotScreen && self.state.call.kind() == Kind::Idle;
                if shown {
                    let outcome = self.state.refused_outcome(contact, &refusal);
                    self.state.last = Last::Outcome { phase: Phase::Refused, call: NO_ID, outcome: Box::new(outcome) };
                }
                self.decline(request, refusal);
            }
        }
    }

    /// Consent first: the serial is used up whatever the rest says. Contact, hours and policy: guard.rs.
    fn may_place(&mut self, caller: &Owner, contact: Id, media: Media, serial: u64, fresh: Fresh) -> Result<Want, Refusal> {
        if !self.is_screen(caller) {
            return Err(Code::NotScreen.into());
        }
        if self.quote(caller, serial, Needs::Ok).is_err() {
            return Err(Code::NoFreshKey.into());
        }
        let met = self.state.may_ask(contact, media)?;
        Ok(self.state.want(met, media, serial, None, fresh))
    }

    pub(crate) fn quote(&mut self, caller: &Owner, serial: u64, needs: Needs) -> Result<(), Code> {
        match self.keys(|remote| Some(remote.quote(caller, serial, needs))) {
            Some(remote::Cause::Quoted | remote::Cause::QuotedLast) => Ok(()),
            _ => Err(Code::NoFreshKey),
        }
    }

    /// Brings something to the machine `Remote`; what it was is answered, and kept as a row of its table.
    fn keys(&mut self, happens: impl FnOnce(&mut Remote) -> Option<remote::Cause>) -> Option<remote::Cause> {
        let before = self.state.remote.kind();
        let cause = happens(&mut self.state.remote)?;
        self.state.key_rows.push((before, cause, self.state.remote.kind()));
        Some(cause)
    }

    fn let_out(&mut self, request: Request, caller: &Owner, wanted: Lets, serial: u64) {
        if !self.is_screen(caller) {
            return self.decline(request, Code::NotScreen.into());
        }
        let Some(visit) = self.state.call.visit() else { return self.decline(request, Code::NoCall.into()) };
        let (call, had, video) = (visit.want.call, visit.wanted, visit.grant.media == Media::Video);
        if wanted.camera && !video {
            return self.decline(request, Code::MediaNotAllowed.into());
        }
        let more = (wanted.camera && !had.camera) || (wanted.microphone && !had.microphone);
        if more && self.quote(caller, serial, Needs::AnyKey).is_err() {
            return self.decline(request, Code::NoFreshKey.into());
        }
        if let Some(visit) = self.state.call.visit_mut() {
            visit.wanted = wanted;
        }
        self.push(Effect::SendToCall { call, message: ToCall::Let { camera: wanted.camera, microphone: wanted.microphone } });
        self.reply(request, Answer::Done);
    }

    fn frames(&mut self, request: Request, caller: &Owner) {
        if !self.is_screen(caller) {
            return self.decline(request, Code::NotScreen.into());
        }
        let asked = |call: &Call| match call {
            Call::Asking(asking) => matches!(asking.stage, Stage::Asked { .. }).then_some(asking.want.call),
            other => other.visit().map(|visit| visit.want.call),
        };
        match asked(&self.state.call) {
            Some(call) => self.push(Effect::HandFrames { request, call }),
            None => self.decline(request, Code::NoCall.into()),
        }
    }

    /// A key: to its holder, if there is one. The end key is counted here too, so that no screen that hangs or lies keeps a call.
    pub(crate) fn key(&mut self, press: crate::event::Press) {
        if self.withholds(press.stroke) {
            self.keys(|_| Some(remote::Cause::Withheld));
            return;
        }
        if press.stroke == Stroke::BackDown
            && let Some(end_key) = self.state.call.end_key_mut()
        {
            end_key.press(self.now);
        }
        let (now, mut to) = (self.now, None);
        self.keys(|remote| {
            let (cause, holder) = remote.press(now, press.serial, press.stroke);
            to = holder;
            Some(cause)
        });
        if let Some(holder) = to {
            self.push(Effect::RouteKey { holder, serial: press.serial });
        }
    }

    /// An ending of the call for a reason that has no words of staff.
    pub(crate) fn end(&mut self, cause: Cause, ending: impl Into<Ending>) {
        self.cross(cause, What::End(ending.into()));
    }
}

/// Whether the holder of the keys is the screen, or nobody is.
pub(crate) fn focus_is_screens(remote: &Remote, screen: &Screen) -> bool {
    match (remote.holder(), screen) {
        (None, _) => true,
        (Some(holder), Screen::Attached(owner)) => holder == owner,
        (Some(_), Screen::Nobody) => false,
    }
}
