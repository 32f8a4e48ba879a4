//! Owns: the switch of each door and the lamp: what a door is made of on this box.
//! Never: decides when (the lease does); leaves a door open because another failed to shut.
//! Called by: run.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::config::Config;
use parloir_wire::{CAMERA, MICROPHONE};

/// One switch.
enum Driver {
    /// A device node (V4L2, ALSA): belongs to root, mode 0600, and to the call process's user while the door is open.
    Node { path: PathBuf, uid: u32 },
    /// A clip whose fd is passed when the door opens.
    #[cfg(feature = "bench")]
    Clip(PathBuf),
}

/// All doors of the box.
pub struct Doors {
    drivers: Vec<(u8, Driver)>,
    lamp: Option<PathBuf>,
}

impl Doors {
    /// As the command line says; nothing is touched.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let node = |path: &PathBuf| Driver::Node { path: path.clone(), uid: config.call_uid };
        let cameras = config.camera_nodes.iter().map(|path| (CAMERA, node(path)));
        let microphones = config.microphone_nodes.iter().map(|path| (MICROPHONE, node(path)));
        #[cfg_attr(not(feature = "bench"), expect(unused_mut))]
        let mut drivers: Vec<_> = cameras.chain(microphones).collect();
        #[cfg(feature = "bench")]
        drivers.extend(config.bench.clips().map(|(door, clip)| (door, Driver::Clip(clip))));
        Self { drivers, lamp: config.lamp.clone() }
    }

    /// Lights the lamp, then opens every door of the mask. Each item is a door that is open now, and the fd that goes with it.
    ///
    /// # Errors
    /// A door of the mask does not exist, or it or the lamp cannot be switched; the caller shuts all and ends the call process.
    pub fn open(&self, media: u8) -> io::Result<Vec<(u8, Option<OwnedFd>)>> {
        self.light(true)?;
        let mut open = Vec::new();
        for door in [CAMERA, MICROPHONE].into_iter().filter(|door| media & door != 0) {
            let mut fd = None;
            let mut found = false;
            for (_, driver) in self.drivers.iter().filter(|(d, _)| *d == door) {
                found = true;
                match driver {
                    Driver::Node { path, uid } => give(path, *uid)?,
                    #[cfg(feature = "bench")]
                    Driver::Clip(path) => fd = Some(crate::bench::open_clip(path)?),
                }
            }
            if !found {
                return Err(io::Error::new(io::ErrorKind::NotFound, "no such door is configured"));
            }
            open.push((door, fd));
        }
        Ok(open)
    }

    /// Takes every device node back, also those that are not open. The lamp stays lit until the call process is dead.
    pub fn shut(&self) {
        for (_, driver) in &self.drivers {
            match driver {
                Driver::Node { path, .. } => {
                    if let Err(e) = give(path, 0) {
                        say!(3, "{}: could not be taken back: {e}; the call process is killed all the same", path.display());
                    }
                }
                #[cfg(feature = "bench")]
                Driver::Clip(_) => {}
            }
        }
    }

    /// Drives the lamp, if there is one.
    ///
    /// # Errors
    /// It cannot be driven; an open door without its lamp is not offered.
    pub fn light(&self, on: bool) -> io::Result<()> {
        self.lamp.as_ref().map_or(Ok(()), |lamp| fs::write(lamp, if on { "255" } else { "0" }))
    }
}

/// The node's owner, and nobody else's: mode 0600 first, so that no moment is wider than either.
fn give(path: &Path, uid: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    chown(path, Some(uid), Some(0))
}
