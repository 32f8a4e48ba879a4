//! Owns: the sound of a clip: a voice-like tone in syllables, so that level meters and voice activity react as to speech.
//! Never: random.
//! Called by: the crate's writer.

use crate::{FPS, FRAMES, Flavour};

/// Samples in a second.
pub(crate) const RATE: u32 = 48_000;

/// Ten seconds at about -20 dBFS (RMS while speaking), with a pause of one second in five.
pub(crate) fn samples(flavour: Flavour) -> Vec<i16> {
    let count = RATE as usize * usize::from(FRAMES) / FPS;
    let pitch = if flavour == Flavour::Cell { 130.0 } else { 210.0 };
    (0..count)
        .map(|n| {
            let t = n as f32 / RATE as f32;
            let tau = std::f32::consts::TAU;
            let voice: f32 = (1..=12).map(|h| (tau * pitch * h as f32 * t).sin() / h as f32).sum();
            let syllable = (tau * 2.0 * t).sin().abs();
            let speaking = if t % 5.0 < 4.0 { 1.0 } else { 0.0 };
            (voice * syllable * speaking * 5200.0).clamp(-32_000.0, 32_000.0) as i16
        })
        .collect()
}
