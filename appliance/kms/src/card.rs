//! Owns: the graphics card: finding it, being its master, the first TV that is plugged in and the mode to drive it in.
//! Never: a pixel (surface).
//! Called by: ui, still.

use crate::choice::{Offer, best};
use drm::control::{Device as _, Mode, ModeFlags, ModeTypeFlags, connector, crtc, framebuffer};
use drm::{Device as _, DriverCapability};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// An open card.
#[derive(Debug)]
pub struct Card(File);

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
impl drm::Device for Card {}
impl drm::control::Device for Card {}

/// A TV that is plugged in, and how it is driven.
#[derive(Clone, Debug)]
pub struct Output {
    pub(crate) connector: connector::Handle,
    pub(crate) crtc: crtc::Handle,
    pub(crate) mode: Mode,
    name: String,
}

impl Output {
    /// Pixels.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        let (width, height) = self.mode.size();
        (width.into(), height.into())
    }

    /// Such as `HDMI-A-1 1280x720@60`.
    #[must_use]
    pub fn name(&self) -> String {
        let (width, height) = self.mode.size();
        format!("{} {width}x{height}@{}", self.name, self.mode.vrefresh())
    }

    /// Whether another look found the same TV, to be driven in the same way.
    #[must_use]
    pub fn is_as(&self, other: &Self) -> bool {
        self.connector == other.connector && self.mode == other.mode
    }
}

impl Card {
    /// The first card that can show pictures without a graphics processor. Whoever opens a card that has no master becomes it.
    ///
    /// # Errors
    /// `NotFound`: there is none (yet); else what stood in the way of the last one.
    pub fn open() -> io::Result<Self> {
        Self::open_in(Path::new("/dev/dri"))
    }

    fn open_in(directory: &Path) -> io::Result<Self> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "no graphics card");
        for path in cards(directory)? {
            match Self::open_one(&path) {
                Ok(card) => return Ok(card),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn open_one(path: &Path) -> io::Result<Self> {
        // Events are asked for, not waited for. `O_CLOEXEC` comes with std.
        const O_NONBLOCK: i32 = 0o4000;
        let card = Self(OpenOptions::new().read(true).write(true).custom_flags(O_NONBLOCK).open(path)?);
        if card.get_driver_capability(DriverCapability::DumbBuffer)? == 0 || card.resource_handles()?.connectors().is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "a card without pictures of its own"));
        }
        Ok(card)
    }

    /// Becomes (or stays) the master.
    ///
    /// # Errors
    /// `ResourceBusy`: another is. `PermissionDenied`: another was when this card was opened; open it again.
    pub fn take(&self) -> io::Result<()> {
        self.acquire_master_lock()
    }

    /// Is the master no longer; what is shown stays.
    pub fn leave(&self) {
        // Who is not the master has left already.
        let _ = self.release_master_lock();
    }

    /// The first TV that is plugged in. `probe` asks the TV itself, which only the master can and which takes its time; else what the
    /// kernel knows from the last time.
    ///
    /// # Errors
    /// The card is gone.
    pub fn output(&self, probe: bool) -> io::Result<Option<Output>> {
        let resources = self.resource_handles()?;
        for handle in resources.connectors() {
            let Ok(info) = self.get_connector(*handle, probe) else { continue };
            if info.state() != connector::State::Connected {
                continue;
            }
            let offers: Vec<Offer> = info.modes().iter().map(offer).collect();
            let mode = best(&offers).and_then(|n| info.modes().get(n).copied());
            if let (Some(mode), Some(crtc)) = (mode, self.crtc(&info, &resources)) {
                return Ok(Some(Output { connector: *handle, crtc, mode, name: info.to_string() }));
            }
        }
        Ok(None)
    }

    /// The picture that this TV shows now, whoever's it is.
    pub(crate) fn shown(&self, crtc: crtc::Handle) -> Option<framebuffer::Handle> {
        let info = self.get_crtc(crtc).ok()?;
        info.mode().and(info.framebuffer())
    }

    /// What feeds the connector already, so that two processes choose the same; else the first that can.
    fn crtc(&self, info: &connector::Info, resources: &drm::control::ResourceHandles) -> Option<crtc::Handle> {
        let now = info.current_encoder().and_then(|e| self.get_encoder(e).ok()).and_then(|e| e.crtc());
        now.or_else(|| {
            let encoders = info.encoders().iter().filter_map(|e| self.get_encoder(*e).ok());
            encoders.flat_map(|e| resources.filter_crtcs(e.possible_crtcs())).next()
        })
    }
}

fn offer(mode: &Mode) -> Offer {
    let (width, height) = mode.size();
    Offer {
        width,
        height,
        hertz: mode.vrefresh(),
        preferred: mode.mode_type().contains(ModeTypeFlags::PREFERRED),
        interlaced: mode.flags().contains(ModeFlags::INTERLACE),
    }
}

/// The cards in the order of their numbers.
fn cards(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix("card")?.parse::<u32>().ok();
    let entries = std::fs::read_dir(directory)?.filter_map(|e| Some(e.ok()?.path()));
    let mut numbered: Vec<(u32, PathBuf)> = entries.filter_map(|p| Some((number(&p)?, p))).collect();
    numbered.sort();
    Ok(numbered.into_iter().map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::{Card, cards};
    use std::io::ErrorKind;

    #[test]
    fn cards_by_number_and_nothing_else() {
        let directory = std::env::temp_dir().join(format!("parloir-kms-cards-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        for name in ["card10", "card2", "renderD128", "by-path", "card", "cardx"] {
            std::fs::write(directory.join(name), "").unwrap();
        }
        let names: Vec<_> = cards(&directory).unwrap().iter().map(|p| p.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["card2", "card10"]);
        assert!(Card::open_in(&directory).is_err(), "what is no card is not taken for one");
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!(Card::open_in(&directory).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
