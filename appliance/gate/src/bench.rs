//! Owns: gate's doors on a developer's machine: keys by datagram, clips as camera and microphone, the call process by pidfd.
//! Never: in an image (the build refuses the feature `bench`); opens anything that a ticket did not open.
//! Called by: config, doors, launch, run, each behind the feature.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use parloir_wire::CAMERA;
use parloir_wire::start::{self, Start};

use crate::socket;

/// How long the supervisor may take to fork; inside gate's own watchdog of 2 s.
const FORK_LIMIT_MS: u16 = 1000;

/// The bench's own flags.
#[derive(Debug, Default)]
pub struct Flags {
    remote: Option<PathBuf>,
    camera: Option<PathBuf>,
    microphone: Option<PathBuf>,
    held_by_slice: bool,
}

impl Flags {
    /// Takes them off the command line.
    pub fn take(all: &mut impl FnMut(&'static str) -> Vec<PathBuf>) -> Self {
        let mut one = |flag| all(flag).pop();
        Self {
            remote: one("--bench-remote"),
            camera: one("--bench-camera"),
            microphone: one("--bench-microphone"),
            held_by_slice: one("--bench-hold").is_some_and(|by| by.as_os_str() == "slice"),
        }
    }

    /// The door's clip, read-only, if it has one; gate's own copy is closed as soon as the call process has its own.
    ///
    /// # Errors
    /// The clip cannot be read.
    pub fn open_clip(&self, door: u8) -> io::Result<Option<OwnedFd>> {
        let clip = if door == CAMERA { &self.camera } else { &self.microphone };
        clip.as_ref().map(|path| File::open(path).map(OwnedFd::from)).transpose()
    }

    /// The pidfd of the process that the supervisor forked; none where a slice holds it.
    ///
    /// # Errors
    /// It does not come in time, or is not what was said.
    pub fn receive_process(&self, start: &OwnedFd) -> io::Result<Option<Process>> {
        if self.held_by_slice { Ok(None) } else { Process::receive(start).map(Some) }
    }

    /// The datagram door: each datagram is one `struct input_event`. Open to every user of the bench.
    ///
    /// # Errors
    /// The path cannot be made a socket; in words.
    pub fn bind_remote(&self) -> Result<Option<(PathBuf, Option<OwnedFd>)>, String> {
        self.remote.as_ref().map(|path| bind(path).map_err(|e| format!("{}: {e}", path.display()))).transpose()
    }
}

fn bind(path: &PathBuf) -> io::Result<(PathBuf, Option<OwnedFd>)> {
    let _ = fs::remove_file(path);
    let socket = UnixDatagram::bind(path)?;
    socket.set_nonblocking(true)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    Ok((path.clone(), Some(socket.into())))
}

/// A call process that the supervisor forked, held by its pidfd.
pub struct Process(OwnedFd);

impl Process {
    /// Waits for the supervisor's `Spawned`.
    fn receive(start: &OwnedFd) -> io::Result<Self> {
        poll(&mut [PollFd::new(start.as_fd(), PollFlags::POLLIN)], PollTimeout::from(FORK_LIMIT_MS))?;
        let mut bytes = [0; start::SIZE + 1];
        let (len, mut fds) = socket::receive(start, &mut bytes)?;
        match (Start::decode(&bytes[..len]), fds.pop()) {
            (Ok(Start::Spawned { .. }), Some(pidfd)) if fds.is_empty() => Ok(Self(pidfd)),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the supervisor sent no Spawned with one pidfd")),
        }
    }

    /// SIGKILL.
    #[allow(unsafe_code)]
    pub fn kill(&self) {
        let none: *const libc::siginfo_t = std::ptr::null();
        // SAFETY: pidfd_send_signal reads no memory when its siginfo is null; the fd is open as long as `self` is.
        let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.0.as_raw_fd(), libc::SIGKILL, none, 0) };
        let error = io::Error::last_os_error();
        if sent != 0 && error.raw_os_error() != Some(libc::ESRCH) {
            say!(3, "call process: {error}; killed again until it is dead");
        }
    }

    /// A pidfd is readable when the process has ended (`pidfd_open(2)`), reaped or not.
    #[must_use]
    pub fn dead(&self) -> bool {
        !socket::ready(&self.0).is_empty()
    }
}
