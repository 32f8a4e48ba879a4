//! Owns: the signalling messages between link and call.
//! Never: SDP semantics; only call writes SDP, link carries it (design section 5).
//! Called by: link, call.

use crate::codec::{Reader, Refused, Writer, refused};

/// Most bytes of one message.
pub const MAX: usize = 48 * 1024;
/// Most bytes of a session description (RFC 8866).
pub const MAX_SDP: usize = 32 * 1024;
/// Most bytes of a candidate line (RFC 8839).
pub const MAX_CANDIDATE: usize = 512;
/// The only version.
pub const VERSION: u8 = 1;

/// A signalling message, either way. On the direct route call sends `Offer` and receives `Answer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A session description offered.
    Offer {
        /** Grows with each re-call of the same visit. */
        generation: u32,
        /** SDP. */
        sdp: String,
    },
    /// A session description in answer.
    Answer {
        /** Of the offer. */
        generation: u32,
        /** SDP. */
        sdp: String,
    },
    /// A trickled candidate (RFC 8838); an empty one means that there are no more.
    Candidate {
        /** Of the offer. */
        generation: u32,
        /** Index of the m-line. */
        mline: u32,
        /** The candidate attribute's value, without `a=`. */
        candidate: String,
    },
    /// The far side left.
    Bye {
        /** Of the offer. */
        generation: u32,
    },
    /// The far side starts anew (its page was reloaded, its connection failed) and asks for a new offer. Only far sides say it.
    Again {
        /** The newest that it saw; 0 for none. */
        generation: u32,
    },
}

impl Signal {
    /// As it travels.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u8(VERSION);
        match self {
            Self::Offer { generation, sdp } => w.u8(1).u32(*generation).text(sdp),
            Self::Answer { generation, sdp } => w.u8(2).u32(*generation).text(sdp),
            Self::Candidate { generation, mline, candidate } => w.u8(3).u32(*generation).u32(*mline).text(candidate),
            Self::Bye { generation } => w.u8(4).u32(*generation),
            Self::Again { generation } => w.u8(5).u32(*generation),
        };
        w.finish()
    }
    /// # Errors
    /// Wrong version or kind, a text over its bound, bytes after the end.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refused> {
        if bytes.len() > MAX {
            return Err(refused("signal", "longer than 48 KiB"));
        }
        let mut r = Reader::new(bytes);
        if r.u8("signal version")? != VERSION {
            return Err(refused("signal version", "unknown"));
        }
        let message = match r.u8("signal kind")? {
            1 => Self::Offer { generation: r.u32("generation")?, sdp: r.text(MAX_SDP, "offer")? },
            2 => Self::Answer { generation: r.u32("generation")?, sdp: r.text(MAX_SDP, "answer")? },
            3 => Self::Candidate {
                generation: r.u32("generation")?,
                mline: r.u32("m-line")?,
                candidate: r.text(MAX_CANDIDATE, "candidate")?,
            },
            4 => Self::Bye { generation: r.u32("generation")? },
            5 => Self::Again { generation: r.u32("generation")? },
            _ => return Err(refused("signal kind", "unknown")),
        };
        r.end("signal")?;
        Ok(message)
    }
}
