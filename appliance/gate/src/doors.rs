//! Owns: every door of the box: the remote (opened read-only, grabbed, 24 keys: S6), camera, microphone, and the lamp.
//! Never: decides when (the lease does); leaves a door open because another failed to shut; keeps a remote it cannot have alone.
//! Called by: run.
//!
//! A door's device nodes (V4L2, ALSA) belong to root, mode 0600, and to the call process's user while it is open. Linux cannot
//! revoke an open V4L2 node, so shutting is complete only with the death of the call process.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::{fs, io};

use parloir_wire::keys::{EVENT, Key, Motion, from_event};

use crate::{config::Config, launch::Call};

mod ioctl {
    nix::ioctl_write_int!(eviocgrab, b'E', 0x90);
}

/// The key motions that wait at the remote's devices. One that is not there, or that someone else holds, is tried each time.
pub fn read_keys(remotes: &mut [(PathBuf, Option<OwnedFd>)]) -> Vec<(Key, Motion)> {
    let mut motions = Vec::new();
    for (path, remote) in remotes {
        let mut events = [0; 64 * EVENT];
        let Some(device) = remote.take().or_else(|| grab(path).ok()) else { continue };
        match nix::unistd::read(&device, &mut events) {
            Ok(len) => motions.extend(events[..len].as_chunks().0.iter().filter_map(from_event)),
            Err(nix::Error::EAGAIN) => {}
            // Unplugged; it tells when it is back.
            Err(_) => continue,
        }
        *remote = Some(device);
    }
    motions
}

/// So that no other process (a console, SysRq) gets its keys.
#[allow(unsafe_code)]
fn grab(path: &Path) -> io::Result<OwnedFd> {
    let device = fs::File::options().read(true).custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY).open(path)?;
    // SAFETY: EVIOCGRAB takes its argument by value and touches no memory of ours; the fd is open as long as `device` is.
    unsafe { ioctl::eviocgrab(device.as_raw_fd(), 1) }?;
    say!(5, "remote {}: grabbed", path.display());
    Ok(device.into())
}

/// Lights the lamp, opens every door of the mask and tells the call process. On the bench an fd goes with the door; gate's own
/// copy is closed at once.
///
/// # Errors
/// A door of the mask does not exist, it or the lamp cannot be switched (no door without its lamp), or the call process is gone;
/// the caller shuts all and ends the lease.
pub fn open(config: &Config, media: u8, call: &Call) -> io::Result<()> {
    light(config, true)?;
    for (door, nodes) in config.doors.iter().filter(|(door, _)| media & door != 0) {
        #[cfg(feature = "bench")]
        if let Some(clip) = config.bench.open_clip(*door)? {
            call.door(*door, Some(&clip))?;
            continue;
        }
        nodes.first().ok_or_else(|| io::Error::other("this box has no such door"))?;
        nodes.iter().try_for_each(|node| give(node, config.call_uid))?;
        call.door(*door, None)?;
    }
    Ok(())
}

/// Takes every device node back, also those that are not open; the call process is to be killed whether or not that succeeds.
/// The lamp stays lit until it is dead.
pub fn shut(config: &Config) {
    for node in config.doors.iter().flat_map(|(_, nodes)| nodes) {
        let _ = give(node, 0).inspect_err(|e| say!(3, "{}: could not be taken back: {e}", node.display()));
    }
}

/// Switches the lamp, if there is one.
///
/// # Errors
/// It cannot be switched; it may be lit although nothing sees, never the other way round.
pub fn light(config: &Config, on: bool) -> io::Result<()> {
    let lamp = config.lamp.as_ref().map_or(Ok(()), |lamp| fs::write(lamp, if on { "255" } else { "0" }));
    lamp.inspect_err(|e| say!(4, "lamp: {e}"))
}

/// To this owner and nobody else: mode 0600 first, so that no moment is wider than either.
fn give(node: &Path, uid: u32) -> io::Result<()> {
    fs::set_permissions(node, fs::Permissions::from_mode(0o600))?;
    chown(node, Some(uid), Some(0))
}
