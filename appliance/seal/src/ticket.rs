//! Owns: whether a door ticket holds and says what its grant and its Ask say.
//! Never: the layout (wire); opening a door (gate checks the ticket again, by itself).
//! Called by: keyring, arbiter, parloirctl.

use parloir_pass::{Ask, Grant, Media, Ticket128};
use parloir_wire::ticket::{CONTEXT, Kind, Ticket};
use parloir_wire::{CAMERA, MICROPHONE};

use crate::{Code, PublicKey, Refused};

/// The doors that a call of this media opens, as a mask of `wire::CAMERA` and `wire::MICROPHONE`.
#[must_use]
pub const fn mask(media: Media) -> u8 {
    match media {
        Media::Voice => MICROPHONE,
        Media::Video => CAMERA | MICROPHONE,
    }
}

/// Layout and signature. `None`: not this key's.
///
/// # Errors
/// `BadTicket`: not the layout of a ticket.
pub fn verify(bytes: &Ticket128, key: &PublicKey) -> Result<Option<Ticket>, Refused> {
    let (ticket, body, signature) =
        Ticket::parse(&bytes.0).map_err(|r| Refused::new(Code::BadTicket, "ticket", r.what, r.why))?;
    let message = [CONTEXT.as_slice(), &body].concat();
    Ok(key.verifies(&message, &signature).then_some(ticket))
}

/// Whether a verified ticket says what its grant says: kind nonce, device, lease, media, run.
///
/// # Errors
/// `BadTicket`.
pub fn agrees(grant: &Grant, ticket: &Ticket) -> Result<(), Refused> {
    let same = |holds: bool, place| {
        if holds { Ok(()) } else { Err(Refused::new(Code::BadTicket, "ticket", place, "not what its grant says")) }
    };
    same(ticket.kind == Kind::Nonce, "kind")?;
    same(ticket.device == grant.device.0, "device")?;
    same(ticket.lease == grant.call.0, "lease")?;
    same(ticket.media == mask(grant.media), "media")?;
    same(ticket.longest_run_s == grant.lease_s, "longest run")
}

/// Whether the ticket in a verified grant answers this Ask: what [`agrees`] asks, and gate's own nonce.
/// The signature was checked by `Keyring::grant`; gate checks it again.
///
/// # Errors
/// `BadTicket`.
pub fn check(grant: &Grant, ask: &Ask) -> Result<Ticket, Refused> {
    let (ticket, _, _) = Ticket::parse(&grant.ticket.0).map_err(|r| Refused::new(Code::BadTicket, "ticket", r.what, r.why))?;
    agrees(grant, &ticket)?;
    if ticket.nonce == ask.gate_nonce.0 {
        Ok(ticket)
    } else {
        Err(Refused::new(Code::BadTicket, "ticket", "nonce", "not the nonce that gate gave for this press"))
    }
}
