//! Owns: incoming calls: may it ring, may this press answer it, and what is said when it is over.
//! Never: opens or asks anything by itself; an answer becomes an asking as a `Place` does.
//! Called by: turn, edges.

use crate::call::{Call, Cause, Ending, OpenTo, Ringing, Want, Why};
use crate::camera::Camera;
use crate::edges::What;
use crate::effect::{Answer, Effect, Entry, RingState};
use crate::event::{Fresh, Owner, Request};
use crate::guard::Direction;
use crate::maintenance::Maintenance;
use crate::refusal::{Code, Refusal};
use crate::remote::Needs;
use crate::state::{Last, Life, Screen, State};
use crate::time::{RING_AGE_S, RING_CATCH_MS, RING_MS};
use crate::turn::{NO_ID, Turn};
use crate::view::Phase;
use parloir_pass::{ClassRule, Id, Media, Ring};
use std::collections::VecDeque;

/// How long an id is remembered: a ring is taken for 60 s before and after its own time, so for 120 s at most.
const MEMORY_MS: u64 = 2 * RING_AGE_S as u64 * 1000 + 1000;
/// Most ids remembered; a facility that rings more often within two minutes is refused.
const MOST_RINGS: usize = 64;

/// Rings of the last two minutes, oldest first: a box rings once for each, whoever delivers it again.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Rung {
    seen: VecDeque<(Id, u64)>,
}

/// What an id is to the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    New,
    Again,
    /// No room to remember it: nobody could tell it from an old one.
    NoRoom,
}

impl Rung {
    fn note(&mut self, ring: Id, now: u64) -> Known {
        while self.seen.front().is_some_and(|(_, at)| now.saturating_sub(*at) > MEMORY_MS) {
            self.seen.pop_front();
        }
        if self.seen.iter().any(|(id, _)| *id == ring) {
            return Known::Again;
        }
        if self.seen.len() >= MOST_RINGS {
            return Known::NoRoom;
        }
        self.seen.push_back((ring, now));
        Known::New
    }
}

/// Why an answer is none.
enum NoAnswer {
    /// The ring goes on.
    GoesOn(Code),
    /// It cannot be answered any more.
    TooLate(Refusal),
}

impl State {
    fn may_ring(&self, ring: &Ring) -> Result<Ringing, Code> {
        // To who calls, a box that is being changed is busy.
        if self.maintenance != Maintenance::Idle {
            return Err(Code::Busy);
        }
        match (&self.call, self.camera) {
            (_, Camera::Absent) => return Err(Code::GateAbsent),
            (Call::Idle, Camera::Leased(_)) => return Err(Code::DoorsNotShut),
            (Call::Idle, Camera::Shut) => {}
            (_, Camera::Leased(_) | Camera::Shut) => return Err(Code::Busy),
        }
        if self.session.is_shut() {
            return self.may_ring_for_somebody(ring);
        }
        let (entitlement, contact) =
            self.may_meet(ring.contact, ring.media, Direction::Incoming).map_err(|refusal| refusal.code)?;
        if ring.person != entitlement.person {
            // To who calls, a TV that somebody else uses is busy.
            let cellmate = self.agenda.as_ref().is_some_and(|agenda| agenda.tag(&ring.person).is_some());
            return Err(if cellmate { Code::Busy } else { Code::NoContact });
        }
        if ring.class != contact.class {
            return Err(Code::ClassNotAllowed);
        }
        let name = contact.name.clone();
        self.ringing(ring, name)
    }

    /// Nobody is signed in: it rings for somebody of the cell, and names nobody. Whether they may be called by this contact, now, is judged
    /// when they are known.
    fn may_ring_for_somebody(&self, ring: &Ring) -> Result<Ringing, Code> {
        if self.life == Life::Stopping {
            return Err(Code::Stopping);
        }
        if !self.online {
            return Err(Code::Offline);
        }
        let lives_here = self.agenda.as_ref().is_some_and(|agenda| agenda.tag(&ring.person).is_some());
        if !lives_here {
            return Err(Code::NoContact);
        }
        if self.denied.names_contact(self.settings.device, ring.person, ring.contact) {
            return Err(Code::Denied);
        }
        self.ringing(ring, String::new())
    }

    fn ringing(&self, ring: &Ring, name: String) -> Result<Ringing, Code> {
        let now = self.wall_now().seconds().ok_or(Code::ClockUnknown)?;
        if now.abs_diff(ring.at) > RING_AGE_S.unsigned_abs() {
            return Err(Code::RingOld);
        }
        if self.screen == Screen::Nobody {
            return Err(Code::NoScreen);
        }
        let policy = self.policy.as_ref().ok_or(Code::NotReady)?;
        let rule = policy.rule(ring.class).filter(|_| ring.class.is_supported()).ok_or(Code::ClassNotAllowed)?;
        Ok(Ringing {
            ring: *ring,
            name,
            answer_from: self.at.saturating_add(RING_CATCH_MS),
            until: self.at.saturating_add(RING_MS),
            rule: rule.clone(),
            open_to: open_to(rule, &policy.site_name),
        })
    }
}

// The policy names nobody; what it allows is the site's.
fn open_to(rule: &ClassRule, site: &str) -> OpenTo {
    let who = |may: bool| if may { site.to_owned() } else { String::new() };
    OpenTo { recorded_by: who(rule.recording), watched_by: who(rule.monitoring) }
}

impl Turn<'_> {
    pub(crate) fn ring(&mut self, ring: &Ring) {
        let settings = &self.state.settings;
        if ring.site != settings.site || ring.device != settings.device {
            return self.refuse(Code::DocumentSite, ring.ring);
        }
        let may = match self.state.rung.note(ring.ring, self.now) {
            // Nobody is told: the first one goes its own way.
            Known::Again => return self.refuse(Code::RingStray, ring.ring),
            Known::NoRoom => Err(Code::Busy),
            Known::New => self.state.may_ring(ring),
        };
        match may {
            Ok(ringing) => {
                self.cross(Cause::RingAllowed, What::Ringing(Box::new(ringing)));
                self.push(Effect::Ledger(Entry::Rang { ring: ring.ring, person: ring.person, contact: ring.contact }));
                self.push(Effect::SendRing { ring: ring.ring, state: RingState::Ringing });
            }
            Err(code) => {
                self.cross(Cause::RingRefused, What::Nothing);
                // Without the ring's id: whoever keeps old rings can deliver them without end, and each must not be a row of its own.
                self.refuse(code, NO_ID);
                self.push(Effect::SendRing { ring: ring.ring, state: RingState::Over(code) });
            }
        }
    }

    /// A ring that was taken back before it came must not ring afterwards.
    pub(crate) fn forget_ring(&mut self, ring: Id) {
        let _ = self.state.rung.note(ring, self.now);
    }

    pub(crate) fn answer(&mut self, request: Request, caller: &Owner, ring: Id, media: Media, serial: u64, fresh: Fresh) {
        match self.may_answer(caller, ring, media, serial, fresh) {
            Ok(want) => {
                self.state.last = Last::Nothing;
                self.push(Effect::Ledger(Entry::Answered { ring, call: fresh.call }));
                self.push(Effect::SendRing { ring, state: RingState::Answered });
                self.cross(Cause::AnswerAllowed, What::Want(Box::new(want)));
                self.reply(request, Answer::Placed(fresh.call));
            }
            Err(NoAnswer::GoesOn(code)) => {
                self.cross(Cause::AnswerRefused, What::Nothing);
                self.decline(request, code.into());
            }
            Err(NoAnswer::TooLate(refusal)) => {
                self.end(Cause::AnswerTooLate, refusal.code);
                self.decline(request, refusal);
            }
        }
    }

    // As for a `Place`: consent first, then everything that allowed the ring once more.
    fn may_answer(&mut self, caller: &Owner, ring: Id, media: Media, serial: u64, fresh: Fresh) -> Result<Want, NoAnswer> {
        if !self.is_screen(caller) {
            return Err(NoAnswer::GoesOn(Code::NotScreen));
        }
        let ringing = match &self.state.call {
            Call::Ringing(ringing) if ringing.ring.ring == ring => ringing,
            _ => return Err(NoAnswer::GoesOn(Code::NoCall)),
        };
        if self.state.session.is_shut() {
            return Err(NoAnswer::GoesOn(Code::SignInFirst));
        }
        let (rung, from) = (ringing.ring, ringing.answer_from);
        if media > rung.media {
            return Err(NoAnswer::GoesOn(Code::MediaNotAllowed));
        }
        self.quote(caller, serial, Needs::OkSince(from)).map_err(NoAnswer::GoesOn)?;
        let met = self.state.may_meet(rung.contact, media, Direction::Incoming).map_err(NoAnswer::TooLate)?;
        let (entitlement, contact) = met;
        if entitlement.person != rung.person || contact.class != rung.class {
            return Err(NoAnswer::TooLate(Code::NoContact.into()));
        }
        Ok(self.state.want((entitlement, contact), media, serial, Some(ring), fresh))
    }

    /// Declining needs no key and is not refused to anybody, as hanging up.
    pub(crate) fn decline_ring(&mut self, request: Request, ring: Id) {
        let rings = matches!(&self.state.call, Call::Ringing(ringing) if ringing.ring.ring == ring);
        if rings {
            self.end(Cause::EndPressed, Code::RingDeclined);
            self.reply(request, Answer::Done);
        } else {
            self.decline(request, Code::NoCall.into());
        }
    }

    /// It rings no more and was not answered. The person is told who called, unless they declined; then the screen is what it was.
    pub(crate) fn ring_over(&mut self, ringing: &Ringing, ending: &Ending) {
        let ring = ringing.ring.ring;
        let code = ring_code(ending.why);
        self.push(Effect::Ledger(Entry::RingOver { ring, code }));
        self.push(Effect::SendRing { ring, state: RingState::Over(code) });
        let shown = match code {
            Code::RingDeclined => return,
            // What failed here is no matter of the person's: somebody called whom they could not answer.
            Code::NoScreen | Code::GateAbsent | Code::Stopping => Code::RingMissed,
            other => other,
        };
        let mut outcome = self.state.refused_outcome(ringing.ring.contact, &shown.into());
        outcome.name.clone_from(&ringing.name);
        outcome.staff_words.clone_from(&ending.words);
        match &self.state.entitlement {
            Some(known) if known.person == ringing.ring.person => {}
            // Somebody else of the cell is at the TV: it is no matter of theirs.
            Some(_) => return,
            None => outcome.name_nobody(),
        }
        self.state.last = Last::Outcome { phase: Phase::Refused, call: NO_ID, outcome: Box::new(outcome) };
    }

    /// Somebody signed in while it rings: it rings for them by name, or for nobody here any more.
    pub(crate) fn ring_for_who_came(&mut self) {
        let Call::Ringing(ringing) = &self.state.call else { return };
        let rung = ringing.ring;
        if !ringing.name.is_empty() {
            return;
        }
        let theirs = self.state.entitlement.as_ref().is_some_and(|known| known.person == rung.person);
        let met = self.state.may_meet(rung.contact, rung.media, Direction::Incoming).map_err(|refusal| refusal.code);
        let name = match met {
            _ if !theirs => Err(Code::Busy),
            Ok((_, contact)) if contact.class == rung.class => Ok(contact.name.clone()),
            Ok(_) => Err(Code::NoContact),
            Err(code) => Err(code),
        };
        match (name, &mut self.state.call) {
            (Ok(name), Call::Ringing(ringing)) => {
                ringing.name = name;
                ringing.answer_from = self.now.saturating_add(RING_CATCH_MS);
            }
            (Ok(_), _) => {}
            (Err(code), _) => self.end(Cause::AnswerTooLate, code),
        }
    }

    /// A call that was answered ends before anything was asked: the facility knows the ring only.
    pub(crate) fn answered_in_vain(&mut self, ring: Id, why: Why) {
        self.push(Effect::SendRing { ring, state: RingState::Over(ring_code(why)) });
    }
}

/// The code that the facility is told: a ring ends by refusals only.
fn ring_code(why: Why) -> Code {
    use crate::refusal::EndReason;
    match why {
        Why::Refused(code) => code,
        Why::Ended(EndReason::ScreenGone) => Code::NoScreen,
        Why::Ended(EndReason::BoxStopped) => Code::Stopping,
        Why::Ended(_) => Code::RingDeclined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_remembered_for_as_long_as_it_could_ring_again() {
        let mut rung = Rung::default();
        let id = Id([1; 16]);
        assert_eq!(rung.note(id, 0), Known::New);
        assert_eq!(rung.note(id, MEMORY_MS), Known::Again);
        assert_eq!(rung.note(id, MEMORY_MS + 1), Known::New);
    }

    #[test]
    fn without_room_to_remember_nothing_rings() {
        let mut rung = Rung::default();
        let id = |n: usize| Id((n as u128).to_le_bytes());
        assert!((0..MOST_RINGS).all(|n| rung.note(id(n), 0) == Known::New));
        assert_eq!(rung.note(id(MOST_RINGS), 0), Known::NoRoom);
        assert_eq!(rung.note(id(MOST_RINGS), MEMORY_MS + 1), Known::New);
    }
}
