//! Owns: the channel that carries pictures from call to the screen: sealed memfds of I420 slots, announced over a seqpacket socket.
//! Never: waits, decodes, draws, or believes the other end: sizes, seals, slots and dimensions are checked before a byte is touched.
//! Called by: call ([`FrameSender`]) and ui, bench, tests ([`FrameReceiver`]).
//!
//! The sender makes a ring of [`SLOTS`] slots per stream, sends its memfd once, and then one 64-byte notice per frame. A slot belongs to the
//! receiver from the notice until its return; a frame for which no slot is free is dropped by the sender, and of several waiting
//! notices the receiver keeps the last. So neither end can make the other wait, and the picture on the screen is the newest.
//! Pictures are I420 (planar 4:2:0, chroma planes of half width and height, rounded up), full planes without cropping, BT.709.

mod message;
mod receiver;
mod ring;
mod sender;

pub use message::{Message, Notice, SIZE as MESSAGE_BYTES};
pub use receiver::{Frame, FrameReceiver};
pub use sender::{FrameSender, Sent};

use core::fmt;
use std::io;

/// Slots of a ring: one on the screen, one waiting, one being written, one to spare.
pub const SLOTS: u8 = 4;
/// Widest picture, pixels.
pub const MAX_WIDTH: u16 = 1920;
/// Highest picture, pixels (1080 rounded up to whole macroblocks).
pub const MAX_HEIGHT: u16 = 1088;

/// Which picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stream {
    /// The far side.
    Far = 0,
    /// The own camera, small.
    SelfView = 1,
}

impl Stream {
    /// Every stream, by number.
    pub const ALL: [Self; 2] = [Self::Far, Self::SelfView];
}

/// An I420 picture in memory.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// Luma, `height` rows of `y_stride` bytes (the last row may end at `width`).
    pub y: &'a [u8],
    /// Bytes from one luma row to the next.
    pub y_stride: usize,
    /// Cb, half the rows, rounded up.
    pub u: &'a [u8],
    /// Cr, half the rows, rounded up.
    pub v: &'a [u8],
    /// Bytes from one chroma row to the next.
    pub c_stride: usize,
}

/// Why the channel cannot be used any more.
#[derive(Debug)]
pub enum FrameError {
    /// The other end is gone.
    Closed,
    /// The other end broke the contract; drop the channel.
    Broken(&'static str),
    /// The kernel refused.
    Io(io::Error),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => write!(f, "frame channel: the other end is gone [org.parloir.Error.ChannelClosed]"),
            Self::Broken(why) => write!(f, "frame channel: {why}; the channel is dropped [org.parloir.Error.MalformedMessage]"),
            Self::Io(e) => write!(f, "frame channel: {e} [org.parloir.Error.Io]"),
        }
    }
}

impl std::error::Error for FrameError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(e) => Some(e),
            Self::Closed | Self::Broken(_) => None,
        }
    }
}

impl From<nix::Error> for FrameError {
    fn from(e: nix::Error) -> Self {
        match e {
            nix::Error::EPIPE | nix::Error::ECONNRESET | nix::Error::ENOTCONN => Self::Closed,
            e => Self::Io(e.into()),
        }
    }
}

/// Bytes of one plane row and number of rows, luma then chroma, without padding.
const fn plane_sizes(width: u16, height: u16) -> [(usize, usize); 2] {
    let (w, h) = (width as usize, height as usize);
    [(w, h), (w.div_ceil(2), h.div_ceil(2))]
}

/// Bytes of an I420 picture without padding between rows.
const fn picture_bytes(width: u16, height: u16) -> usize {
    let [(w, h), (cw, ch)] = plane_sizes(width, height);
    w * h + 2 * cw * ch
}
