//! Owns: the sending end: rings, their free slots, the copy of a picture into one.
//! Never: waits for the receiver; a receiver that keeps every slot sees no new frames, and that is all.
//! Called by: call, from its sinks.

use crate::message::{Message, Notice, SIZE};
use crate::ring::{self, Mapping};
use crate::{FrameError, MAX_HEIGHT, MAX_WIDTH, Picture, SLOTS, Stream, picture_bytes, plane_sizes};
use nix::sys::socket::{ControlMessage, MsgFlags, recv, sendmsg};
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The receiver has its notice.
    Yes,
    /// No slot was free, or the socket was full: dropped.
    Dropped,
}

/// The sending end of a frame channel.
pub struct FrameSender {
    socket: OwnedFd,
    rings: [Option<Ring>; Stream::ALL.len()],
    next_ring: u32,
    seq: [u64; Stream::ALL.len()],
}

struct Ring {
    number: u32,
    slot_bytes: usize,
    mapping: Mapping,
    /// Bit set: the slot is ours.
    free: u8,
}

impl FrameSender {
    /// Over one end of a `SOCK_SEQPACKET` pair.
    #[must_use]
    pub fn new(socket: OwnedFd) -> Self {
        Self { socket, rings: [const { None }; 2], next_ring: 0, seq: [0; 2] }
    }

    /// Copies one picture into a free slot and tells the receiver; never waits. `pts_ns` is `CLOCK_BOOTTIME` nanoseconds.
    ///
    /// # Errors
    /// The receiver is gone or broke the contract, a picture that is out of bounds or shorter than it says, the kernel refused.
    pub fn send(&mut self, stream: Stream, pts_ns: u64, picture: &Picture<'_>) -> Result<Sent, FrameError> {
        check(picture)?;
        self.take_returns()?;
        if !self.ensure_ring(stream, picture_bytes(picture.width, picture.height))? {
            return Ok(Sent::Dropped);
        }
        let seq = self.seq[stream as usize];
        self.seq[stream as usize] += 1;
        let Some(ring) = &mut self.rings[stream as usize] else { return Ok(Sent::Dropped) };
        if ring.free == 0 {
            return Ok(Sent::Dropped);
        }
        let slot = ring.free.trailing_zeros() as u8;
        copy(&mut ring.mapping, usize::from(slot) * ring.slot_bytes, picture)?;
        let (width, height) = (picture.width, picture.height);
        let notice = Message::Frame(Notice { ring: ring.number, stream, slot, width, height, seq, pts_ns });
        if !tell(&self.socket, &notice, None)? {
            return Ok(Sent::Dropped);
        }
        ring.free &= !(1 << slot);
        Ok(Sent::Yes)
    }

    /// Makes and announces a ring when there is none whose slots hold `bytes`. False: the receiver does not read, try at the next frame.
    fn ensure_ring(&mut self, stream: Stream, bytes: usize) -> Result<bool, FrameError> {
        if self.rings[stream as usize].as_ref().is_some_and(|r| r.slot_bytes >= bytes) {
            return Ok(true);
        }
        let slot_bytes = bytes.next_multiple_of(4096);
        let (fd, mapping) = ring::create(slot_bytes * usize::from(SLOTS))?;
        let number = self.next_ring;
        let size = u32::try_from(slot_bytes).map_err(|_| FrameError::Broken("slot too large"))?;
        let message = Message::Ring { ring: number, stream, slot_bytes: size, slots: SLOTS };
        if !tell(&self.socket, &message, Some(fd.as_fd()))? {
            return Ok(false);
        }
        self.next_ring = self.next_ring.wrapping_add(1);
        self.rings[stream as usize] = Some(Ring { number, slot_bytes, mapping, free: (1 << SLOTS) - 1 });
        Ok(true)
    }

    fn take_returns(&mut self) -> Result<(), FrameError> {
        let mut buf = [0; SIZE + 1];
        // No receiver can owe more than every slot; more messages than that wait for the next frame.
        for _ in 0..2 * usize::from(SLOTS) * Stream::ALL.len() {
            let n = match recv(self.socket.as_raw_fd(), &mut buf, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return Err(FrameError::Closed),
                Ok(n) => n,
                Err(nix::Error::EAGAIN) => return Ok(()),
                Err(nix::Error::EINTR) => continue,
                Err(e) => return Err(e.into()),
            };
            let Message::Return { ring, stream, slot } = Message::decode(&buf[..n])? else {
                return Err(FrameError::Broken("the receiver may only return slots"));
            };
            // A return for a ring that was replaced meanwhile is late, not wrong.
            let Some(current) = self.rings[stream as usize].as_mut().filter(|r| r.number == ring) else { continue };
            if slot >= SLOTS || current.free & (1 << slot) != 0 {
                return Err(FrameError::Broken("a slot was returned that was not out"));
            }
            current.free |= 1 << slot;
        }
        Ok(())
    }
}

fn check(p: &Picture<'_>) -> Result<(), FrameError> {
    if p.width == 0 || p.height == 0 || p.width > MAX_WIDTH || p.height > MAX_HEIGHT {
        return Err(FrameError::Broken("a picture that is empty or larger than 1920x1088"));
    }
    let [(w, h), (cw, ch)] = plane_sizes(p.width, p.height);
    let holds = |plane: &[u8], stride: usize, w: usize, h: usize| {
        stride >= w && stride.checked_mul(h - 1).and_then(|n| n.checked_add(w)).is_some_and(|n| plane.len() >= n)
    };
    if holds(p.y, p.y_stride, w, h) && holds(p.u, p.c_stride, cw, ch) && holds(p.v, p.c_stride, cw, ch) {
        Ok(())
    } else {
        Err(FrameError::Broken("a plane is shorter than its picture"))
    }
}

fn copy(mapping: &mut Mapping, start: usize, p: &Picture<'_>) -> Result<(), FrameError> {
    let [(w, h), (cw, ch)] = plane_sizes(p.width, p.height);
    let out = mapping.write(start, w * h + 2 * cw * ch).ok_or(FrameError::Broken("slot outside the ring"))?;
    let (y, chroma) = out.split_at_mut(w * h);
    let (u, v) = chroma.split_at_mut(cw * ch);
    for (out, plane, stride, w) in [(y, p.y, p.y_stride, w), (u, p.u, p.c_stride, cw), (v, p.v, p.c_stride, cw)] {
        if stride == w {
            let n = out.len();
            out.copy_from_slice(&plane[..n]);
            continue;
        }
        for (row, from) in out.chunks_exact_mut(w).zip(plane.chunks(stride)) {
            row.copy_from_slice(&from[..w]);
        }
    }
    Ok(())
}

/// False: the socket is full.
fn tell(socket: &OwnedFd, message: &Message, fd: Option<BorrowedFd<'_>>) -> Result<bool, FrameError> {
    let bytes = message.encode();
    let raw = fd.map(|fd| [fd.as_raw_fd()]);
    let rights = raw.as_ref().map(|fds| [ControlMessage::ScmRights(fds)]);
    let control = rights.as_ref().map_or(&[][..], |c| &c[..]);
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    match sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&bytes)], control, flags, None) {
        Ok(_) => Ok(true),
        Err(nix::Error::EAGAIN | nix::Error::ENOBUFS | nix::Error::EINTR) => Ok(false),
        Err(e) => Err(e.into()),
    }
}
