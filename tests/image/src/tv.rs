//! Owns: the TV at the machine's socket: plugged in with a size of its own, pulled out.
//! Never: looks at the picture (machine::screendump) or presses a key.
//! Called by: tests/whole_screen.rs.
//!
//! QEMU gives the guest's screen the size that a viewer over RFB (RFC 6143) asks for, by the community's extension `SetDesktopSize`
//! (client message 251, pseudo-encoding -308). The guest sees it as a TV does it: another description, other modes, a hotplug event. A
//! viewer that asks for nothing by nothing is a TV that is pulled out.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);
const EXTENDED_DESKTOP_SIZE: i32 = -308;

/// The socket of a machine that was started with [`Tv::arguments`].
pub struct Tv {
    socket: PathBuf,
}

impl Tv {
    /// Beside the machine's disk.
    #[must_use]
    pub fn of(disk: &Path) -> Self {
        Self { socket: disk.with_extension("tv") }
    }

    /// What QEMU is told.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        vec!["-vnc".to_owned(), format!("unix:{}", self.socket.display())]
    }

    /// A TV of this size is plugged in, or the one that is there changes to it.
    ///
    /// # Errors
    /// QEMU does not listen or speaks another language.
    pub fn plug(&self, width: u16, height: u16) -> io::Result<()> {
        let mut viewer = self.viewer()?;
        let mut message = vec![251, 0];
        for word in [width, height] {
            message.extend(word.to_be_bytes());
        }
        // One screen, id 0, at the corner, no flags.
        message.extend([1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for word in [width, height] {
            message.extend(word.to_be_bytes());
        }
        message.extend([0; 4]);
        viewer.write_all(&message)?;
        answered(&mut viewer)
    }

    /// The machine starts without a TV. To be called before the guest looks: it may miss the second of two changes.
    ///
    /// # Errors
    /// As [`Tv::plug`].
    pub fn none(&self) -> io::Result<()> {
        // At its start QEMU believes that nothing by nothing was asked for already, and hears no second time.
        self.plug(640, 480)?;
        self.unplug()
    }

    /// The TV is pulled out.
    ///
    /// # Errors
    /// As [`Tv::plug`].
    pub fn unplug(&self) -> io::Result<()> {
        self.plug(0, 0)
    }

    /// A viewer after the handshake, who understands that sizes change.
    fn viewer(&self) -> io::Result<UnixStream> {
        let mut viewer = UnixStream::connect(&self.socket)?;
        viewer.set_read_timeout(Some(LIMIT))?;
        let version: [u8; 12] = read(&mut viewer)?;
        if &version[..4] != b"RFB " {
            return Err(io::Error::other("no RFB at the TV's socket"));
        }
        viewer.write_all(b"RFB 003.008\n")?;
        let [kinds] = read(&mut viewer)?;
        discard(&mut viewer, kinds.into())?;
        // No authentication.
        viewer.write_all(&[1])?;
        if read::<4>(&mut viewer)? != [0; 4] {
            return Err(io::Error::other("QEMU lets no viewer in"));
        }
        // Shared; then come size, pixel format, and a name with its length before it.
        viewer.write_all(&[1])?;
        discard(&mut viewer, 20)?;
        let length = u32::from_be_bytes(read(&mut viewer)?);
        discard(&mut viewer, length as usize)?;
        // SetEncodings: one.
        let mut message = vec![2, 0, 0, 1];
        message.extend(EXTENDED_DESKTOP_SIZE.to_be_bytes());
        viewer.write_all(&message)?;
        Ok(viewer)
    }
}

/// Waits for the word that the wish was handed on: the rectangle of our extension whose first coordinate says "yours".
fn answered(viewer: &mut UnixStream) -> io::Result<()> {
    const REFUSED: u16 = 3;
    loop {
        let [kind, _, high, low] = read(viewer)?;
        if kind != 0 {
            return Err(io::Error::other(format!("QEMU says {kind} where an update of the screen was expected")));
        }
        for _ in 0..u16::from_be_bytes([high, low]) {
            let [a, b, c, d, _, _, _, _, e @ ..]: [u8; 12] = read(viewer)?;
            if i32::from_be_bytes(e) != EXTENDED_DESKTOP_SIZE {
                return Err(io::Error::other("QEMU sends pixels that nobody asked for"));
            }
            let [screens, ..] = read::<4>(viewer)?;
            discard(viewer, usize::from(screens) * 16)?;
            match (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])) {
                (1, REFUSED) => return Err(io::Error::other("this machine's screen has one size only")),
                (1, _) => return Ok(()),
                _ => {}
            }
        }
    }
}

fn read<const N: usize>(from: &mut UnixStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn discard(from: &mut UnixStream, count: usize) -> io::Result<()> {
    from.read_exact(&mut vec![0; count])
}
