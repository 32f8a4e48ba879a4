//! Owns: the names of the board's camera, microphone and loudspeaker, and the choice among what a camera offers.
//! Never: opens a device; guesses a camera that the board does not name.
//! Called by: main (reads the command line), sandbox (which nodes), pipeline (opens).

use crate::plan::PictureLimits;
use parloir_shell::args::{Args, Flag};
use std::path::PathBuf;

/// The flags that name devices; on the box the unit's `$PARLOIR_CALL_BOARD` brings them.
pub const FLAGS: [Flag; 3] = [
    Flag::optional("--camera", "V4L2 node of the camera, or a link to it; it may appear with its door"),
    Flag::or("--microphone", DEFAULT_SOUND, "ALSA PCM that sound is captured from"),
    Flag::or("--loudspeaker", DEFAULT_SOUND, "ALSA PCM that far sound is played to"),
];
/// The PCM that ALSA's own configuration calls so.
const DEFAULT_SOUND: &str = "default";

/// The board's devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Devices {
    /// V4L2 node, or a link to it.
    pub camera: Option<PathBuf>,
    /// ALSA PCM.
    pub microphone: String,
    /// ALSA PCM.
    pub loudspeaker: String,
}

impl Default for Devices {
    fn default() -> Self {
        Self { camera: None, microphone: DEFAULT_SOUND.to_owned(), loudspeaker: DEFAULT_SOUND.to_owned() }
    }
}

impl Devices {
    /// Reads them.
    #[must_use]
    pub fn read(args: &Args) -> Self {
        let text = |name| args.text(name).map_or_else(|_| DEFAULT_SOUND.to_owned(), ToOwned::to_owned);
        Self { camera: args.path("--camera").ok(), microphone: text("--microphone"), loudspeaker: text("--loudspeaker") }
    }
}

/// How a camera's pictures come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As the encoder takes them, or one cheap conversion away.
    Raw,
    /// Motion JPEG: a decoder more.
    Jpeg,
}

/// One thing that a camera offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// How pictures come.
    pub form: Form,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// Frames in a second, rounded.
    pub fps: u8,
}

/// The index of the offer that is nearest to what is wanted: frame rate before size (Q3), size before what it costs; of sizes that are too
/// large the smallest, for it is scaled down. `None` when there is no offer.
#[must_use]
pub fn nearest(offers: &[Mode], wanted: PictureLimits) -> Option<usize> {
    let pixels = |width: u16, height: u16| u32::from(width) * u32::from(height);
    let enough = pixels(wanted.width, wanted.height);
    let distance = |mode: &Mode| {
        let slow = wanted.fps.saturating_sub(mode.fps);
        let missing = pixels(mode.width.min(wanted.width), mode.height.min(wanted.height));
        let has = pixels(mode.width, mode.height);
        (slow, enough - missing, has.saturating_sub(missing), mode.form, mode.fps.saturating_sub(wanted.fps))
    };
    (0..offers.len()).min_by_key(|n| distance(&offers[*n]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Form::{Jpeg, Raw};

    const fn mode(form: Form, width: u16, height: u16, fps: u8) -> Mode {
        Mode { form, width, height, fps }
    }

    fn chosen(offers: &[Mode], width: u16, height: u16, fps: u8) -> Mode {
        offers[nearest(offers, PictureLimits { width, height, fps }).unwrap()]
    }

    #[test]
    fn the_nearest_is_chosen_and_rate_goes_before_size() {
        // A webcam of USB 2: raw is slow above 640x480.
        let webcam = [
            mode(Raw, 640, 480, 30),
            mode(Raw, 1280, 720, 10),
            mode(Raw, 1920, 1080, 5),
            mode(Jpeg, 640, 480, 30),
            mode(Jpeg, 1280, 720, 30),
            mode(Jpeg, 1920, 1080, 30),
        ];
        assert_eq!(chosen(&webcam, 1280, 720, 30), mode(Jpeg, 1280, 720, 30));
        assert_eq!(chosen(&webcam, 1280, 720, 10), mode(Raw, 1280, 720, 10), "raw is cheaper");
        assert_eq!(chosen(&webcam, 640, 360, 20), mode(Raw, 640, 480, 30), "scaled down and thinned out");
        assert_eq!(chosen(&webcam, 1024, 576, 30), mode(Jpeg, 1280, 720, 30), "the smallest that is large enough");
        assert_eq!(chosen(&webcam[..2], 1280, 720, 30), mode(Raw, 640, 480, 30), "rate before size");
        assert_eq!(chosen(&webcam[..1], 1280, 720, 60), mode(Raw, 640, 480, 30), "what there is");
    }

    #[test]
    fn an_exact_rate_is_taken_and_no_offer_is_none() {
        let vivid = [5, 10, 15, 25, 30].map(|fps| mode(Raw, 320, 180, fps));
        assert_eq!(chosen(&vivid, 320, 180, 10).fps, 10);
        assert_eq!(chosen(&vivid, 320, 180, 12).fps, 15);
        assert_eq!(nearest(&[], PictureLimits::default()), None);
    }
}
