//! Owns: seqpacket sockets and the passing of file descriptors over them (`unix(7)`, `SCM_RIGHTS`), nonblocking and close-on-exec.
//! Never: blocks, reads more than the caller's bound, or leaves a received descriptor open that the caller did not ask for.
//! Called by: arbiter, call, link, ui, the bench.
#![allow(unsafe_code, reason = "the kernel hands descriptors over as numbers; somebody has to become their owner")]

use nix::cmsg_space;
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, accept4, bind, connect,
    getsockopt, listen, recvmsg, sendmsg, setsockopt, socket, socketpair, sockopt,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::path::Path;

/// Most descriptors that Linux passes in one message (`SCM_MAX_FD`).
const KERNEL_MAX_FDS: usize = 253;

/// One message as it was received.
#[derive(Debug, Default)]
pub struct Message {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its descriptors, close-on-exec.
    pub fds: Vec<OwnedFd>,
}

/// Two connected ends of a nonblocking seqpacket socket.
///
/// # Errors
/// What the kernel refuses (out of descriptors).
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?)
}

/// A nonblocking connection to the seqpacket socket at `path`.
///
/// # Errors
/// `NotFound` or `ConnectionRefused` while nobody listens; `WouldBlock` when the listener's queue is full: try again.
pub fn connect_to(path: &Path) -> io::Result<OwnedFd> {
    let fd = unbound()?;
    connect(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(fd)
}

/// A nonblocking seqpacket listener at `path`; a stale socket file there is replaced.
///
/// # Errors
/// What the kernel refuses.
pub fn listen_at(path: &Path) -> io::Result<OwnedFd> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let fd = unbound()?;
    bind(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&fd, Backlog::new(4)?)?;
    Ok(fd)
}

/// The next connection of a listener, nonblocking.
///
/// # Errors
/// `WouldBlock` when there is none.
pub fn accept(listener: impl AsFd) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = accept4(listener.as_fd().as_raw_fd(), flags)?;
    // SAFETY: accept4 has just made this descriptor, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// User id of the process that made the other end, as the kernel noted it then (`SO_PEERCRED`).
///
/// # Errors
/// Not a unix socket.
pub fn peer_uid(fd: impl AsFd) -> io::Result<u32> {
    Ok(getsockopt(&fd.as_fd(), sockopt::PeerCredentials)?.uid())
}

/// Bounds how many bytes wait unsent, so that a peer that does not read cannot hold memory.
///
/// # Errors
/// Not a socket.
pub fn limit_queue(fd: impl AsFd, bytes: usize) -> io::Result<()> {
    Ok(setsockopt(&fd.as_fd(), sockopt::SndBuf, &bytes)?)
}

/// Sends one message whole, with `fds` beside it.
///
/// # Errors
/// `WouldBlock` when the peer's queue is full; `BrokenPipe` when it is gone (never a signal).
pub fn send(fd: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let sent = sendmsg::<()>(fd.as_fd().as_raw_fd(), &[IoSlice::new(bytes)], control, flags, None)?;
    if sent == bytes.len() { Ok(()) } else { Err(io::Error::new(io::ErrorKind::WriteZero, "seqpacket message was cut")) }
}

/// Receives one message of at most `max_bytes` with at most `max_fds` descriptors; `None` when the peer hung up.
///
/// # Errors
/// `WouldBlock` when nothing waits; `InvalidData` when the message breaks a bound (it is dropped whole, its descriptors closed).
pub fn recv(fd: impl AsFd, max_bytes: usize, max_fds: usize) -> io::Result<Option<Message>> {
    let mut bytes = vec![0; max_bytes];
    // Room for all that the kernel can pass: with less it would cut the list, and nix would not show us the ones to close.
    let mut space = cmsg_space!([RawFd; KERNEL_MAX_FDS]);
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let got = recvmsg::<()>(fd.as_fd().as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    let mut fds = Vec::new();
    for message in got.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = message {
            // SAFETY: the kernel has just installed these descriptors in this process, and nobody else knows their numbers.
            fds.extend(numbers.into_iter().map(|n| unsafe { OwnedFd::from_raw_fd(n) }));
        }
    }
    let (len, cut) = (got.bytes, got.flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC));
    if cut || fds.len() > max_fds {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "message: more bytes or descriptors than its bound"));
    }
    if len == 0 {
        return Ok(None);
    }
    bytes.truncate(len);
    Ok(Some(Message { bytes, fds }))
}

fn unbound() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?)
}

#[cfg(test)]
mod tests {
    use super::{accept, connect_to, listen_at, pair, peer_uid, recv, send};
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    use std::io::ErrorKind;
    use std::os::fd::AsFd as _;

    fn open_descriptors() -> usize {
        std::fs::read_dir("/proc/self/fd").unwrap().count()
    }

    #[test]
    fn a_message_arrives_whole_with_its_descriptor_close_on_exec() {
        let (a, b) = pair().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        send(&a, b"here", &[file.as_fd()]).unwrap();
        let got = recv(&b, 16, 1).unwrap().unwrap();
        assert_eq!(got.bytes, b"here");
        let flags = fcntl(&got.fds[0], FcntlArg::F_GETFD).unwrap();
        assert!(FdFlag::from_bits_truncate(flags).contains(FdFlag::FD_CLOEXEC));
    }

    #[test]
    fn nothing_waiting_and_hang_up_are_told_apart() {
        let (a, b) = pair().unwrap();
        assert_eq!(recv(&b, 16, 0).unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(a);
        assert!(recv(&b, 16, 0).unwrap().is_none());
        assert_eq!(send(&b, b"x", &[]).unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    #[test]
    fn too_long_or_too_many_descriptors_are_refused_and_closed() {
        let (a, b) = pair().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        let before = open_descriptors();
        send(&a, &[1; 17], &[file.as_fd()]).unwrap();
        assert_eq!(recv(&b, 16, 1).unwrap_err().kind(), ErrorKind::InvalidData);
        send(&a, &[1; 4], &[file.as_fd(); 200]).unwrap();
        assert_eq!(recv(&b, 16, 1).unwrap_err().kind(), ErrorKind::InvalidData);
        // Other tests of this binary open descriptors at the same time, but not two hundred.
        assert!(open_descriptors() < before + 100);
        send(&a, b"next", &[]).unwrap();
        assert_eq!(recv(&b, 16, 1).unwrap().unwrap().bytes, b"next");
    }

    #[test]
    fn a_full_queue_does_not_block() {
        let (a, _b) = pair().unwrap();
        let full = (0..100_000).find_map(|_| send(&a, &[0; 1024], &[]).err()).unwrap();
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn a_listener_knows_its_caller() {
        let dir = std::env::temp_dir().join(format!("parloir-fds-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("socket");
        assert_eq!(connect_to(&path).unwrap_err().kind(), ErrorKind::NotFound);
        let listener = listen_at(&path).unwrap();
        let _replaced = listen_at(&path).unwrap();
        drop(listener);
        let client = connect_to(&path).unwrap();
        let served = accept(&_replaced).unwrap();
        assert_eq!(peer_uid(&served).unwrap(), nix::unistd::geteuid().as_raw());
        send(&client, b"hi", &[]).unwrap();
        assert_eq!(recv(&served, 8, 0).unwrap().unwrap().bytes, b"hi");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
