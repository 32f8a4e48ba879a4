//! Owns: documents that are genuine in every signature and that nobody asked for.
//! Never: a key that is not the site's own.
//! Called by: the courses of attacks.

use std::path::Path;

use parloir_image::Halt;
use parloir_issuer::example::Example;
use parloir_issuer::{Site, sign};
use parloir_pass::{Id, Typ};
use parloir_seal::{random, sealed};
use parloir_wire::ticket::{Kind, Ticket};

/// A grant as the facility would sign and seal it for this box, this person and its first contact, with a ticket by the door key.
pub struct Forged {
    /// The sealed grant, hexadecimal.
    pub grant: String,
    /// Its ticket, hexadecimal.
    pub ticket: String,
}

/// Makes one with the keys of the site in `keys`.
///
/// # Errors
/// The keys cannot be read.
pub fn made(keys: &Path) -> Result<Forged, Halt> {
    let wrong = |why: &dyn std::fmt::Display| Halt::Failed(format!("a grant of our own: {why}"));
    let site = Site::load(keys).map_err(|why| wrong(&why))?;
    let fresh = || random::id().map_err(|why| wrong(&why));
    let contact = site.person.contacts.first().ok_or_else(|| wrong(&"the site has no contact"))?;
    let call: Id = fresh()?;
    let ticket = Ticket {
        kind: Kind::Nonce,
        media: parloir_wire::CAMERA | parloir_wire::MICROPHONE,
        device: site.device.0,
        nonce: fresh()?.0,
        lease: call.0,
        longest_run_s: 600,
    };
    let ticket = sign::ticket(&ticket, &site.door);
    let mut grant = Example::default().grant();
    (grant.site, grant.device, grant.call, grant.grant, grant.nonce) = (site.site, site.device, call, fresh()?, fresh()?);
    (grant.person, grant.contact, grant.class) = (site.person.person, contact.id, contact.class);
    (grant.slot_s, grant.lease_s, grant.ticket) = (300, 600, ticket);
    let signed = sign::sign(&grant, &site.grant).map_err(|why| wrong(&why))?;
    let body = sealed::seal(Typ::Grant, &site.device, &site.box_seal, signed.as_bytes()).map_err(|why| wrong(&why))?;
    Ok(Forged { grant: hex(&body), ticket: hex(&ticket.0) })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
