//! Owns: sequenced-packet sockets with fds beside the message; the clock; notifications to systemd.
//! Never: knows what a message says.
//! Called by: all of gate.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::{fs::PermissionsExt, fs::chown, net::UnixDatagram};
use std::{fs, io, path::Path};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{self, AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType};

const FLAGS: SockFlag = SockFlag::SOCK_CLOEXEC.union(SockFlag::SOCK_NONBLOCK);
/// Most fds that Linux puts beside one message (`SCM_MAX_FD`); with room for all of them none can be cut off and leak.
const MAX_FDS: usize = 253;

/// `CLOCK_BOOTTIME` in nanoseconds: monotonic, and counts while the box sleeps.
pub fn now() -> u64 {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).map(std::time::Duration::from);
    time.map_or_else(|_| std::process::abort(), |t| u64::try_from(t.as_nanos()).unwrap_or(u64::MAX))
}

#[allow(unsafe_code)]
fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: every caller passes an fd that the kernel gave to this process in the call just before, and that nothing else holds.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// A listening socket that only `uid` can connect to. Where gate may not change owners (the bench) anyone can connect, and the
/// caller's check of the peer alone decides.
///
/// # Errors
/// The path cannot be made a socket.
pub fn serve(path: &Path, uid: u32) -> io::Result<OwnedFd> {
    let _ = fs::remove_file(path);
    let fd = socket::socket(AddressFamily::Unix, SockType::SeqPacket, FLAGS, None)?;
    socket::bind(fd.as_raw_fd(), &socket::UnixAddr::new(path)?)?;
    let mode = if chown(path, Some(uid), None).is_ok() { 0o600 } else { 0o666 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(socket::listen(&fd, socket::Backlog::new(4)?).map(|()| fd)?)
}

/// The next connection and the user at its other end.
///
/// # Errors
/// None waits, or the kernel does not tell the user.
pub fn accept(listener: &OwnedFd) -> io::Result<(OwnedFd, u32)> {
    let fd = own(socket::accept4(listener.as_raw_fd(), FLAGS)?);
    let uid = socket::getsockopt(&fd, socket::sockopt::PeerCredentials)?.uid();
    Ok((fd, uid))
}

/// # Errors
/// Nobody listens, or too many wait.
pub fn dial(path: &Path) -> io::Result<OwnedFd> {
    let fd = socket::socket(AddressFamily::Unix, SockType::SeqPacket, FLAGS, None)?;
    Ok(socket::connect(fd.as_raw_fd(), &socket::UnixAddr::new(path)?).map(|()| fd)?)
}

/// Never blocks: a peer that does not read is a peer that is gone.
///
/// # Errors
/// The peer hung up or does not read.
pub fn send(fd: &OwnedFd, bytes: &[u8], beside: &[RawFd]) -> io::Result<()> {
    let rights = [ControlMessage::ScmRights(beside)];
    let control = if beside.is_empty() { &[][..] } else { &rights[..] };
    Ok(socket::sendmsg::<()>(fd.as_raw_fd(), &[IoSlice::new(bytes)], control, MsgFlags::MSG_NOSIGNAL, None).map(drop)?)
}

/// One message: its length, 0 for a hang-up, and every fd beside it; what the caller does not want closes when it is dropped.
/// A message longer than `bytes` is cut, so `bytes` must be longer than any good message.
///
/// # Errors
/// Nothing waits (`WouldBlock`), or the connection broke.
pub fn receive(fd: &OwnedFd, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut control = nix::cmsg_space!([RawFd; MAX_FDS]);
    let mut parts = [IoSliceMut::new(bytes)];
    let message = socket::recvmsg::<()>(fd.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let fds = message.cmsgs()?.filter_map(|part| if let ControlMessageOwned::ScmRights(fds) = part { Some(fds) } else { None });
    Ok((message.bytes, fds.flatten().map(own).collect()))
}

/// What `poll` has to say now; with `POLLHUP` nobody holds the other end any more, whatever may still wait to be read.
pub fn ready(fd: &OwnedFd) -> PollFlags {
    let mut polled = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    let _ = poll(&mut polled, PollTimeout::ZERO);
    polled[0].revents().unwrap_or(PollFlags::empty())
}

/// Tells systemd (`sd_notify(3)`), if it listens. Never blocks: a manager that does not read must not keep a door open.
pub fn notify(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let _ = UnixDatagram::unbound().and_then(|to| to.set_nonblocking(true).and_then(|()| to.send_to(state.as_bytes(), path)));
}
