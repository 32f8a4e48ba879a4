//! Owns: gate's doors on a developer's machine: keys by datagram, clips as camera and microphone, the call process by pidfd.
//! Never: in an image (the build refuses the feature `bench`); opens anything that a ticket did not open.
//! Called by: config, doors, launch, run, each behind the feature.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use parloir_wire::start::{self, Start};
use parloir_wire::{CAMERA, MICROPHONE};

use crate::evdev::Remote;
use crate::socket;

/// How long the supervisor may take to fork; inside gate's own watchdog of 2 s.
const FORK_LIMIT_MS: u16 = 1000;

/// The bench's own flags.
#[derive(Debug, Default)]
pub struct Flags {
    remote: Option<PathBuf>,
    camera: Option<PathBuf>,
    microphone: Option<PathBuf>,
    /// Hold the call process by a slice as on the box, and expect no pidfd.
    pub call_slice: Option<PathBuf>,
}

impl Flags {
    /// Whether the flag is one of these.
    pub fn take(&mut self, flag: &str, value: &str) -> bool {
        let place = match flag {
            "--bench-remote" => &mut self.remote,
            "--bench-camera" => &mut self.camera,
            "--bench-microphone" => &mut self.microphone,
            "--bench-call-slice" => &mut self.call_slice,
            _ => return false,
        };
        *place = Some(value.into());
        true
    }

    /// The clips, by door.
    pub fn clips(&self) -> impl Iterator<Item = (u8, PathBuf)> {
        let camera = self.camera.iter().map(|clip| (CAMERA, clip.clone()));
        camera.chain(self.microphone.iter().map(|clip| (MICROPHONE, clip.clone())))
    }

    /// The datagram door: each datagram is one `struct input_event`. Open to every user of the bench.
    ///
    /// # Errors
    /// The path cannot be made a socket.
    pub fn bind_remote(&self) -> io::Result<Option<(PathBuf, Option<Remote>)>> {
        let Some(path) = &self.remote else { return Ok(None) };
        let _ = fs::remove_file(path);
        let socket = UnixDatagram::bind(path)?;
        socket.set_nonblocking(true)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
        Ok(Some((path.clone(), Some(OwnedFd::from(socket).into()))))
    }
}

/// Read-only; gate's own copy is closed as soon as the call process has its own.
///
/// # Errors
/// There is no such clip.
pub fn open_clip(path: &Path) -> io::Result<OwnedFd> {
    File::open(path).map(OwnedFd::from)
}

/// A call process that the supervisor forked, held by its pidfd.
pub struct Process(OwnedFd);

impl Process {
    /// Waits for the supervisor's `Spawned`.
    ///
    /// # Errors
    /// It does not come in time, or is not what was said.
    pub fn receive(start: &OwnedFd) -> io::Result<Self> {
        poll(&mut [PollFd::new(start.as_fd(), PollFlags::POLLIN)], PollTimeout::from(FORK_LIMIT_MS))?;
        let mut bytes = [0; start::SIZE + 1];
        let (len, mut fds) = socket::receive(start, &mut bytes)?;
        match (Start::decode(&bytes[..len]), fds.pop()) {
            (Ok(Start::Spawned { .. }), Some(pidfd)) if fds.is_empty() => Ok(Self(pidfd)),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the supervisor sent no Spawned with one pidfd")),
        }
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// It may not be killed by this user.
    #[allow(unsafe_code)]
    pub fn kill(&self) -> io::Result<()> {
        let none: *const libc::siginfo_t = std::ptr::null();
        // SAFETY: pidfd_send_signal reads no memory when its siginfo is null; the fd is open as long as `self` is.
        let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.0.as_raw_fd(), libc::SIGKILL, none, 0) };
        match io::Error::last_os_error() {
            _ if sent == 0 => Ok(()),
            gone if gone.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            error => Err(error),
        }
    }

    /// A pidfd is readable when the process has ended (`pidfd_open(2)`), reaped or not.
    #[must_use]
    pub fn dead(&self) -> bool {
        let mut polled = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        poll(&mut polled, PollTimeout::ZERO).is_ok() && polled[0].any() == Some(true)
    }
}
