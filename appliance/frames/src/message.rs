//! Owns: the layout of the 64-byte messages, both ways.
//! Never: touches a socket or a mapping; checks only what needs no state.
//! Called by: the sender and the receiver beside it.

use crate::{FrameError, MAX_HEIGHT, MAX_WIDTH, Stream};

/// Bytes of every message.
pub const SIZE: usize = 64;
const VERSION: u8 = 1;
const RING: u8 = 1;
const FRAME: u8 = 2;
const RETURN: u8 = 3;

/// A message. Integers are little-endian; what is left of the 64 bytes is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Sender: a new ring; its memfd beside the message. Notices of this stream mean this ring from here on.
    Ring {
        /// Of the stream; grows with every ring.
        ring: u32,
        /// Whose.
        stream: Stream,
        /// Bytes of one slot.
        slot_bytes: u32,
        /// How many.
        slots: u8,
    },
    /// Sender: a frame lies in a slot.
    Frame(Notice),
    /// Receiver: a slot is free again.
    Return {
        /// The ring.
        ring: u32,
        /// Whose.
        stream: Stream,
        /// The slot.
        slot: u8,
    },
}

/// Where a frame lies and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The ring.
    pub ring: u32,
    /// Whose.
    pub stream: Stream,
    /// The slot.
    pub slot: u8,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// Number within the stream, from 0.
    pub seq: u64,
    /// When it was decoded or captured, `CLOCK_BOOTTIME` nanoseconds.
    pub pts_ns: u64,
}

impl Message {
    /// As it travels.
    #[must_use]
    pub fn encode(&self) -> [u8; SIZE] {
        let mut out = [0; SIZE];
        out[0] = VERSION;
        match *self {
            Self::Ring { ring, stream, slot_bytes, slots } => {
                [out[1], out[2], out[3]] = [RING, stream as u8, slots];
                out[4..8].copy_from_slice(&ring.to_le_bytes());
                out[8..12].copy_from_slice(&slot_bytes.to_le_bytes());
            }
            Self::Frame(n) => {
                [out[1], out[2], out[3]] = [FRAME, n.stream as u8, n.slot];
                out[4..8].copy_from_slice(&n.ring.to_le_bytes());
                out[8..10].copy_from_slice(&n.width.to_le_bytes());
                out[10..12].copy_from_slice(&n.height.to_le_bytes());
                out[16..24].copy_from_slice(&n.seq.to_le_bytes());
                out[24..32].copy_from_slice(&n.pts_ns.to_le_bytes());
            }
            Self::Return { ring, stream, slot } => {
                [out[1], out[2], out[3]] = [RETURN, stream as u8, slot];
                out[4..8].copy_from_slice(&ring.to_le_bytes());
            }
        }
        out
    }

    /// Takes any bytes.
    ///
    /// # Errors
    /// [`FrameError::Broken`] for whatever [`Self::encode`] does not write, and for a picture that is empty or larger than 1920x1088.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let b: &[u8; SIZE] = bytes.try_into().map_err(|_| FrameError::Broken("a message is not 64 bytes"))?;
        if b[0] != VERSION {
            return Err(FrameError::Broken("unknown version"));
        }
        let stream = Stream::ALL.into_iter().find(|s| *s as u8 == b[2]).ok_or(FrameError::Broken("unknown stream"))?;
        let ring = u32::from_le_bytes([b[4], b[5], b[6], b[7]]);
        let message = match b[1] {
            RING => Self::Ring { ring, stream, slots: b[3], slot_bytes: u32::from_le_bytes([b[8], b[9], b[10], b[11]]) },
            FRAME => {
                let width = u16::from_le_bytes([b[8], b[9]]);
                let height = u16::from_le_bytes([b[10], b[11]]);
                if width == 0 || height == 0 || width > MAX_WIDTH || height > MAX_HEIGHT {
                    return Err(FrameError::Broken("a picture that is empty or larger than 1920x1088"));
                }
                let seq = u64::from_le_bytes([b[16], b[17], b[18], b[19], b[20], b[21], b[22], b[23]]);
                let pts_ns = u64::from_le_bytes([b[24], b[25], b[26], b[27], b[28], b[29], b[30], b[31]]);
                Self::Frame(Notice { ring, stream, slot: b[3], width, height, seq, pts_ns })
            }
            RETURN => Self::Return { ring, stream, slot: b[3] },
            _ => return Err(FrameError::Broken("unknown kind")),
        };
        if message.encode() != *b {
            return Err(FrameError::Broken("padding is not zero"));
        }
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_comes_back_and_every_other_byte_is_refused() {
        let notice = Notice { ring: 7, stream: Stream::SelfView, slot: 3, width: 320, height: 180, seq: 9, pts_ns: 11 };
        for m in [
            Message::Ring { ring: 1, stream: Stream::Far, slot_bytes: 1_382_400, slots: 4 },
            Message::Frame(notice),
            Message::Return { ring: 2, stream: Stream::Far, slot: 1 },
        ] {
            let bytes = m.encode();
            assert_eq!(Message::decode(&bytes).unwrap(), m);
            let mut bad = bytes;
            bad[63] = 1;
            assert!(Message::decode(&bad).is_err(), "padding");
            assert!(Message::decode(&bytes[..63]).is_err(), "length");
            for (at, value) in [(0, 2), (1, 9), (2, 2)] {
                let mut bad = bytes;
                bad[at] = value;
                assert!(Message::decode(&bad).is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn pictures_out_of_bounds_are_refused() {
        for (width, height) in [(0, 1), (1, 0), (1921, 1080), (1920, 1089), (u16::MAX, u16::MAX)] {
            let notice = Notice { ring: 0, stream: Stream::Far, slot: 0, width, height, seq: 0, pts_ns: 0 };
            assert!(Message::decode(&Message::Frame(notice).encode()).is_err(), "{width}x{height}");
        }
    }
}
