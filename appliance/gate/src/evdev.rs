//! Owns: the remote's input devices: opened read-only, grabbed, their events reduced to 24 keys (S6).
//! Never: passes any other key on; keeps a device that it cannot have alone.
//! Called by: run. Event layout: `struct input_event` of `linux/input.h`.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::libc::{O_NOCTTY, O_NONBLOCK};
use parloir_wire::keys::{Key, Motion};

/// Bytes of one event: two kernel longs of time, then type, code and value.
pub const EVENT: usize = 2 * size_of::<usize>() + 8;
const EV_KEY: u16 = 1;

nix::ioctl_write_int!(eviocgrab, b'E', 0x90);

/// One input device of the remote.
pub struct Remote(File);

impl Remote {
    /// Opens and grabs a device, so that no other process (a console, SysRq) gets its keys.
    ///
    /// # Errors
    /// It is not there, or someone else holds it.
    #[allow(unsafe_code)]
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).custom_flags(O_NONBLOCK | O_NOCTTY).open(path)?;
        // SAFETY: EVIOCGRAB takes its argument by value and touches no memory of ours; the fd is open as long as `file` is.
        unsafe { eviocgrab(file.as_raw_fd(), 1) }?;
        Ok(Self(file))
    }

    /// The keys that wait.
    ///
    /// # Errors
    /// The device is gone.
    pub fn read(&mut self) -> io::Result<Vec<(Key, Motion)>> {
        let mut bytes = [0; 64 * EVENT];
        match self.0.read(&mut bytes) {
            Ok(n) => Ok(bytes[..n].as_chunks::<EVENT>().0.iter().filter_map(key).collect()),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(Vec::new()),
            Err(e) => Err(e),
        }
    }
}

impl AsFd for Remote {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// For the bench's datagram door, which brings the same events.
impl From<OwnedFd> for Remote {
    fn from(fd: OwnedFd) -> Self {
        Self(fd.into())
    }
}

fn key(event: &[u8; EVENT]) -> Option<(Key, Motion)> {
    let [.., t0, t1, c0, c1, v0, v1, v2, v3] = *event;
    let motion = match i32::from_ne_bytes([v0, v1, v2, v3]) {
        0 => Motion::Up,
        1 => Motion::Down,
        2 => Motion::Repeat,
        _ => return None,
    };
    (u16::from_ne_bytes([t0, t1]) == EV_KEY).then_some(())?;
    Some((Key::from_evdev(u16::from_ne_bytes([c0, c1]))?, motion))
}
