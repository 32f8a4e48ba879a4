//! Owns: the ways in which a test may let this facility lie, so that the box's checks are seen to bite.
//! Never: on without `--tamper` or the console's word.
//! Called by: [`crate::desk`], for each grant.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use parloir_issuer::{Fault, Secret, Site, sign};
use parloir_pass::{Bytes32, Grant, Typ};
use parloir_seal::{jws, random};
use parloir_wire::ticket::Ticket;

/// How long a grant is held back to be late: longer than the nonce that it answers lives, ms since the question.
pub const LATE_MS: u64 = 62_000;

/// One lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Tamper {
    /// The grant names another certificate than the visitor's.
    FarCertificate,
    /// The ticket is signed by a key that is nobody's.
    ForgedTicket,
    /// The grant is for another box.
    OtherDevice,
    /// One bit of the grant is changed after it was signed.
    OneBit,
    /// The grant answers another nonce.
    WrongNonce,
    /// The grant is of a version that no box knows, and signed all the same.
    UnknownVersion,
    /// The grant's header says that it is a beat, and is signed all the same.
    WrongTyp,
    /// The grant comes when the nonce that it answers is dead.
    Late,
    /// The grant is signed by a grant key whose date is over (`parloirctl init --expired-key`).
    OldKey,
}

impl Tamper {
    /// The grant, made wrong in this way and signed.
    ///
    /// # Errors
    /// No random bytes; a bound of the document; no old key at this site.
    pub fn grant(self, mut grant: Grant, ticket: &Ticket, site: &Site) -> Result<String, Fault> {
        let key = &site.grant;
        match self {
            Self::FarCertificate => grant.parties[0].certificate = Bytes32(random::bytes()?),
            Self::ForgedTicket => grant.ticket = sign::ticket(ticket, &Secret::generate()?),
            Self::OtherDevice => grant.device = random::id()?,
            Self::WrongNonce => grant.nonce = random::id()?,
            Self::UnknownVersion => {
                grant.v += 1;
                return Ok(unchecked(Typ::Grant, &grant, key));
            }
            Self::WrongTyp => return Ok(unchecked(Typ::Beat, &grant, key)),
            Self::OneBit => return sign(&grant, key).map(|jws| one_bit(&jws)).map_err(Fault::from),
            Self::OldKey => {
                let none = || {
                    Fault::Certificate("the site has no grant key whose date is over: parloirctl init --expired-key".to_owned())
                };
                return Ok(sign(&grant, site.old_grant.as_ref().ok_or_else(none)?)?);
            }
            Self::Late => {}
        }
        Ok(sign(&grant, key)?)
    }
}

/// A compact JWS that nobody looked over before it was signed.
fn unchecked(typ: Typ, grant: &Grant, key: &Secret) -> String {
    let payload = serde_json::to_vec(grant).unwrap_or_default();
    let input = format!("{}.{}", BASE64URL.encode(jws::header(typ, &key.public())), BASE64URL.encode(payload));
    let signature = key.sign(input.as_bytes());
    jws::join(&input, &signature)
}

fn one_bit(jws: &str) -> String {
    let dot = jws.find('.').unwrap_or(0);
    let (head, tail) = jws.split_at(dot + 9);
    let mut rest = tail.chars();
    let first = rest.next().unwrap_or('A');
    // Neighbours in the base64url alphabet differ in one bit of the payload.
    let changed = if first == 'A' { 'B' } else { 'A' };
    format!("{head}{changed}{}", rest.as_str())
}
