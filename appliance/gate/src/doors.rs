//! Owns: every door of the box: the remote (opened read-only, grabbed, 24 keys: S6), camera, microphone, and the lamp.
//! Never: decides when (the lease does); leaves a door open because another failed to shut; keeps a remote it cannot have alone.
//! Called by: run.
//!
//! A door's device nodes (V4L2, ALSA) belong to root, mode 0600, and to the call process's user while it is open. Linux cannot
//! revoke an open V4L2 node, so shutting is complete only with the death of the call process. What a board's camera can do beside
//! that (a port that is not authorized, a driver that is unbound, a shutter) is a switch; docs/adr/0017 says which and why.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::{fs, io};

use nix::{errno::Errno, libc};
use parloir_wire::keys::{EVENT, Key, Motion, from_event};

use crate::config::Config;
use crate::launch::{Call, absent};

/// `linux/input.h`.
const EVIOCGRAB: libc::Ioctl = nix::request_code_write!(b'E', 0x90, size_of::<libc::c_int>());
/// How long the nodes of a door may take to appear once its switches are thrown, nanoseconds.
const APPEAR_NS: u64 = 3_000_000_000;

/// Doors of a lease that wait for their nodes, as in a ticket's mask, and when it is too late for them; none before their switches
/// are thrown.
pub type Waiting = Option<(u8, u64)>;

/// The key motions that wait at the remote's devices. One that is not there, or that someone else holds, is tried each time.
pub fn read_keys(remotes: &mut [(PathBuf, Option<OwnedFd>)]) -> Vec<(Key, Motion)> {
    let (mut motions, mut events) = (Vec::new(), [0; 64 * EVENT]);
    for (path, remote) in remotes {
        *remote = remote.take().or_else(|| grab(path).ok()).filter(|device| {
            let read = nix::unistd::read(device, &mut events);
            motions.extend(events[..read.unwrap_or(0)].as_chunks().0.iter().filter_map(from_event));
            // Otherwise it is unplugged; it tells when it is back.
            matches!(read, Ok(_) | Err(nix::Error::EAGAIN))
        });
    }
    motions
}

/// So that no other process (a console, SysRq) gets its keys.
#[allow(unsafe_code)]
fn grab(path: &Path) -> io::Result<OwnedFd> {
    let device = fs::File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    // SAFETY: EVIOCGRAB takes its argument by value and touches no memory of ours; the fd is open as long as `device` is.
    Errno::result(unsafe { libc::ioctl(device.as_raw_fd(), EVIOCGRAB, 1) })?;
    say!(5, "remote {}: grabbed", path.display());
    Ok(device.into())
}

/// Opens the doors of the mask as far as it can be done now: lights the lamp and throws the switches once, then gives the call
/// process each door's nodes as soon as they are there, and tells it. Behind a switch a node appears when the kernel has found the
/// device and udev named it. On the bench an fd goes with the door; gate's own copy is closed at once.
///
/// # Errors
/// A door does not exist or does not appear in time, it or the lamp cannot be switched (no door without its lamp), or the call
/// process is gone; the caller shuts all and ends the lease.
pub fn open(config: &Config, media: u8, waiting: &mut Waiting, call: &Call, now: u64) -> io::Result<()> {
    let doors = |mask| config.doors.iter().filter(move |(door, ..)| mask & door != 0);
    if waiting.is_none() {
        light(config, true)?;
        for [path, value, back, rest] in doors(media).flat_map(|(_, _, switches)| switches) {
            // A camera that was plugged in anew was opened by its driver, and must be shut before it can be opened.
            fs::write(path, value).or_else(|_| fs::write(back, rest).and_then(|()| fs::write(path, value)))?;
        }
    }
    let (waiting, until) = waiting.get_or_insert((media, now + APPEAR_NS));
    for (door, nodes, _) in doors(*waiting) {
        #[cfg(feature = "bench")]
        if let Some(clip) = config.bench.open_clip(*door)? {
            call.door(*door, &[clip.as_raw_fd()])?;
            *waiting &= !door;
            continue;
        }
        nodes.first().ok_or_else(|| io::Error::other("this box has no such door"))?;
        if now >= *until || nodes.iter().all(|node| node.exists()) {
            nodes.iter().try_for_each(|node| own(node, config.call_uid))?;
            call.door(*door, &[])?;
            *waiting &= !door;
        }
    }
    Ok(())
}

/// Takes every device node back and throws every switch, also of doors that are not open; the call process is to be killed
/// whether or not that succeeds. The lamp stays lit until it is dead. What is not there (unplugged, unbound) is shut.
pub fn shut(config: &Config) {
    let nodes = config.doors.iter().flat_map(|door| &door.1).map(|node| (node.as_path(), own(node, 0)));
    let switches = config.doors.iter().flat_map(|door| &door.2).map(|[.., at, value]| (Path::new(at), fs::write(at, value)));
    // The nodes of all doors first: a switch may take a while.
    for (what, e) in nodes.chain(switches).filter_map(|(what, done)| Some((what, done.err()?))).filter(|(_, e)| !absent(e)) {
        say!(3, "{}: not shut: {e}", what.display());
    }
}

/// Switches the lamp, if there is one.
///
/// # Errors
/// It cannot be switched; it may be lit although nothing sees, never the other way round.
pub fn light(config: &Config, on: bool) -> io::Result<()> {
    let light = |lamp| fs::write(lamp, if on { "255" } else { "0" });
    config.lamps.iter().try_for_each(light).inspect_err(|e| say!(4, "lamp: {e}"))
}

/// To this owner and nobody else: mode 0600 first, so that no moment is wider than either.
fn own(node: &Path, uid: u32) -> io::Result<()> {
    fs::set_permissions(node, fs::Permissions::from_mode(0o600)).and_then(|()| chown(node, Some(uid), Some(0)))
}
