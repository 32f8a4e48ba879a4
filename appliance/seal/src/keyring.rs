//! Owns: the keys of a verified Authority, and the verification of each document by a key of the right role, class, duration and date.
//! Never: a key that the Authority does not name; a date judged by a clock that is not trusted.
//! Called by: arbiter, parloirctl.

use parloir_pass::{
    Agenda, Authority, AuthorityKey, Beat, Bytes32, Class, Deny, Document, Entitlement, Grant, Id, Ring, Role, SitePolicy,
    Ticket128, Time, Typ,
};
use parloir_wire::ticket::Ticket;

use crate::{Code, PublicKey, Refused, Roots, jws, ticket};

/// What is known of wall time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Not confirmed by the facility since boot: dates of keys are not judged (freshness is a nonce, not a date).
    Untrusted,
    /// Confirmed; Unix seconds UTC.
    Unix(i64),
}

/// The keys of one site.
#[derive(Clone, Debug)]
pub struct Keyring {
    authority: Authority,
    keys: Vec<PublicKey>,
}

impl Keyring {
    /// Verifies an Authority and takes its keys. `floor`: the highest revision seen; the same one may come again.
    ///
    /// # Errors
    /// Those of [`Roots::authority`].
    pub fn open(json: &[u8], roots: &Roots, site: &Id, floor: u64) -> Result<Self, Refused> {
        let authority = roots.authority(json, site, floor)?;
        let keys = authority.keys.iter().map(|k| PublicKey::new(&k.key)).collect::<Result<_, _>>()?;
        Ok(Self { authority, keys })
    }

    /// The Authority.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The key that documents for the facility are sealed to.
    #[must_use]
    pub const fn facility_seal(&self) -> Bytes32 {
        self.authority.facility_seal
    }

    /// Verifies a SitePolicy of this site, not below the floor.
    ///
    /// # Errors
    /// See [`Code`].
    pub fn policy(&self, compact: &[u8], clock: Clock, floor: u64) -> Result<SitePolicy, Refused> {
        let (policy, _) = self.verify::<SitePolicy>(compact, clock)?;
        self.of_site(Typ::Policy, &policy.site)?;
        not_below(Typ::Policy, policy.revision, floor)?;
        Ok(policy)
    }

    /// Verifies an Entitlement for this box, not below the floor.
    ///
    /// # Errors
    /// See [`Code`].
    pub fn entitlement(&self, compact: &[u8], device: &Id, clock: Clock, floor: u64) -> Result<Entitlement, Refused> {
        let (entitlement, _) = self.verify::<Entitlement>(compact, clock)?;
        self.of_site(Typ::Entitlement, &entitlement.site)?;
        of_device(Typ::Entitlement, &entitlement.device, device)?;
        not_below(Typ::Entitlement, entitlement.revision, floor)?;
        Ok(entitlement)
    }

    /// Verifies an Agenda for this box. Its revision is core's question.
    ///
    /// # Errors
    /// See [`Code`].
    pub fn agenda(&self, compact: &[u8], device: &Id, clock: Clock) -> Result<Agenda, Refused> {
        let (agenda, _) = self.verify::<Agenda>(compact, clock)?;
        self.of_site(Typ::Agenda, &agenda.site)?;
        of_device(Typ::Agenda, &agenda.device, device)?;
        Ok(agenda)
    }

    /// Verifies a Grant for this box: its key may sign this class and this long, and its ticket is by a door key that may, and says what the grant says.
    /// Whether it answers the pending Ask is `pass::rules::grant_within` and [`ticket::check`].
    ///
    /// # Errors
    /// See [`Code`].
    pub fn grant(&self, compact: &[u8], device: &Id, clock: Clock) -> Result<Grant, Refused> {
        let (grant, key) = self.verify::<Grant>(compact, clock)?;
        self.of_site(Typ::Grant, &grant.site)?;
        of_device(Typ::Grant, &grant.device, device)?;
        within(key, Typ::Grant.name(), grant.class, grant.lease_s)?;
        ticket::agrees(&grant, &self.ticket(&grant.ticket, grant.class, clock)?)?;
        Ok(grant)
    }

    /// Verifies a Beat for a live grant. Its `count` is the caller's to compare.
    ///
    /// # Errors
    /// See [`Code`].
    pub fn beat(&self, compact: &[u8], grant: &Grant, clock: Clock) -> Result<Beat, Refused> {
        let (beat, key) = self.verify::<Beat>(compact, clock)?;
        of_device(Typ::Beat, &beat.device, &grant.device)?;
        within(key, Typ::Beat.name(), grant.class, 0)?;
        if beat.grant != grant.grant {
            return Err(Refused::new(Code::NotForThisCall, "beat", "payload.grant", "for another grant"));
        }
        Ok(beat)
    }

    /// Verifies a Deny of this site. Whether its target concerns this box is core's question.
    ///
    /// # Errors
    /// See [`Code`].
    pub fn deny(&self, compact: &[u8], clock: Clock) -> Result<Deny, Refused> {
        let (deny, _) = self.verify::<Deny>(compact, clock)?;
        self.of_site(Typ::Deny, &deny.site)?;
        Ok(deny)
    }

    /// Verifies a Ring for this box, by a grant key that may sign for its class. Whether it may ring now is core's question.
    ///
    /// # Errors
    /// See [`Code`].
    pub fn ring(&self, compact: &[u8], device: &Id, clock: Clock) -> Result<Ring, Refused> {
        let (ring, key) = self.verify::<Ring>(compact, clock)?;
        self.of_site(Typ::Ring, &ring.site)?;
        of_device(Typ::Ring, &ring.device, device)?;
        within(key, Typ::Ring.name(), ring.class, 0)?;
        Ok(ring)
    }

    /// Verifies a Time statement that echoes this box's nonce. The key's own last day is judged by the statement's time, for no other is trusted yet.
    ///
    /// # Errors
    /// See [`Code`].
    pub fn time(&self, compact: &[u8], device: &Id, nonce: &Id) -> Result<Time, Refused> {
        let (time, key) = self.verify::<Time>(compact, Clock::Untrusted)?;
        not_expired(key, Clock::Unix(time.unix_ms.div_euclid(1000)), Typ::Time.name())?;
        of_device(Typ::Time, &time.device, device)?;
        if time.nonce != *nonce {
            return Err(Refused::new(Code::NotForThisCall, "time", "payload.nonce", "answers another request"));
        }
        Ok(time)
    }

    /// Verifies a door ticket by a door key that may sign this class and this long.
    ///
    /// # Errors
    /// `BadTicket`, `KeyBounds`, `KeyExpired`.
    pub fn ticket(&self, bytes: &Ticket128, class: Class, clock: Clock) -> Result<Ticket, Refused> {
        let door_keys = self.authority.keys.iter().zip(&self.keys).filter(|(k, _)| k.role == Role::Door);
        for (bounds, key) in door_keys {
            if let Some(ticket) = ticket::verify(bytes, key)? {
                not_expired(bounds, clock, "ticket")?;
                within(bounds, "ticket", class, ticket.longest_run_s)?;
                return Ok(ticket);
            }
        }
        Err(Refused::new(Code::BadTicket, "ticket", "signature", "fits no door key of the site"))
    }

    /// Signature by a key of the kind's role, whose last day is not over.
    ///
    /// # Errors
    /// See [`Code`]. The caller still asks for whom it is.
    pub fn verify<D: Document>(&self, compact: &[u8], clock: Clock) -> Result<(D, &AuthorityKey), Refused> {
        let thing = D::TYP.name();
        let parts = jws::split(compact, D::TYP, jws::MAX)?;
        let claim = jws::header_claim(&parts, D::TYP)?;
        let at = self.keys.iter().position(|k| k.thumbprint() == claim.kid);
        let at = at.ok_or_else(|| Refused::new(Code::UnknownKey, thing, "header.kid", "no key of the site's Authority"))?;
        let (bounds, key) = (&self.authority.keys[at], &self.keys[at]);
        if bounds.role != D::TYP.role() {
            let cause = format!("a key of role {}; this kind is signed by role {}", bounds.role, D::TYP.role());
            return Err(Refused::new(Code::WrongRole, thing, "header.kid", cause));
        }
        // The date after the signature: nobody but the key's holder can be told apart by it.
        let document = jws::verify_parts(&parts, key)?;
        not_expired(bounds, clock, thing)?;
        Ok((document, bounds))
    }

    fn of_site(&self, typ: Typ, site: &Id) -> Result<(), Refused> {
        if *site == self.authority.site {
            Ok(())
        } else {
            Err(Refused::new(Code::NotForThisSite, typ.name(), "payload.site", "another site's"))
        }
    }
}

fn of_device(typ: Typ, device: &Id, expected: &Id) -> Result<(), Refused> {
    if device == expected {
        Ok(())
    } else {
        Err(Refused::new(Code::NotForThisBox, typ.name(), "payload.device", "another box's"))
    }
}

fn not_below(typ: Typ, revision: u64, floor: u64) -> Result<(), Refused> {
    if revision >= floor {
        Ok(())
    } else {
        Err(Refused::new(Code::OldRevision, typ.name(), "payload.revision", "below the highest seen"))
    }
}

fn not_expired(key: &AuthorityKey, clock: Clock, thing: &'static str) -> Result<(), Refused> {
    match clock {
        Clock::Unix(now) if now > key.not_after => {
            Err(Refused::new(Code::KeyExpired, thing, "header.kid", "the key's last day is over"))
        }
        Clock::Unix(_) | Clock::Untrusted => Ok(()),
    }
}

fn within(key: &AuthorityKey, thing: &'static str, class: Class, lease_s: u32) -> Result<(), Refused> {
    if !key.classes.contains(&class) {
        return Err(Refused::new(Code::KeyBounds, thing, "class", "the key may not sign for this class"));
    }
    if lease_s > key.longest_s {
        return Err(Refused::new(Code::KeyBounds, thing, "duration", "longer than the key may sign"));
    }
    Ok(())
}
