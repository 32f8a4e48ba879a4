//! Owns: the layout of the door ticket, the one document that gate understands.
//! Never: verifies a signature (gate and seal do) or judges a duration.
//! Called by: gate (checks), the issuer (makes), seal (checks the copy in a grant).

use crate::codec::{Reader, Refused, Writer, refused};
use crate::{CAMERA, Id, MICROPHONE};

/// Bytes of a ticket: 64 that are signed, then 64 of Ed25519 signature (RFC 8032).
pub const SIZE: usize = 128;
/// Bytes that the signature covers.
pub const BODY: usize = 64;
/// The only version.
pub const VERSION: u8 = 1;
/// What the signature covers before the body, so that no other document's signature fits.
pub const CONTEXT: &[u8; 20] = b"parloir-door-ticket\0";

/// How the ticket is bound to a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Answers a nonce that gate gave for one OK press.
    Nonce,
    /// Standing, for the always-dialable: nonce and lease zero; the OK press of its `Prepare` must still be fresh at `Open`.
    Always,
    /// Standing, for the practice call: nonce and lease zero; the OK press of its `Prepare` must still be fresh at `Open`.
    Myself,
}

/// What a ticket says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Binding.
    pub kind: Kind,
    /// Mask of [`CAMERA`] and [`MICROPHONE`]; never 0.
    pub media: u8,
    /// The box.
    pub device: Id,
    /// The nonce that gate gave in `Prepared`; zero in a standing ticket.
    pub nonce: Id,
    /// The lease that the door opens for; zero in a standing ticket, which is signed before any lease.
    pub lease: Id,
    /// Longest time that the doors stay open, seconds; never 0.
    pub longest_run_s: u32,
}

impl Ticket {
    /// The 64 bytes that are signed after [`CONTEXT`].
    #[must_use]
    pub fn body(&self) -> [u8; BODY] {
        let kind = match self.kind {
            Kind::Nonce => 0,
            Kind::Always => 1,
            Kind::Myself => 2,
        };
        let mut w = Writer::new();
        w.u8(VERSION).u8(kind).u8(self.media).u8(0);
        w.raw(&self.device).raw(&self.nonce).raw(&self.lease).u32(self.longest_run_s);
        w.finish_fixed()
    }

    /// Splits 128 bytes into the ticket, the signed bytes and the signature. The signature is **not** checked here.
    ///
    /// # Errors
    /// Unknown version or kind, a media mask that is empty or has unknown bits, a run of 0 s, padding that is not zero.
    pub fn parse(bytes: &[u8; SIZE]) -> Result<(Self, [u8; BODY], [u8; 64]), Refused> {
        let mut r = Reader::new(bytes);
        let body: [u8; BODY] = r.array("ticket")?;
        let signature = r.array("ticket signature")?;
        let mut r = Reader::new(&body);
        if r.u8("ticket version")? != VERSION {
            return Err(refused("ticket version", "unknown"));
        }
        let kind = match r.u8("ticket kind")? {
            0 => Kind::Nonce,
            1 => Kind::Always,
            2 => Kind::Myself,
            _ => return Err(refused("ticket kind", "unknown")),
        };
        let media = r.u8("ticket media")?;
        if media == 0 || media & !(CAMERA | MICROPHONE) != 0 {
            return Err(refused("ticket media", "empty or unknown"));
        }
        if r.u8("ticket padding")? != 0 {
            return Err(refused("ticket padding", "not zero"));
        }
        let ticket = Self {
            kind,
            media,
            device: r.array("ticket device")?,
            nonce: r.array("ticket nonce")?,
            lease: r.array("ticket lease")?,
            longest_run_s: r.u32("ticket longest run")?,
        };
        if ticket.longest_run_s == 0 {
            return Err(refused("ticket longest run", "zero"));
        }
        r.zeros("ticket padding")?;
        Ok((ticket, body, signature))
    }

    /// Body and signature as they travel.
    #[must_use]
    pub fn join(body: &[u8; BODY], signature: &[u8; 64]) -> [u8; SIZE] {
        let mut w = Writer::new();
        w.raw(body).raw(signature);
        w.finish_fixed()
    }
}
