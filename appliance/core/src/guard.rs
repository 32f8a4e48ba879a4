//! Owns: the judgements: may this be asked, does this grant fit.
//! Never: changes anything.
//! Called by: events (before they bring a cause to a table), project (why a contact cannot be called now).

use crate::call::{Call, Stage, Want};
use crate::camera::Camera;
use crate::event::{Fresh, TicketFacts};
use crate::maintenance::Maintenance;
use crate::refusal::{Code, Next, Refusal};
use crate::state::{Life, State};
use crate::time::Wall;
use crate::visit::{Admission, Pending, Privacy, Visit};
use parloir_pass::rules::{Bounds, grant_within};
use parloir_pass::{Ask, Broken, Bytes32, Contact, Entitlement, Grant, Id, Media, Role};

/// Who calls whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The person calls.
    Outgoing,
    /// The person is called, or answers.
    Incoming,
}

/// A grant with what the arbiter found out about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brought<'a> {
    pub grant: &'a Grant,
    pub key: Bytes32,
    pub ticket: &'a TicketFacts,
    pub code: Option<u32>,
}

/// What a grant is.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
pub(crate) enum Judged {
    /// It answers the pending question and keeps every rule.
    Fits(Admission),
    /// It answers the pending question and breaks a rule.
    Unfit(Code),
    /// It answers a visit's question for another grant, keeps every rule and extends nothing.
    RegrantFits(Admission),
    /// It answers that question, and breaks a rule or extends.
    RegrantUnfit(Code),
    /// It answers nothing that is pending.
    Stray,
}

impl State {
    /// Whether the facility would be asked for a call with this contact: everything but the key and the focus.
    pub(crate) fn may_ask(&self, contact: Id, media: Media) -> Result<(&Entitlement, &Contact), Refusal> {
        if self.maintenance != Maintenance::Idle {
            return Err(Code::Updating.into());
        }
        match self.camera {
            Camera::Absent => return Err(Code::GateAbsent.into()),
            Camera::Leased(_) if matches!(self.call, Call::Idle) => return Err(Code::DoorsNotShut.into()),
            Camera::Leased(_) | Camera::Shut => {}
        }
        if !matches!(self.call, Call::Idle) {
            return Err(Code::Busy.into());
        }
        self.may_meet(contact, media, Direction::Outgoing)
    }

    /// What is wanted, once it is allowed: by pressing on a contact (no `ring`) or by answering one that rings.
    pub(crate) fn want(&self, met: (&Entitlement, &Contact), media: Media, serial: u64, ring: Option<Id>, fresh: Fresh) -> Want {
        let (entitlement, contact) = met;
        Want {
            call: fresh.call,
            nonce: fresh.nonce,
            receipt: fresh.receipt,
            person: entitlement.person,
            contact: contact.id,
            name: contact.name.clone(),
            class: contact.class,
            media,
            serial,
            ring,
            wall_start: self.wall_now().seconds().unwrap_or(0),
        }
    }

    /// Whether documents, network, revocations and hours allow a call with this contact.
    pub(crate) fn may_meet(&self, contact: Id, media: Media, direction: Direction) -> Result<(&Entitlement, &Contact), Refusal> {
        if self.life == Life::Stopping {
            return Err(Code::Stopping.into());
        }
        if self.session.is_shut() {
            return Err(Code::SignInFirst.into());
        }
        let (Some(authority), Some(policy), Some(entitlement)) = (&self.authority, &self.policy, &self.entitlement) else {
            return Err(Code::NotReady.into());
        };
        if !self.online {
            return Err(Code::Offline.into());
        }
        if self.denied.names_contact(self.settings.device, entitlement.person, contact) {
            return Err(Code::Denied.into());
        }
        let contact = entitlement.contact(&contact).ok_or(Code::NoContact)?;
        match direction {
            Direction::Outgoing if !contact.outgoing => return Err(Code::NotOutgoing.into()),
            Direction::Incoming if !contact.incoming => return Err(Code::NotIncoming.into()),
            Direction::Outgoing | Direction::Incoming => {}
        }
        let rule = policy.rule(contact.class).filter(|_| contact.class.is_supported()).ok_or(Code::ClassNotAllowed)?;
        if authority.longest_s(Role::Grant, contact.class) == 0 {
            return Err(Code::ClassNotAllowed.into());
        }
        if media > contact.media || (media == Media::Video && !rule.video) {
            return Err(Code::MediaNotAllowed.into());
        }
        self.in_window(contact)?;
        Ok((entitlement, contact))
    }

    // A window can be judged only by a clock that is believed; without one the facility alone judges, whose grant is fresh by our nonce.
    fn in_window(&self, contact: &Contact) -> Result<(), Refusal> {
        let outside = |next| Err(Refusal { code: Code::OutsideWindow, next: Next::from_window(next) });
        match self.wall_now().seconds() {
            Some(now) if contact.open_window(now).is_none() => outside(contact.next_window(now).as_ref()),
            None if contact.windows.is_empty() => outside(None),
            Some(_) | None => Ok(()),
        }
    }

    /// The window that is open with a contact, or the next one.
    pub(crate) fn window_of(&self, contact: &Contact) -> (i64, i64) {
        let known = self.wall_now().seconds().and_then(|now| contact.open_window(now).or_else(|| contact.next_window(now)));
        known.map_or((0, 0), |w| (w.from, w.to))
    }

    /// Whether this grant answers the pending question, of an asking or of a visit, and keeps every rule.
    pub(crate) fn judge_grant(&self, brought: &Brought<'_>) -> Judged {
        let grant = brought.grant;
        match &self.call {
            Call::Asking(asking) => match &asking.stage {
                // A grant for our call with a foreign nonce is an answer that somebody bent, not a late one.
                Stage::Asked { ask, .. } if grant.nonce == ask.nonce || grant.call == ask.call => {
                    self.judge_answer(brought, ask).map_or_else(Judged::Unfit, Judged::Fits)
                }
                Stage::Asked { .. } | Stage::Preparing | Stage::Certificate(_) | Stage::Process { .. } => Judged::Stray,
            },
            Call::Joining(visit) | Call::Live(visit) => self.judge_regrant(brought, visit),
            Call::Held(held) => self.judge_regrant(brought, &held.visit),
            Call::Idle | Call::Ringing(_) | Call::Closing(_) => Judged::Stray,
        }
    }

    // The first grant of a visit may come again without end (its carrier repeats itself), so only the nonce counts here. Nothing is
    // clamped: a grant for more time than is left is a mistake of the facility, and refused.
    fn judge_regrant(&self, brought: &Brought<'_>, visit: &Visit) -> Judged {
        let grant = brought.grant;
        let Pending::Asked { ask, .. } = &visit.again.pending else { return Judged::Stray };
        if grant.nonce != ask.nonce {
            return Judged::Stray;
        }
        let slot_left = visit.slot_ms.saturating_sub(visit.counted_ms(self.at));
        let lease_left = visit.lease_until.saturating_sub(self.at);
        match self.judge_answer(brought, ask) {
            Err(code) => Judged::RegrantUnfit(code),
            Ok(_) if visit.has_had(grant.grant) => Judged::RegrantUnfit(Code::GrantStray),
            Ok(_) if u64::from(grant.slot_s) * 1000 > slot_left => Judged::RegrantUnfit(Code::GrantDuration),
            Ok(_) if u64::from(grant.lease_s) * 1000 > lease_left => Judged::RegrantUnfit(Code::GrantDuration),
            Ok(admission) => Judged::RegrantFits(admission),
        }
    }

    fn judge_answer(&self, brought: &Brought<'_>, ask: &Ask) -> Result<Admission, Code> {
        let Brought { grant, key, ticket, code } = *brought;
        let (Some(authority), Some(policy), Some(entitlement)) = (&self.authority, &self.policy, &self.entitlement) else {
            return Err(Code::NotReady);
        };
        if self.denied.names_grant(grant.grant) || self.denied.names_contact(grant.device, grant.person, grant.contact) {
            return Err(Code::Denied);
        }
        let bounds = Bounds { ask, entitlement, policy, authority, bench_direct: self.settings.bench_direct };
        grant_within(grant, &bounds).map_err(|broken| code_of(&broken))?;
        if grant.media != ask.media {
            return Err(Code::GrantMedia);
        }
        if !self.may_sign(grant, key) {
            return Err(Code::GrantKey);
        }
        if !ticket_matches(ticket, grant, ask.gate_nonce) {
            return Err(Code::GrantTicket);
        }
        let rule = policy.rule(grant.class).ok_or(Code::GrantClass)?;
        let privacy = match (grant.class.is_private(), code) {
            (false, _) => Privacy::Open,
            (true, Some(code)) => Privacy::EndToEnd { code },
            (true, None) => return Err(Code::GrantPrivate),
        };
        let lease_ms = u64::from(self.lease_s(grant)) * 1000;
        Ok(Admission { grant: grant.clone(), rule: rule.clone(), lease_ms, privacy })
    }

    /// An unknown clock shortens: no make-good, because nobody here can say how late it is.
    fn lease_s(&self, grant: &Grant) -> u32 {
        match self.wall_now() {
            Wall::Trusted(_) => grant.lease_s,
            Wall::Unknown => grant.lease_s.min(grant.slot_s),
        }
    }

    fn may_sign(&self, grant: &Grant, key: Bytes32) -> bool {
        let Some(authority) = &self.authority else { return false };
        let now = self.wall_now().seconds();
        authority.keys_of(Role::Grant).any(|k| {
            let in_date = now.is_none_or(|now| now <= k.not_after);
            k.key == key && k.classes.contains(&grant.class) && grant.lease_s <= k.longest_s && in_date
        })
    }
}

fn ticket_matches(ticket: &TicketFacts, grant: &Grant, gate_nonce: Id) -> bool {
    ticket.answers_nonce
        && ticket.device == grant.device
        && ticket.nonce == gate_nonce
        && ticket.lease == grant.call
        && ticket.longest_run_s == grant.lease_s
        && ticket.microphone
        && ticket.camera == (grant.media == Media::Video)
}

/// The code for a broken rule of pass, by its field.
fn code_of(broken: &Broken) -> Code {
    if broken.code.starts_with("PrivateClass") {
        return Code::GrantPrivate;
    }
    match broken.field {
        "site" | "device" => Code::GrantDevice,
        "nonce" => Code::GrantStray,
        "person" => Code::GrantPerson,
        "contact" => Code::GrantContact,
        "class" => Code::GrantClass,
        "media" => Code::GrantMedia,
        "call" | "box_certificate" => Code::GrantCertificate,
        "parties" => Code::GrantParties,
        "slot_s" | "lease_s" => Code::GrantDuration,
        "recorded_by" | "watched_by" => Code::GrantRecording,
        "price" => Code::GrantPrice,
        "route" => Code::GrantRoute,
        "relays" => Code::GrantRelay,
        "direct_candidates" => Code::GrantDirect,
        _ => Code::GrantNotGenuine,
    }
}
