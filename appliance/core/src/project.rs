//! Owns: the projection of the state into the view.
//! Never: shows what was pressed; only what has happened.
//! Called by: turn, after each step.

use crate::call::{Call as Machine, Kind, Ringing, Want};
use crate::camera::{Camera, Leased, LeasedState};
use crate::maintenance;
use crate::receipt::seconds;
use crate::session::{self, Session, Told};
use crate::state::{Clock, Last, State};
use crate::view::{Booking, Call, Contact, Network, Occupant, Outcome, Phase, SignIn, View};
use crate::visit::Visit;
use parloir_pass::shared::CODE_DIGITS;
use parloir_pass::{Class, Id, Media};

impl State {
    pub(crate) fn project(&self) -> View {
        let (phase, outcome) = self.phase();
        // Who comes before the policy may be somebody whom a code must let in.
        let known = self.entitlement.as_ref().filter(|_| self.policy.is_some() && !self.session.is_shut());
        let site = self.policy.as_ref().and_then(|p| p.languages.first()).filter(|_| self.session.is_shut());
        View {
            phase,
            person: known.map_or_else(String::new, |e| e.name.clone()),
            language: known.map(|e| &e.language).or(site).map_or_else(|| "en".to_owned(), String::clone),
            online: self.online,
            clock_trusted: matches!(self.clock, Clock::Trusted { .. }),
            clock_offset_ms: self.clock_offset_ms(),
            zone_minutes: self.policy.as_ref().map_or(0, |p| p.zone_minutes),
            contacts: known.map_or_else(Vec::new, |e| e.contacts.iter().map(|c| self.contact(c)).collect()),
            next_visit: known.and_then(|_| self.next_visit()),
            call: self.show(),
            outcome,
            sign_in: self.show_sign_in(),
            maintenance: self.maintenance.kind().word(),
            update: self.update.word(),
        }
    }

    fn phase(&self) -> (Phase, Option<crate::view::Outcome>) {
        let shut = self.session.is_shut();
        let phase = match self.call.kind() {
            Kind::Idle | Kind::Ringing if self.session.kind() == session::Kind::Entering => Phase::Code,
            Kind::Idle | Kind::Ringing if self.session.kind() == session::Kind::Asking => Phase::Checking,
            Kind::Ringing => Phase::Ringing,
            // Whoever reads how the last call ended is told that the screen goes dark, by the home screen.
            Kind::Idle if self.maintenance.kind() == maintenance::Kind::Restarting => Phase::Home,
            Kind::Idle => match &self.last {
                Last::Outcome { phase, outcome, .. } => return (*phase, Some(self.named((**outcome).clone()))),
                Last::Nothing if shut && self.agenda.is_some() => Phase::SignIn,
                Last::Nothing if self.policy.is_none() || self.entitlement.is_none() => Phase::Starting,
                Last::Nothing => Phase::Home,
            },
            Kind::Asking => Phase::Asking,
            Kind::Joining => Phase::Joining,
            Kind::Live => Phase::Live,
            Kind::Held => Phase::Held,
            Kind::Closing => Phase::Closing,
        };
        (phase, None)
    }

    // The outcome of a visit that a crash cut off is there before the entitlement, which has the name and the hours.
    fn named(&self, mut outcome: Outcome) -> Outcome {
        if outcome.name.is_empty()
            && let Some(contact) = self.entitlement.as_ref().and_then(|e| e.contact(&outcome.contact))
        {
            outcome.name.clone_from(&contact.name);
            (outcome.next_from, outcome.next_to) = self.window_of(contact);
        }
        outcome
    }

    fn show_sign_in(&self) -> Option<SignIn> {
        let agenda = self.agenda.as_ref().filter(|_| self.session != Session::Free)?;
        let occupant = |one: &parloir_pass::Occupant| Occupant { tag: one.tag, locked_until: self.locks.until(one.tag, self.at) };
        let mut shown = SignIn { people: agenda.people.iter().map(occupant).collect(), ..SignIn::default() };
        match &self.session {
            Session::Free | Session::Closed(Told::Nothing) => {}
            Session::Closed(Told::Refused(code)) => shown.told = code.name(),
            Session::Entering(entering) => {
                (shown.tag, shown.start) = (entering.tag, entering.start());
                shown.dots = u8::try_from(entering.digits.len()).unwrap_or(u8::MAX);
            }
            Session::Asking(asking) => (shown.tag, shown.dots) = (asking.tag, CODE_DIGITS as u8),
            Session::Open(open) => shown.tag = open.tag,
        }
        if let Machine::Ringing(ringing) = &self.call
            && self.session.is_shut()
        {
            shown.rings_for = agenda.tag(&ringing.ring.person).unwrap_or(0);
        }
        Some(shown)
    }

    fn show(&self) -> Option<Call> {
        let shown = match &self.call {
            Machine::Ringing(ringing) => Some(show_ringing(ringing)),
            other => other.want().map(|want| self.show_call(want)),
        };
        // A ring before its person is known, and the end of a visit whose person is not any more.
        shown.map(|call| if self.session.is_shut() { Call { id: call.id, incoming: call.incoming, ..nobody() } } else { call })
    }

    fn clock_offset_ms(&self) -> i64 {
        match self.clock {
            Clock::Trusted { unix_ms, at } => unix_ms.saturating_sub(i64::try_from(at).unwrap_or(i64::MAX)),
            Clock::Unknown | Clock::Requested { .. } => 0,
        }
    }

    fn contact(&self, contact: &parloir_pass::Contact) -> Contact {
        let (window_from, window_to) = self.window_of(contact);
        Contact {
            id: contact.id,
            name: contact.name.clone(),
            class: contact.class.name().to_owned(),
            media: contact.media.name().to_owned(),
            why_not: self.may_ask(contact.id, contact.media).err().map(|refusal| refusal.code),
            window_from,
            window_to,
        }
    }

    fn next_visit(&self) -> Option<Booking> {
        let now = self.wall_now().seconds()?;
        let booking = self.entitlement.as_ref()?.next_booking(now)?;
        Some(Booking { contact: booking.contact, from: booking.from, to: booking.to })
    }

    fn show_call(&self, want: &Want) -> Call {
        let mut call = blank(want.call, want.contact, &want.name, want.class, want.media);
        call.incoming = want.ring.is_some();
        match &self.call {
            Machine::Closing(closing) => {
                if let crate::call::Came::Admitted(visit) = &closing.came {
                    self.show_visit(&mut call, visit, closing.ended_at);
                }
            }
            other => {
                if let Some(visit) = other.visit() {
                    self.show_visit(&mut call, visit, self.at);
                    call.renewal_late = visit.renewal_late(self.at);
                    call.code = visit.code().map_or_else(String::new, |code| format!("{code:06}"));
                }
            }
        }
        call
    }

    fn show_visit(&self, call: &mut Call, visit: &Visit, at: u64) {
        let counted = visit.counted_ms(at);
        call.seconds_counted = u32::try_from(counted / 1000).unwrap_or(u32::MAX);
        let left = visit.slot_ms.saturating_sub(counted).min(visit.lease_until.saturating_sub(at));
        call.seconds_left = seconds(left);
        call.recorded_by.clone_from(&visit.grant.recorded_by);
        call.watched_by.clone_from(&visit.grant.watched_by);
        call.price.clone_from(&visit.grant.price);
        call.network = visit.network;
        let Camera::Leased(Leased { state: LeasedState::Open { camera, microphone }, .. }) = self.camera else { return };
        // Rather too much than too little: what the person lets out counts as leaving although call says that it does not, and what they
        // took back until call says that it does no more; only what call reports as broken does not leave.
        let flows = visit.far_verified && !visit.holding;
        let leaves = |open: bool, wanted: bool, says: bool, broken: bool| flows && open && (wanted || says) && !broken;
        call.camera = leaves(camera, visit.wanted.camera, visit.lets.camera, visit.broken.camera);
        call.microphone = leaves(microphone, visit.wanted.microphone, visit.lets.microphone, visit.broken.microphone);
    }
}

/// A call that names nobody, and says not even of which class it is.
fn nobody() -> Call {
    Call { class: String::new(), media: String::new(), ..blank(Id::default(), Id::default(), "", Class::Family, Media::Voice) }
}

/// A call of which nothing more is known than who wants what.
fn blank(id: Id, contact: Id, name: &str, class: Class, media: Media) -> Call {
    Call {
        id,
        contact,
        name: name.to_owned(),
        class: class.name().to_owned(),
        incoming: false,
        media: media.name().to_owned(),
        seconds_left: 0,
        seconds_counted: 0,
        camera: false,
        microphone: false,
        recorded_by: String::new(),
        watched_by: String::new(),
        network: Network::Unknown,
        price: String::new(),
        renewal_late: false,
        code: String::new(),
    }
}

/// What the policy says of such a call; the grant will say it of this one.
fn show_ringing(ringing: &Ringing) -> Call {
    let ring = &ringing.ring;
    Call {
        incoming: true,
        seconds_left: ringing.rule.longest_s,
        recorded_by: ringing.open_to.recorded_by.clone(),
        watched_by: ringing.open_to.watched_by.clone(),
        price: ringing.rule.price.clone(),
        ..blank(ring.ring, ring.contact, &ringing.name, ring.class, ring.media)
    }
}
