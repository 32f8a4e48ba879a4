//! Owns: a seqpacket socket as the runtime waits for it.
//! Never: blocks a sender: what a peer does not read in time is lost to that peer, and the caller is told.
//! Called by: gate, visit, effects.
#![allow(unsafe_code, reason = "the runtime asks for a promise about the descriptor that only its owner can give")]

use parloir_shell::fds::{self, Message};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// One end.
#[derive(Debug)]
pub struct Channel {
    fd: AsyncFd<OwnedFd>,
}

impl Channel {
    /// Takes a nonblocking end.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        // SAFETY: an OwnedFd is open, and the same one, until it is dropped; it lives inside the AsyncFd for all of that time.
        Ok(Self { fd: unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }? })
    }

    /// The next message within the bounds; `None` when the peer hung up. Safe to cancel: nothing is taken then.
    ///
    /// # Errors
    /// `InvalidData` when a bound is broken, the kernel's own otherwise.
    pub async fn recv(&self, max_bytes: usize, max_fds: usize) -> io::Result<Option<Message>> {
        self.fd.async_io(Interest::READABLE, |fd| fds::recv(fd, max_bytes, max_fds)).await
    }

    /// Sends at once or not at all.
    ///
    /// # Errors
    /// `WouldBlock` when the peer's queue is full, `BrokenPipe` when it is gone.
    pub fn send(&self, bytes: &[u8], passed: &[BorrowedFd<'_>]) -> io::Result<()> {
        fds::send(self.fd.get_ref().as_fd(), bytes, passed)
    }
}
