//! Owns: what verified documents do, and what those that were not believed do.
//! Never: verifies a signature (seal has), or lets a document about another box count.
//! Called by: turn.

use crate::call::{Call, Cause, Ending, Kind, Why};
use crate::edges::What;
use crate::effect::{Effect, Entry};
use crate::event::TicketFacts;
use crate::guard::{Brought, Judged};
use crate::refusal::{Code, EndReason};
use crate::session;
use crate::state::Clock;
use crate::time::TIME_REQUEST_MS;
use crate::turn::{NO_ID, Turn, Verdict};
use parloir_pass::{
    Agenda, Authority, Beat, Bytes32, Deny, DenyTarget, Entitlement, Grant, Id, Receipt, Ring, SitePolicy, Statement, Time, Typ,
};

impl Turn<'_> {
    pub(crate) fn authority(&mut self, document: Authority) {
        if self.fits(document.site, None, document.revision, self.state.floors.authority) {
            self.state.floors.authority = document.revision;
            self.push(Effect::KeepFloor { typ: Typ::Authority, revision: document.revision });
            self.state.authority = Some(document);
        }
    }

    pub(crate) fn policy(&mut self, document: SitePolicy) {
        if self.fits(document.site, None, document.revision, self.state.floors.policy) {
            self.state.floors.policy = document.revision;
            self.push(Effect::KeepFloor { typ: Typ::Policy, revision: document.revision });
            let cause = if document.sign_in { session::Cause::PolicyAsks } else { session::Cause::PolicyFree };
            self.state.policy = Some(document);
            self.admit(cause, None);
        }
    }

    pub(crate) fn entitlement(&mut self, document: Entitlement) {
        let fits = self.fits(document.site, Some(document.device), document.revision, self.state.floors.entitlement);
        if fits && self.person(&document) {
            self.state.floors.entitlement = document.revision;
            self.push(Effect::KeepFloor { typ: Typ::Entitlement, revision: document.revision });
            self.state.entitlement = Some(document);
            self.make_way();
            self.ring_for_who_came();
        }
    }

    pub(crate) fn agenda(&mut self, document: Agenda) {
        if self.fits(document.site, Some(document.device), document.revision, self.state.floors.agenda) {
            self.state.floors.agenda = document.revision;
            self.push(Effect::KeepFloor { typ: Typ::Agenda, revision: document.revision });
            self.state.agenda = Some(document);
            self.make_way();
        }
    }

    // The same revision again is what a retained document does at every reconnect.
    fn fits(&mut self, site: Id, device: Option<Id>, revision: u64, floor: u64) -> bool {
        let settings = &self.state.settings;
        if site != settings.site || device.is_some_and(|device| device != settings.device) {
            self.refuse(Code::DocumentSite, NO_ID);
            return false;
        }
        if revision < floor {
            self.refuse(Code::DocumentOld, NO_ID);
            return false;
        }
        true
    }

    /// Asks for the time when nobody has told it and nobody is being asked.
    pub(crate) fn request_time(&mut self, nonce: Id) {
        let due = match self.state.clock {
            Clock::Unknown => true,
            Clock::Requested { until, .. } => self.now >= until,
            Clock::Trusted { .. } => false,
        };
        if due && self.state.online {
            self.state.clock = Clock::Requested { nonce, until: self.now.saturating_add(TIME_REQUEST_MS) };
            self.push(Effect::SendTimeRequest { nonce });
        }
    }

    pub(crate) fn time(&mut self, document: Time) {
        match self.state.clock {
            Clock::Requested { nonce, until }
                if nonce == document.nonce && document.device == self.state.settings.device && self.now <= until =>
            {
                self.state.clock = Clock::Trusted { unix_ms: document.unix_ms, at: self.now };
            }
            Clock::Unknown | Clock::Requested { .. } | Clock::Trusted { .. } => self.refuse(Code::TimeStray, NO_ID),
        }
    }

    pub(crate) fn grant(&mut self, grant: &Grant, key: Bytes32, ticket: &TicketFacts, code: Option<u32>) {
        match self.state.judge_grant(&Brought { grant, key, ticket, code }) {
            Judged::Fits(admission) => self.cross(Cause::GrantFits, What::Admission(Box::new(admission))),
            Judged::Unfit(code) => {
                self.verdict = Verdict::Refused(code);
                self.end(Cause::GrantUnfit, code);
            }
            Judged::RegrantFits(admission) => self.regranted(admission),
            Judged::RegrantUnfit(code) => self.not_regranted(code),
            Judged::Stray => {
                self.refuse(Code::GrantStray, grant.call);
                self.cross(Cause::GrantStray, What::Nothing);
            }
        }
    }

    /// A document that seal did not believe. A bent grant ends the asking with its reason on the screen; nothing else follows.
    pub(crate) fn unverified(&mut self, typ: Typ) {
        if typ == Typ::Grant && matches!(self.state.call, Call::Asking(_)) {
            self.verdict = Verdict::Refused(Code::GrantNotGenuine);
            self.end(Cause::GrantUnfit, Code::GrantNotGenuine);
        } else {
            self.refuse(Code::DocumentForged, NO_ID);
        }
    }

    pub(crate) fn deny(&mut self, deny: Deny) {
        if deny.site != self.state.settings.site {
            return self.refuse(Code::DocumentSite, NO_ID);
        }
        if let DenyTarget::SignIn { nonce, wait_s } = deny.target {
            let known = [Code::WrongCode, Code::SignInLocked].into_iter().find(|code| code.name() == deny.code);
            return self.session_denied(nonce, wait_s, known.unwrap_or(Code::FacilityRefused));
        }
        let (news, hits) =
            (self.deny_stands(deny.target), self.names_the_call(deny.target) && self.state.call.kind() != Kind::Closing);
        // Whoever carries a revocation can deliver it again without end; only what it changes is written down.
        if news || hits {
            self.push(Effect::Ledger(Entry::Denied(deny.target)));
        }
        if news && !matches!(deny.target, DenyTarget::Grant(_)) {
            self.push(Effect::KeepDeny(deny.target));
        }
        if hits {
            let why = match &self.state.call {
                Call::Asking(_) | Call::Ringing(_) => Why::Refused(facility_code(&deny)),
                _ => Why::Ended(EndReason::Revoked),
            };
            self.cross(Cause::DenyHits, What::End(Ending { why, words: deny.words }));
        } else if let DenyTarget::Ask(nonce) = deny.target
            && self.state.call.visit().is_some_and(|visit| visit.asks_by(nonce))
        {
            self.push(Effect::Ledger(Entry::Denied(deny.target)));
            self.not_regranted(facility_code(&deny));
            self.verdict = Verdict::Taken;
        }
    }

    /// Whether it stands from now on and did not before. A grant's stands as long as a call to which it could belong.
    pub(crate) fn deny_stands(&mut self, target: DenyTarget) -> bool {
        match target {
            DenyTarget::Grant(grant) => self.state.call.want().is_some() && self.state.denied.add_grant(grant),
            DenyTarget::Ring(ring) => {
                self.forget_ring(ring);
                false
            }
            DenyTarget::SignIn { .. } => false,
            DenyTarget::Ask(_) | DenyTarget::Contact(_) | DenyTarget::Person(_) | DenyTarget::Device(_) => {
                self.state.denied.add(target)
            }
        }
    }

    fn names_the_call(&self, target: DenyTarget) -> bool {
        if target == DenyTarget::Device(self.state.settings.device) {
            return !matches!(self.state.call, Call::Idle);
        }
        if let Call::Ringing(ringing) = &self.state.call {
            let Ring { ring, person, contact, .. } = ringing.ring;
            return [DenyTarget::Ring(ring), DenyTarget::Person(person), DenyTarget::Contact(contact)].contains(&target);
        }
        let Some(want) = self.state.call.want() else { return false };
        match target {
            DenyTarget::Ask(nonce) => nonce == want.nonce,
            DenyTarget::Grant(grant) => self.state.call.visit().is_some_and(|visit| visit.has_had(grant)),
            DenyTarget::Contact(contact) => contact == want.contact,
            DenyTarget::Person(person) => person == want.person,
            DenyTarget::Ring(ring) => want.ring == Some(ring),
            DenyTarget::Device(_) | DenyTarget::SignIn { .. } => false,
        }
    }

    pub(crate) fn beat(&mut self, beat: Beat) {
        let (now, device) = (self.now, self.state.settings.device);
        match self.state.call.visit_mut() {
            Some(visit) if beat.device == device && beat.grant == visit.grant.grant && beat.count > visit.beat_count => {
                visit.take_beat(beat.count, now);
            }
            Some(_) | None => self.refuse(Code::BeatStray, NO_ID),
        }
    }

    pub(crate) fn statement(&mut self, party: usize, statement: Statement, jws: String) {
        let now = self.now;
        if let Call::Closing(closing) = &mut self.state.call {
            let known = match &mut closing.came {
                crate::call::Came::Admitted(visit) if follows(visit, party, &statement) => {
                    visit.far[party].word = crate::visit::Word::Said { at: now, statement, jws };
                    true
                }
                _ => false,
            };
            return if known { self.settle() } else { self.refuse(Code::StatementStray, NO_ID) };
        }
        match self.state.call.visit_mut() {
            Some(visit) if follows(visit, party, &statement) => {
                let weighed = visit.far_said(party, statement, jws, now);
                let left = visit.far_left();
                self.weighed(weighed);
                if left {
                    self.end(Cause::FarLeft, EndReason::VisitorLeft);
                }
            }
            Some(_) | None => self.refuse(Code::StatementStray, statement.call),
        }
    }

    /// Gate's word and the visitors' last are here, or will not come.
    pub(crate) fn settle(&mut self) {
        let Call::Closing(closing) = &self.state.call else { return };
        let heard = match &closing.came {
            crate::call::Came::Admitted(visit) => visit.far.iter().all(|far| match far.word {
                crate::visit::Word::None => true,
                crate::visit::Word::Said { .. } => far.word.left(),
            }),
            crate::call::Came::Unasked(_) | crate::call::Came::Asked { .. } => true,
        };
        if heard && closing.doors != crate::call::Doors::Waiting {
            self.cross(Cause::Settled, What::Nothing);
        }
    }

    /// A visit that a crash cut off: its receipt says so.
    pub(crate) fn recovered(&mut self, mut receipt: Receipt, rebooted: bool) {
        let call = receipt.call;
        let reason = if rebooted { EndReason::PowerLost } else { EndReason::Fault };
        receipt.reason = reason.name().to_owned();
        let seconds_counted = receipt.seconds_counted;
        // On a shared TV nobody knows who reads it: the receipt has it all.
        if !self.state.session.is_shut() {
            self.state.last = self.state.recovered_outcome(&receipt, reason);
        }
        self.push(Effect::Ledger(Entry::Ended { call, reason, seconds_counted }));
        self.push(Effect::MakeReceipt { receipt: Box::new(receipt) });
        self.push(Effect::CloseVisitRecord { call });
    }
}

/// Whether the statement is of this visit and newer than the last of its party.
fn follows(visit: &crate::visit::Visit, party: usize, statement: &Statement) -> bool {
    let newer = |far: &crate::visit::Far| match &far.word {
        crate::visit::Word::None => true,
        crate::visit::Word::Said { statement: last, .. } => statement.count > last.count && !last.last,
    };
    statement.call == visit.want.call && visit.far.get(party).is_some_and(newer)
}

/// The facility's code, when this release knows it.
fn facility_code(deny: &Deny) -> Code {
    let known = [Code::VisitorDeclined, Code::VisitorAbsent, Code::NotEntitled, Code::NoBooking, Code::CallerGone];
    let named = known.into_iter().find(|code| code.name() == deny.code);
    match deny.target {
        DenyTarget::Ask(_) | DenyTarget::SignIn { .. } => named.unwrap_or(Code::FacilityRefused),
        DenyTarget::Ring(_) => named.unwrap_or(Code::CallerGone),
        DenyTarget::Grant(_) | DenyTarget::Contact(_) | DenyTarget::Person(_) | DenyTarget::Device(_) => {
            named.unwrap_or(Code::Denied)
        }
    }
}
