//! Owns: the messages on the connection that starts a call process (its fd 3).
//! Never: carries anything of the visit; that is [`crate::lease`]'s.
//! Called by: gate (sends), call (receives), the bench's supervisor (`Spawned`, to gate).

use crate::Id;
use crate::codec::{Reader, Refused, Writer, refused};

/// Bytes of every message.
pub const SIZE: usize = 64;
/// The only version.
pub const VERSION: u8 = 1;

/// The start connection's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Supervisor to gate, bench only, first: the process runs. One fd: its pidfd (on the box gate owns the cgroup instead).
    Spawned {
        /** For the log only, never for a decision. */
        pid: u32,
    },
    /// Gate to call, first. One fd: call's end of the arbiter's socketpair.
    Begin {
        /** The lease. */
        lease: Id,
    },
    /// Gate to call: this door is open. On the bench one fd beside it: the clip. On the box no fd: the device node is the call user's now.
    Door {
        /** One bit: [`crate::CAMERA`] or [`crate::MICROPHONE`]. */
        media: u8,
    },
}

impl Start {
    /// As it travels.
    #[must_use]
    pub fn encode(&self) -> [u8; SIZE] {
        let mut w = Writer::new();
        w.u8(VERSION);
        match self {
            Self::Spawned { pid } => w.u8(1).u32(*pid),
            Self::Begin { lease } => w.u8(2).raw(lease),
            Self::Door { media } => w.u8(3).u8(*media),
        };
        w.finish_fixed()
    }
    /// # Errors
    /// Wrong size, version, kind, or padding.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refused> {
        if bytes.len() != SIZE {
            return Err(refused("start message", "not 64 bytes"));
        }
        let mut r = Reader::new(bytes);
        if r.u8("start version")? != VERSION {
            return Err(refused("start version", "unknown"));
        }
        let message = match r.u8("start kind")? {
            1 => Self::Spawned { pid: r.u32("pid")? },
            2 => Self::Begin { lease: r.array("lease")? },
            3 => Self::Door { media: r.u8("media")? },
            _ => return Err(refused("start kind", "unknown")),
        };
        r.zeros("start padding")?;
        Ok(message)
    }
}
