//! Owns: the three sockets of a call: the start connection, the arbiter's, the signalling end; messages in, facts out.
//! Never: decides anything; a message that breaks its contract ends the process by an error.
//! Called by: run.

use parloir_shell::fds;
use parloir_wire::lease::{self, Fact, ToCall};
use parloir_wire::signal::{self, Signal};
use parloir_wire::start::{self, Start};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Why a socket ended the process.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// The other end is gone: so is the lease.
    #[error("{0}: the other end hung up [org.parloir.Error.LeaseEnded]")]
    HungUp(&'static str),
    /// The kernel refused.
    #[error("{0}: {1} [org.parloir.Error.Io]")]
    Io(&'static str, io::Error),
    /// Not a message.
    #[error("{0}")]
    Refused(#[from] parloir_wire::Refused),
    /// A descriptor is missing, or one too many.
    #[error("{0} [org.parloir.Error.MalformedMessage]")]
    Descriptors(&'static str),
}

/// One of the sockets; the name is for errors.
pub struct Socket {
    fd: OwnedFd,
    name: &'static str,
}

impl Socket {
    /// Takes over an end.
    #[must_use]
    pub const fn new(fd: OwnedFd, name: &'static str) -> Self {
        Self { fd, name }
    }

    /// To wait on.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn recv(&self, max: usize) -> Result<Option<fds::Message>, LeaseError> {
        match fds::recv(&self.fd, max, 1) {
            Ok(Some(message)) => Ok(Some(message)),
            Ok(None) => Err(LeaseError::HungUp(self.name)),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(None),
            Err(e) if matches!(e.kind(), io::ErrorKind::ConnectionReset) => Err(LeaseError::HungUp(self.name)),
            Err(e) => Err(LeaseError::Io(self.name, e)),
        }
    }

    /// The next message of gate, with its descriptor.
    ///
    /// # Errors
    /// See [`LeaseError`].
    pub fn next_start(&self) -> Result<Option<(Start, Option<OwnedFd>)>, LeaseError> {
        let Some(mut got) = self.recv(start::SIZE)? else { return Ok(None) };
        Ok(Some((Start::decode(&got.bytes)?, got.fds.pop())))
    }

    /// The next message of the arbiter, with its descriptor.
    ///
    /// # Errors
    /// See [`LeaseError`].
    pub fn next_order(&self) -> Result<Option<(ToCall, Option<OwnedFd>)>, LeaseError> {
        let Some(mut got) = self.recv(lease::MAX)? else { return Ok(None) };
        Ok(Some((ToCall::decode(&got.bytes)?, got.fds.pop())))
    }

    /// The next message of link.
    ///
    /// # Errors
    /// See [`LeaseError`].
    pub fn next_signal(&self) -> Result<Option<Signal>, LeaseError> {
        let Some(got) = self.recv(signal::MAX)? else { return Ok(None) };
        Ok(Some(Signal::decode(&got.bytes)?))
    }

    /// Tells the arbiter. A full queue drops the fact: an arbiter that does not read is about to be restarted.
    pub fn tell(&self, fact: &Fact) {
        match fds::send(&self.fd, &fact.encode(), &[]) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => tracing::warn!("a fact was dropped: the arbiter does not read"),
            Err(e) => tracing::debug!("{}: {e}", self.name),
        }
    }

    /// Tells link. False: it is gone or does not read; it will ask for a new end.
    pub fn signal(&self, message: &Signal) -> bool {
        fds::send(&self.fd, &message.encode(), &[]).is_ok()
    }
}
