//! Owns: sequenced-packet sockets with fds beside the message, systemd's notifications, the clock.
//! Never: knows what a message says.
//! Called by: run, launch.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::{fs, io};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, accept4, bind, connect,
    getsockopt, listen, recvmsg, sendmsg, socket, sockopt::PeerCredentials,
};

/// Most fds that Linux puts beside one message (`SCM_MAX_FD`); with room for all of them none can be cut off and leak.
const MAX_FDS: usize = 253;

/// `CLOCK_BOOTTIME` in nanoseconds: monotonic, and counts while the box sleeps.
#[must_use]
pub fn now() -> u64 {
    let t = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME)
        .map_or_else(|_| std::process::abort(), std::time::Duration::from);
    u64::try_from(t.as_nanos()).unwrap_or(u64::MAX)
}

#[allow(unsafe_code)]
fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: every caller passes an fd that the kernel gave to this process in the call just before, and that nothing else holds.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn fresh() -> nix::Result<OwnedFd> {
    socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)
}

/// A listening socket that only `uid` can connect to. Where gate may not change owners (the bench) anyone can connect, and
/// [`accept`]'s check of the peer alone decides.
///
/// # Errors
/// The path cannot be made a socket.
pub fn serve(path: &Path, uid: u32) -> io::Result<OwnedFd> {
    let _ = fs::remove_file(path);
    let fd = fresh()?;
    bind(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    let mode = if chown(path, Some(uid), None).is_ok() { 0o600 } else { 0o666 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    listen(&fd, Backlog::new(4)?)?;
    Ok(fd)
}

/// The next connection and the user at its other end.
///
/// # Errors
/// None waits, or the kernel does not tell the user.
pub fn accept(listener: &OwnedFd) -> io::Result<(OwnedFd, u32)> {
    let fd = own(accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK)?);
    let uid = getsockopt(&fd, PeerCredentials)?.uid();
    Ok((fd, uid))
}

/// # Errors
/// Nobody listens, or too many wait.
pub fn dial(path: &Path) -> io::Result<OwnedFd> {
    let fd = fresh()?;
    connect(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(fd)
}

/// Never blocks: a peer that does not read is a peer that is gone.
///
/// # Errors
/// The peer hung up or does not read.
pub fn send(fd: &OwnedFd, bytes: &[u8], beside: &[RawFd]) -> io::Result<()> {
    let rights = [ControlMessage::ScmRights(beside)];
    let control = if beside.is_empty() { &[][..] } else { &rights[..] };
    sendmsg::<()>(fd.as_raw_fd(), &[IoSlice::new(bytes)], control, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT, None)?;
    Ok(())
}

/// One message: its length, 0 for a hang-up, and every fd beside it; what the caller does not want closes when it is dropped.
/// A message longer than `bytes` is cut, so `bytes` must be longer than any good message.
///
/// # Errors
/// Nothing waits, or the connection broke.
pub fn receive(fd: &OwnedFd, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut control = nix::cmsg_space!([RawFd; MAX_FDS]);
    let mut parts = [IoSliceMut::new(bytes)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(fd.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
    let mut fds = Vec::new();
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(beside) = part {
            fds.extend(beside.into_iter().map(own));
        }
    }
    Ok((message.bytes, fds))
}

/// Whether nobody holds the other end any more, whatever may still wait to be read.
#[must_use]
pub fn hung_up(fd: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(fd.as_fd(), PollFlags::empty())];
    poll(&mut polled, PollTimeout::ZERO).is_ok() && polled[0].revents().is_some_and(|r| r.contains(PollFlags::POLLHUP))
}

/// Tells systemd (`sd_notify(3)`), if it listens.
pub fn notify(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let abstract_name = path.as_encoded_bytes().strip_prefix(b"@");
    let address = abstract_name.map_or_else(|| SocketAddr::from_pathname(&path), SocketAddr::from_abstract_name);
    let _ = address.and_then(|a| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &a));
}
