//! Owns: the table of the machine `Session`: who is known at this TV, how they come to be, and when that is over.
//! Never: a verifier or a count of wrong codes (the facility has them); the name of anybody while nobody is signed in; an open door.
//! Called by: turn (`SignIn`, `SignOut`, keys), documents (policy, entitlement, deny), due, guard, project, tables, invariants.
//!
//! Where the policy asks for a code, the box has no entitlement but the one that answers a code of the moment (ADR 32).

use crate::call::{self, Kind as CallKind, named};
use crate::effect::{Answer, Effect, Entry};
use crate::event::{Owner, Request, Stroke};
use crate::hidden::Hidden;
use crate::maintenance::Maintenance;
use crate::refusal::{Code, EndReason};
use crate::remote::Needs;
use crate::state::{Last, Life, State};
use crate::time::{CODE_MS, IDLE_MS, VERIFY_MS};
use crate::turn::Turn;
use parloir_pass::shared::CODE_DIGITS;
use parloir_pass::{Entitlement, Id};

named! {
    /// The states.
    Kind {
        /// The site asks for no code: the box has one person, or no policy has come.
        Free,
        /// Nobody is signed in: nobody is named, and nobody can be called.
        Closed,
        /// A code is being entered; its keys go to nobody but the arbiter; 60 s after each at most.
        Entering,
        /// The facility has the code; 20 s at most.
        Asking,
        /// Somebody is signed in; until 5 min pass without a key or a call.
        Open,
    }
}

named! {
    /// What happened, with the guard's outcome in its name.
    Cause {
        /// A policy came that asks for a code.
        PolicyAsks,
        /// A policy came that asks for none.
        PolicyFree,
        /// `SignIn` with a fresh OK press, by somebody of the cell whose code the facility looks at.
        BeginAllowed,
        /// `SignIn`, and something stands against it.
        BeginRefused,
        /// A digit was entered or taken back, and the code is not whole.
        Digit,
        /// The last digit was entered.
        CodeWhole,
        /// An entitlement that answers the code, of the person whose it should be.
        PersonCame,
        /// Another entitlement of the same session.
        PersonAnew,
        /// An entitlement that answers nothing here.
        PersonStray,
        /// The facility says no to the code, or ends the session that began with it.
        Denied,
        /// `SignOut`, or Back where no digit is left.
        Left,
        /// The screen is gone.
        ScreenMissing,
        /// The state's own deadline.
        TimeUp,
    }
}

/// The table.
#[must_use]
#[rustfmt::skip]
pub const fn next(state: Kind, cause: Cause) -> Kind {
    use Cause::*;
    use Kind::*;
    match (state, cause) {
        (Free, PolicyAsks) => Closed,
        (Free, PolicyFree | BeginAllowed | BeginRefused | Digit | CodeWhole | PersonCame | PersonAnew | PersonStray | Denied | Left
            | ScreenMissing | TimeUp) => Free,

        (Closed, PolicyFree) => Free,
        (Closed, BeginAllowed) => Entering,
        (Closed, PolicyAsks | BeginRefused | Digit | CodeWhole | PersonCame | PersonAnew | PersonStray | Denied | Left | ScreenMissing
            | TimeUp) => Closed,

        (Entering, PolicyFree) => Free,
        (Entering, CodeWhole) => Asking,
        (Entering, Denied | Left | ScreenMissing | TimeUp) => Closed,
        (Entering, PolicyAsks | BeginAllowed | BeginRefused | Digit | PersonCame | PersonAnew | PersonStray) => Entering,

        (Asking, PolicyFree) => Free,
        (Asking, PersonCame) => Open,
        (Asking, Denied | Left | ScreenMissing | TimeUp) => Closed,
        (Asking, PolicyAsks | BeginAllowed | BeginRefused | Digit | CodeWhole | PersonAnew | PersonStray) => Asking,

        (Open, PolicyFree) => Free,
        (Open, Denied | Left | TimeUp) => Closed,
        (Open, PolicyAsks | BeginAllowed | BeginRefused | Digit | CodeWhole | PersonCame | PersonAnew | PersonStray | ScreenMissing) => Open,
    }
}

/// A state with what it owns.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Session {
    Free,
    Closed(Told),
    Entering(Entering),
    Asking(Asking),
    Open(Open),
}

/// What is told of the last try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Told {
    Nothing,
    Refused(Code),
}

/// A code in the making.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Entering {
    pub tag: u8,
    pub nonce: Id,
    /// Random: where the dial begins for each digit.
    pub dial: Hidden<[u8; 16]>,
    /// Digits taken in this entry, those taken back too: no place of the dial comes twice.
    pub taken: u8,
    /// How far the arrows moved the dial for the next digit.
    pub turned: Hidden<u8>,
    pub digits: Vec<Hidden<u8>>,
    pub until: u64,
}

/// The facility looks at it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Asking {
    pub tag: u8,
    pub nonce: Id,
    pub until: u64,
}

/// Somebody is known.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Open {
    pub tag: u8,
    /// Of the sign-in; it is the session's name.
    pub nonce: Id,
    pub person: Id,
    pub until: u64,
}

impl Session {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Free => Kind::Free,
            Self::Closed(_) => Kind::Closed,
            Self::Entering(_) => Kind::Entering,
            Self::Asking(_) => Kind::Asking,
            Self::Open(_) => Kind::Open,
        }
    }

    /// Nobody may be named now.
    pub(crate) fn is_shut(&self) -> bool {
        match self {
            Self::Free | Self::Open(_) => false,
            Self::Closed(_) | Self::Entering(_) | Self::Asking(_) => true,
        }
    }

    /// A key, or a call: who is signed in is there.
    pub(crate) fn touch(&mut self, now: u64) {
        if let Self::Open(open) = self {
            open.until = now.saturating_add(IDLE_MS);
        }
    }
}

impl Entering {
    /// The digit that the dial begins with.
    pub(crate) fn start(&self) -> u8 {
        let places = self.dial.0;
        places[usize::from(self.taken) % places.len()] % 10
    }
}

/// Until when the facility looks at no code of somebody: told by it, kept here so that the screen can say so. A tag stands once.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Locks {
    by_tag: Vec<(u8, u64)>,
}

impl Locks {
    /// Until when, of this tag; 0: not locked.
    pub(crate) fn until(&self, tag: u8, now: u64) -> u64 {
        self.by_tag.iter().find(|(of, until)| *of == tag && *until > now).map_or(0, |(_, until)| *until)
    }

    fn lock(&mut self, tag: u8, until: u64) {
        self.by_tag.retain(|(of, _)| *of != tag);
        self.by_tag.push((tag, until));
    }
}

impl State {
    /// The session's own deadline, milliseconds; who is in a call needs no key.
    pub(crate) fn session_due(&self) -> Option<u64> {
        match &self.session {
            Session::Free | Session::Closed(_) => None,
            Session::Entering(entering) => Some(entering.until),
            Session::Asking(asking) => Some(asking.until),
            Session::Open(open) => (self.call.kind() == CallKind::Idle).then_some(open.until),
        }
    }

    fn may_sign_in(&self, tag: u8) -> Result<(), Code> {
        if self.life == Life::Stopping {
            return Err(Code::Stopping);
        }
        if self.maintenance != Maintenance::Idle {
            return Err(Code::Updating);
        }
        match self.call.kind() {
            CallKind::Idle | CallKind::Ringing => {}
            CallKind::Asking | CallKind::Joining | CallKind::Live | CallKind::Held | CallKind::Closing => return Err(Code::Busy),
        }
        let known = self.agenda.as_ref().is_some_and(|agenda| agenda.person(tag).is_some());
        if self.session.kind() != Kind::Closed || !known {
            return Err(Code::NoSignIn);
        }
        if !self.online {
            return Err(Code::Offline);
        }
        if self.locks.until(tag, self.at) > 0 { Err(Code::SignInLocked) } else { Ok(()) }
    }

    /// What an entitlement is to the session.
    fn weigh(&self, entitlement: &Entitlement) -> Cause {
        let whose = |tag| self.agenda.as_ref().and_then(|agenda| agenda.person(tag));
        match &self.session {
            Session::Free if entitlement.answers.is_none() => Cause::PersonAnew,
            Session::Asking(asking)
                if entitlement.answers == Some(asking.nonce) && whose(asking.tag) == Some(entitlement.person) =>
            {
                Cause::PersonCame
            }
            Session::Open(open) if entitlement.answers == Some(open.nonce) && open.person == entitlement.person => {
                Cause::PersonAnew
            }
            Session::Free | Session::Closed(_) | Session::Entering(_) | Session::Asking(_) | Session::Open(_) => {
                Cause::PersonStray
            }
        }
    }
}

impl Turn<'_> {
    /// Somebody of the cell wants to enter their code. Consent first, as for a call: no screen begins this by itself.
    pub(crate) fn sign_in(&mut self, request: Request, caller: &Owner, tag: u8, serial: u64, nonce: Id, dial: Hidden<[u8; 16]>) {
        let may = if !self.is_screen(caller) {
            Err(Code::NotScreen)
        } else if self.quote(caller, serial, Needs::Ok).is_err() {
            Err(Code::NoFreshKey)
        } else {
            self.state.may_sign_in(tag)
        };
        if let Err(code) = may {
            self.admit(Cause::BeginRefused, None);
            return self.decline(request, code.into());
        }
        let (taken, turned, digits) = (0, Hidden(0), Vec::new());
        let until = self.now.saturating_add(CODE_MS);
        self.admit(Cause::BeginAllowed, Some(Session::Entering(Entering { tag, nonce, dial, taken, turned, digits, until })));
        self.reply(request, Answer::Done);
    }

    /// Leaving needs no key and is not refused to the screen, as hanging up; a call ends with it.
    pub(crate) fn sign_out(&mut self, request: Request, caller: &Owner) {
        if !self.is_screen(caller) {
            return self.decline(request, Code::NotScreen.into());
        }
        self.admit(Cause::Left, None);
        self.reply(request, Answer::Done);
    }

    /// Whether a key motion belongs to a code, and so goes to nobody. A digit never goes to a screen where codes are made of them: one
    /// that was taken over could ask for a code by itself.
    pub(crate) fn withholds(&mut self, stroke: Stroke) -> bool {
        let now = self.now;
        if let Session::Entering(entering) = &mut self.state.session {
            entering.until = now.saturating_add(CODE_MS);
            match stroke {
                Stroke::Digit(digit) => self.digit(digit),
                Stroke::Step(Hidden(by)) => entering.turned = Hidden(entering.turned.0.saturating_add(by) % 10),
                Stroke::OkDown => {
                    let digit = Hidden((entering.start() + entering.turned.0) % 10);
                    self.digit(digit);
                }
                Stroke::BackDown => self.digit_back(),
                Stroke::NotDown | Stroke::DigitUp => {}
                Stroke::OtherDown => return false,
            }
            return true;
        }
        let asks = self.state.policy.as_ref().is_some_and(|policy| policy.sign_in);
        asks && matches!(stroke, Stroke::Digit(_) | Stroke::DigitUp)
    }

    fn digit(&mut self, digit: Hidden<u8>) {
        let Session::Entering(entering) = &mut self.state.session else { return };
        entering.digits.push(Hidden(digit.0 % 10));
        (entering.taken, entering.turned) = (entering.taken.wrapping_add(1), Hidden(0));
        let (tag, nonce) = (entering.tag, entering.nonce);
        let Ok(code) = <[Hidden<u8>; CODE_DIGITS]>::try_from(entering.digits.as_slice()) else {
            return self.admit(Cause::Digit, None);
        };
        let until = self.now.saturating_add(VERIFY_MS);
        self.admit(Cause::CodeWhole, Some(Session::Asking(Asking { tag, nonce, until })));
        self.push(Effect::SendSignIn { nonce, tag, code: Hidden(code.map(|digit| digit.0)) });
    }

    fn digit_back(&mut self) {
        let Session::Entering(entering) = &mut self.state.session else { return };
        entering.turned = Hidden(0);
        let cause = if entering.digits.pop().is_some() { Cause::Digit } else { Cause::Left };
        self.admit(cause, None);
    }

    /// An entitlement that fits this box: whether it is the session's, or the one of a box that asks for no code.
    pub(crate) fn person(&mut self, entitlement: &Entitlement) -> bool {
        let cause = self.state.weigh(entitlement);
        match (cause, &self.state.session) {
            (Cause::PersonCame, Session::Asking(asking)) => {
                let (tag, nonce, person) = (asking.tag, asking.nonce, entitlement.person);
                let until = self.now.saturating_add(IDLE_MS);
                self.admit(cause, Some(Session::Open(Open { tag, nonce, person, until })));
            }
            (Cause::PersonStray, _) => {
                self.admit(cause, None);
                self.refuse(Code::EntitlementStray, crate::turn::NO_ID);
                return false;
            }
            (_, Session::Open(_)) => self.admit(cause, None),
            // Without a code there is no session to begin.
            _ => {}
        }
        true
    }

    /// The facility's no to a code, or to the session that began with it.
    pub(crate) fn session_denied(&mut self, nonce: Id, wait_s: u32, code: Code) {
        match &self.state.session {
            Session::Asking(asking) if asking.nonce == nonce => {
                let tag = asking.tag;
                if wait_s > 0 {
                    self.state.locks.lock(tag, self.now.saturating_add(u64::from(wait_s) * 1000));
                }
                self.admit(Cause::Denied, Some(Session::Closed(Told::Refused(code))));
                let whose = self.state.agenda.as_ref().and_then(|agenda| agenda.person(tag));
                let (call, person) = (crate::turn::NO_ID, whose.unwrap_or_default());
                self.push(Effect::Ledger(Entry::Refused { code, call, person }));
            }
            Session::Open(open) if open.nonce == nonce => self.admit(Cause::Denied, None),
            Session::Free | Session::Closed(_) | Session::Entering(_) | Session::Asking(_) | Session::Open(_) => {}
        }
    }

    pub(crate) fn session_time_up(&mut self) {
        let told = match &self.state.session {
            Session::Asking(_) => Told::Refused(Code::NoAnswer),
            Session::Free | Session::Closed(_) | Session::Entering(_) | Session::Open(_) => Told::Nothing,
        };
        self.admit(Cause::TimeUp, Some(Session::Closed(told)));
    }

    /// Brings a cause to the table and crosses the edge that it names, if any; `to` is the state there, where it owns anything.
    pub(crate) fn admit(&mut self, cause: Cause, to: Option<Session>) {
        let before = self.state.session.kind();
        let after = next(before, cause);
        self.state.session_rows.push((before, cause, after));
        if before == after {
            return;
        }
        let to = match (after, to) {
            (Kind::Free, _) => Session::Free,
            (_, Some(to)) if to.kind() == after => to,
            // A crossing for which the data is missing is a defect of ours: nobody is known.
            (Kind::Closed | Kind::Entering | Kind::Asking | Kind::Open, _) => Session::Closed(Told::Nothing),
        };
        let old = core::mem::replace(&mut self.state.session, to);
        match old {
            Session::Asking(_) => self.push(Effect::ForgetSignIn),
            Session::Open(open) => {
                self.forget_person(cause);
                self.push(Effect::Ledger(Entry::SignedOut { person: open.person, why: cause.name() }));
            }
            Session::Free => self.forget_person(cause),
            Session::Closed(_) | Session::Entering(_) => {}
        }
        if let Session::Open(open) = &self.state.session {
            let person = open.person;
            self.state.last = Last::Nothing;
            self.push(Effect::Ledger(Entry::SignedIn { person }));
        }
    }

    /// Whoever was known is not any more: their call ends, and nothing of theirs stays.
    fn forget_person(&mut self, cause: Cause) {
        self.state.entitlement = None;
        let by_person = cause == Cause::Left;
        let (ends, reason) = if by_person {
            (call::Cause::EndPressed, EndReason::PersonEnded)
        } else {
            (call::Cause::DenyHits, EndReason::Revoked)
        };
        match self.state.call.kind() {
            CallKind::Idle | CallKind::Closing => {}
            CallKind::Ringing => self.end(ends, Code::SignInFirst),
            CallKind::Asking | CallKind::Joining | CallKind::Live | CallKind::Held => self.end(ends, reason),
        }
        self.state.last = Last::Nothing;
    }
}
