//! Owns: the ways in which a test may let this facility lie, so that the box's checks are seen to bite.
//! Never: on without `--tamper`.
//! Called by: [`crate::desk`], for each grant.

use parloir_issuer::{Fault, Secret, sign};
use parloir_pass::{Bytes32, Grant};
use parloir_seal::random;
use parloir_wire::ticket::Ticket;

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
}

impl Tamper {
    /// Before the grant is signed.
    ///
    /// # Errors
    /// No random bytes.
    pub fn document(self, grant: &mut Grant, ticket: &Ticket) -> Result<(), Fault> {
        match self {
            Self::FarCertificate => grant.parties[0].certificate = Bytes32(random::bytes()?),
            Self::ForgedTicket => grant.ticket = sign::ticket(ticket, &Secret::generate()?),
            Self::OtherDevice => grant.device = random::id()?,
            Self::WrongNonce => grant.nonce = random::id()?,
            Self::OneBit => {}
        }
        Ok(())
    }

    /// After it was signed.
    #[must_use]
    pub fn signed(self, jws: String) -> String {
        if self != Self::OneBit {
            return jws;
        }
        let dot = jws.find('.').unwrap_or(0);
        let (head, tail) = jws.split_at(dot + 9);
        let mut rest = tail.chars();
        let first = rest.next().unwrap_or('A');
        // Neighbours in the base64url alphabet differ in one bit of the payload.
        let changed = if first == 'A' { 'B' } else { 'A' };
        format!("{head}{changed}{}", rest.as_str())
    }
}
