//! Owns: the receiving end: checked mappings, the newest frame of each stream, the return of slots.
//! Never: waits, writes to a ring, or keeps more than one ring per stream besides those of frames still held.
//! Called by: ui/video, the bench, tests.

use crate::message::{Message, Notice, SIZE};
use crate::ring::{self, Mapping};
use crate::{FrameError, MAX_HEIGHT, MAX_WIDTH, SLOTS, Stream, picture_bytes, plane_sizes};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, send};
use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;

/// Messages taken off the socket in one [`FrameReceiver::receive`]; a flooding sender cannot keep the caller.
const BURST: usize = 64;
/// Most descriptors that Linux passes in one message (`SCM_MAX_FD`).
const KERNEL_MAX_FDS: usize = 253;

/// The receiving end of a frame channel.
pub struct FrameReceiver {
    socket: Arc<OwnedFd>,
    rings: [Option<Ring>; Stream::ALL.len()],
    waiting: VecDeque<Frame>,
}

struct Ring {
    number: u32,
    slot_bytes: usize,
    mapping: Arc<Mapping>,
    /// Bit set: the slot is ours. Shared with the frames that hold them.
    out: Arc<core::sync::atomic::AtomicU8>,
}

/// One picture in its slot; the slot goes back when this is dropped.
pub struct Frame {
    notice: Notice,
    start: usize,
    mapping: Arc<Mapping>,
    out: Arc<core::sync::atomic::AtomicU8>,
    socket: Arc<OwnedFd>,
}

impl FrameReceiver {
    /// Over one end of a `SOCK_SEQPACKET` pair.
    #[must_use]
    pub fn new(socket: OwnedFd) -> Self {
        Self { socket: Arc::new(socket), rings: [const { None }; 2], waiting: VecDeque::new() }
    }

    /// To wait on (`POLLIN`); level-triggered. After it is readable call [`Self::receive`] until it answers `None`.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The newest frame of a stream, or `None` when nothing waits; never blocks. Older frames of the stream were dropped.
    ///
    /// # Errors
    /// The sender is gone ([`FrameError::Closed`]) or broke the contract; the receiver is of no use then and is to be dropped.
    pub fn receive(&mut self) -> Result<Option<Frame>, FrameError> {
        for _ in 0..BURST {
            match self.next_message() {
                Ok(Some((message, fd))) => self.take(message, fd)?,
                Ok(None) => break,
                // What came before the end is still shown.
                Err(FrameError::Closed) if !self.waiting.is_empty() => break,
                Err(e) => return Err(e),
            }
        }
        Ok(self.waiting.pop_front())
    }

    fn next_message(&self) -> Result<Option<(Message, Option<OwnedFd>)>, FrameError> {
        let mut buf = [0; SIZE + 1];
        // Room for all that the kernel can pass: with less it would cut the list, and nix would not show us the ones to close.
        let mut space = nix::cmsg_space!([std::os::fd::RawFd; KERNEL_MAX_FDS]);
        let mut iov = [IoSliceMut::new(&mut buf)];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
        let got = match recvmsg::<()>(self.socket.as_raw_fd(), &mut iov, Some(&mut space), flags) {
            Ok(got) => got,
            Err(nix::Error::EAGAIN | nix::Error::EINTR) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let mut fds = owned_fds(&got);
        let (bytes, truncated) = (got.bytes, got.flags.intersects(MsgFlags::MSG_CTRUNC | MsgFlags::MSG_TRUNC));
        if bytes == 0 {
            return Err(FrameError::Closed);
        }
        if truncated || fds.len() > 1 {
            return Err(FrameError::Broken("a message with too many bytes or file descriptors"));
        }
        Ok(Some((Message::decode(&buf[..bytes])?, fds.pop())))
    }

    fn take(&mut self, message: Message, fd: Option<OwnedFd>) -> Result<(), FrameError> {
        match (message, fd) {
            (Message::Ring { ring, stream, slot_bytes, slots }, Some(fd)) => self.take_ring(ring, stream, slot_bytes, slots, &fd),
            (Message::Frame(notice), None) => self.take_frame(notice),
            (Message::Ring { .. }, None) => Err(FrameError::Broken("a ring without its memfd")),
            (Message::Frame(_), Some(_)) => Err(FrameError::Broken("a file descriptor beside a frame")),
            (Message::Return { .. }, _) => Err(FrameError::Broken("the sender may not return slots")),
        }
    }

    fn take_ring(&mut self, number: u32, stream: Stream, slot_bytes: u32, slots: u8, fd: &OwnedFd) -> Result<(), FrameError> {
        let slot_bytes = slot_bytes as usize;
        // Rounding up to a page is the sender's right, more is not.
        if slots != SLOTS || slot_bytes == 0 || slot_bytes > picture_bytes(MAX_WIDTH, MAX_HEIGHT).next_multiple_of(4096) {
            return Err(FrameError::Broken("a ring of the wrong number or size of slots"));
        }
        let mapping = Arc::new(ring::open(fd, slot_bytes * usize::from(slots))?);
        self.rings[stream as usize] = Some(Ring { number, slot_bytes, mapping, out: Arc::default() });
        Ok(())
    }

    fn take_frame(&mut self, notice: Notice) -> Result<(), FrameError> {
        let ring = self.rings[notice.stream as usize].as_ref().filter(|r| r.number == notice.ring);
        let ring = ring.ok_or(FrameError::Broken("a frame in a ring that was not sent"))?;
        if notice.slot >= SLOTS || picture_bytes(notice.width, notice.height) > ring.slot_bytes {
            return Err(FrameError::Broken("a frame outside its slot"));
        }
        let bit = 1 << notice.slot;
        if ring.out.fetch_or(bit, core::sync::atomic::Ordering::AcqRel) & bit != 0 {
            return Err(FrameError::Broken("a frame in a slot that was not returned"));
        }
        let frame = Frame {
            notice,
            start: usize::from(notice.slot) * ring.slot_bytes,
            mapping: ring.mapping.clone(),
            out: ring.out.clone(),
            socket: self.socket.clone(),
        };
        self.waiting.retain(|f| f.notice.stream != notice.stream);
        self.waiting.push_back(frame);
        Ok(())
    }
}

#[allow(unsafe_code, reason = "the kernel made these file descriptors for us; nix hands them out as numbers")]
fn owned_fds(got: &nix::sys::socket::RecvMsg<'_, '_, ()>) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    for control in got.cmsgs().into_iter().flatten() {
        if let ControlMessageOwned::ScmRights(numbers) = control {
            // SAFETY: each number is a new descriptor of this process, owned by nobody else.
            fds.extend(numbers.into_iter().map(|n| unsafe { OwnedFd::from_raw_fd(n) }));
        }
    }
    fds
}

impl Frame {
    /// Which picture.
    #[must_use]
    pub const fn stream(&self) -> Stream {
        self.notice.stream
    }
    /// Number within the stream; a gap is a frame that was dropped.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.notice.seq
    }
    /// When it was decoded or captured, `CLOCK_BOOTTIME` nanoseconds.
    #[must_use]
    pub const fn pts_ns(&self) -> u64 {
        self.notice.pts_ns
    }
    /// Pixels, 1 to 1920.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.notice.width
    }
    /// Pixels, 1 to 1088.
    #[must_use]
    pub const fn height(&self) -> u16 {
        self.notice.height
    }
    /// Bytes from one luma row to the next.
    #[must_use]
    pub const fn y_stride(&self) -> usize {
        plane_sizes(self.notice.width, self.notice.height)[0].0
    }
    /// Bytes from one chroma row to the next.
    #[must_use]
    pub const fn c_stride(&self) -> usize {
        plane_sizes(self.notice.width, self.notice.height)[1].0
    }
    /// Luma, `height` rows.
    #[must_use]
    pub fn y(&self) -> &[u8] {
        let [(w, h), _] = plane_sizes(self.notice.width, self.notice.height);
        self.plane(0, w * h)
    }
    /// Cb, half the rows, rounded up.
    #[must_use]
    pub fn u(&self) -> &[u8] {
        let [(w, h), (cw, ch)] = plane_sizes(self.notice.width, self.notice.height);
        self.plane(w * h, cw * ch)
    }
    /// Cr, half the rows, rounded up.
    #[must_use]
    pub fn v(&self) -> &[u8] {
        let [(w, h), (cw, ch)] = plane_sizes(self.notice.width, self.notice.height);
        self.plane(w * h + cw * ch, cw * ch)
    }

    fn plane(&self, offset: usize, len: usize) -> &[u8] {
        // `take_frame` checked that the whole picture lies in its slot, so the empty plane does not happen.
        self.mapping.read(self.start + offset, len).unwrap_or_default()
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.out.fetch_and(!(1 << self.notice.slot), core::sync::atomic::Ordering::AcqRel);
        let n = &self.notice;
        let message = Message::Return { ring: n.ring, stream: n.stream, slot: n.slot };
        // At most `SLOTS` returns per stream are ever unread by an honest sender, so a full socket is its own doing.
        let _ = send(self.socket.as_raw_fd(), &message.encode(), MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL);
    }
}
