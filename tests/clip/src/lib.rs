//! Owns: the generated clips that stand in for a camera and a microphone, and the reading of the frame counter burnt into them.
//! Never: part of an image; shipped code does not depend on this crate.
//! Called by: the bench (makes the files), the media and picture tests (read counters out of pictures).
//!
//! A clip is 10 s that loop: 1280x720 I420 (BT.709, limited range) at 30 frames a second, and 48 kHz mono S16LE sound.
//! The picture costs an encoder what a talking head costs: a textured still background, a head that sways and speaks, and sensor noise.
//! Two flavours tell the ends of a visit apart, by hue, pitch, and a bit of the counter.
#![forbid(unsafe_code)]

mod counter;
mod picture;
mod sound;

pub use counter::{BLOCKS, read_counter, read_counter_at};
pub use picture::Painter;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Width, pixels.
pub const WIDTH: usize = 1280;
/// Height, pixels.
pub const HEIGHT: usize = 720;
/// Frames in a second.
pub const FPS: usize = 30;
/// Frames until the clip starts over.
pub const FRAMES: u16 = 300;
/// Bytes of one I420 frame.
pub const FRAME_BYTES: usize = WIDTH * HEIGHT * 3 / 2;

/// Which end of a visit a clip stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// The camera in the cell.
    Cell,
    /// The camera at home.
    Visitor,
}

/// Writes the picture as YUV4MPEG2, the form that Chromium's fake camera reads too.
///
/// # Errors
/// Those of creating and writing the file (415 MB).
pub fn write_y4m(path: &Path, flavour: Flavour) -> io::Result<()> {
    write_y4m_frames(path, flavour, FRAMES)
}

/// As [`write_y4m`], with fewer frames, for tests that do not need all.
///
/// # Errors
/// Those of creating and writing the file.
pub fn write_y4m_frames(path: &Path, flavour: Flavour, frames: u16) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    writeln!(out, "YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420jpeg")?;
    let painter = Painter::new(flavour);
    let mut frame = vec![0; FRAME_BYTES];
    for number in 0..frames {
        painter.paint(number, &mut frame);
        out.write_all(b"FRAME\n")?;
        out.write_all(&frame)?;
    }
    out.flush()
}

/// Writes the sound as RIFF WAVE, PCM S16LE mono 48 kHz.
///
/// # Errors
/// Those of creating and writing the file (960 kB).
pub fn write_wav(path: &Path, flavour: Flavour) -> io::Result<()> {
    let samples = sound::samples(flavour);
    let bytes = u32::try_from(samples.len() * 2).map_err(io::Error::other)?;
    let mut out = BufWriter::new(File::create(path)?);
    out.write_all(b"RIFF")?;
    out.write_all(&(36 + bytes).to_le_bytes())?;
    out.write_all(b"WAVEfmt ")?;
    out.write_all(&16u32.to_le_bytes())?;
    out.write_all(&1u16.to_le_bytes())?; // PCM
    out.write_all(&1u16.to_le_bytes())?; // mono
    out.write_all(&sound::RATE.to_le_bytes())?;
    out.write_all(&(sound::RATE * 2).to_le_bytes())?; // bytes in a second
    out.write_all(&2u16.to_le_bytes())?; // bytes of a frame
    out.write_all(&16u16.to_le_bytes())?; // bits of a sample
    out.write_all(b"data")?;
    out.write_all(&bytes.to_le_bytes())?;
    for sample in samples {
        out.write_all(&sample.to_le_bytes())?;
    }
    out.flush()
}
