//! Owns: the clips that stand in for camera and microphone on the bench (YUV4MPEG2 and WAV, read by position, looped), and their pacing.
//! Never: knows the pipeline; opens a file by name: a clip comes as a descriptor when the door opens.
//! Called by: pipeline/capture.

use nix::sys::uio::pread;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Longest header of either format that is looked at, bytes.
pub const MAX_HEADER: usize = 4096;
/// `FRAME` and a line feed; parameters after `FRAME` are not taken.
const FRAME_HEADER: &[u8] = b"FRAME\n";

/// Why a descriptor is no clip.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// The kernel refused to read.
    #[error("clip: {0} [org.parloir.Error.Clip]")]
    Io(#[from] nix::Error),
    /// Not in the form that this module reads.
    #[error("clip: {0} [org.parloir.Error.Clip]")]
    Form(&'static str),
}

/// A YUV4MPEG2 file with 4:2:0 frames.
#[derive(Debug)]
pub struct PictureClip {
    fd: OwnedFd,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// Frames in a second.
    pub fps: u8,
    start: i64,
    frames: u64,
}

impl PictureClip {
    /// Reads the header.
    ///
    /// # Errors
    /// Not a regular file of this form, or shorter than one frame.
    pub fn open(fd: OwnedFd) -> Result<Self, ClipError> {
        let mut head = [0; 128];
        let n = pread(&fd, &mut head, 0)?;
        let line = head[..n].split(|b| *b == b'\n').next().unwrap_or_default();
        let text = core::str::from_utf8(line).map_err(|_| ClipError::Form("header is not text"))?;
        let mut words = text.split(' ');
        if words.next() != Some("YUV4MPEG2") {
            return Err(ClipError::Form("not YUV4MPEG2"));
        }
        let (mut width, mut height, mut fps) = (0, 0, 0);
        for word in words {
            match word.split_at_checked(1) {
                Some(("W", n)) => width = n.parse().unwrap_or(0),
                Some(("H", n)) => height = n.parse().unwrap_or(0),
                Some(("F", rate)) => fps = rate.strip_suffix(":1").and_then(|n| n.parse().ok()).unwrap_or(0),
                Some(("C", form)) if !form.starts_with("420") => return Err(ClipError::Form("not 4:2:0")),
                _ => {}
            }
        }
        if !(2..=1920).contains(&width)
            || !(2..=1088).contains(&height)
            || width % 2 != 0
            || height % 2 != 0
            || !(1..=60).contains(&fps)
        {
            return Err(ClipError::Form("size or rate out of bounds"));
        }
        let start = i64::try_from(line.len() + 1).unwrap_or(0);
        let size = nix::sys::stat::fstat(&fd)?.st_size;
        let mut clip = Self { fd, width, height, fps, start, frames: 0 };
        clip.frames = u64::try_from((size - start) / clip.stride()).unwrap_or(0);
        if clip.frames == 0 { Err(ClipError::Form("no frame")) } else { Ok(clip) }
    }

    /// Bytes of one I420 frame.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        usize::from(self.width) * usize::from(self.height) * 3 / 2
    }

    fn stride(&self) -> i64 {
        i64::try_from(self.frame_bytes() + FRAME_HEADER.len()).unwrap_or(i64::MAX)
    }

    /// Reads frame `n`, counted through all loops; `out` is [`Self::frame_bytes`] long.
    ///
    /// # Errors
    /// The file ends early or a frame header is not `FRAME`.
    pub fn read(&self, n: u64, out: &mut [u8]) -> Result<(), ClipError> {
        let index = i64::try_from(n % self.frames).unwrap_or(0);
        let at = self.start + index * self.stride();
        let mut header = [0; FRAME_HEADER.len()];
        read_exactly(&self.fd, &mut header, at)?;
        if header != *FRAME_HEADER {
            return Err(ClipError::Form("a frame does not begin with FRAME"));
        }
        read_exactly(&self.fd, out, at + FRAME_HEADER.len() as i64)
    }
}

/// A WAV file with 48 kHz 16-bit sound, one channel.
#[derive(Debug)]
pub struct SoundClip {
    fd: OwnedFd,
    start: i64,
    blocks: u64,
}

impl SoundClip {
    /// Samples in a second.
    pub const RATE: u32 = 48_000;
    /// Length of a block, milliseconds.
    pub const BLOCK_MS: u64 = 20;
    /// Bytes of a block.
    pub const BLOCK_BYTES: usize = 48 * Self::BLOCK_MS as usize * 2;

    /// Reads the header.
    ///
    /// # Errors
    /// Not PCM of this form, or shorter than one block.
    pub fn open(fd: OwnedFd) -> Result<Self, ClipError> {
        let mut head = vec![0; MAX_HEADER];
        let n = pread(&fd, &mut head, 0)?;
        let head = &head[..n];
        if head.get(..4) != Some(b"RIFF") || head.get(8..12) != Some(b"WAVE") {
            return Err(ClipError::Form("not WAV"));
        }
        let (mut at, mut form_fits) = (12, false);
        while let Some(chunk) = head.get(at..at + 8) {
            let len = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]) as usize;
            let body = at + 8;
            if &chunk[..4] == b"fmt " {
                // PCM, one channel, 48 000 Hz, 96 000 bytes a second, 2 bytes a sample, 16 bits.
                let wanted = [&[1, 0, 1, 0][..], &Self::RATE.to_le_bytes(), &96_000_u32.to_le_bytes(), &[2, 0, 16, 0]].concat();
                form_fits = head.get(body..body + 16) == Some(&wanted[..]);
            }
            if &chunk[..4] == b"data" {
                let blocks = (len / Self::BLOCK_BYTES) as u64;
                if !form_fits || blocks == 0 {
                    return Err(ClipError::Form("not 48 kHz 16-bit mono, or no sound"));
                }
                return Ok(Self { fd, start: body as i64, blocks });
            }
            at = body.saturating_add(len.next_multiple_of(2));
        }
        Err(ClipError::Form("no data chunk"))
    }

    /// Reads block `n`, counted through all loops.
    ///
    /// # Errors
    /// The file ends early.
    pub fn read(&self, n: u64, out: &mut [u8]) -> Result<(), ClipError> {
        let index = i64::try_from(n % self.blocks).unwrap_or(0);
        read_exactly(&self.fd, out, self.start + index * Self::BLOCK_BYTES as i64)
    }
}

fn read_exactly(fd: &OwnedFd, mut out: &mut [u8], mut at: i64) -> Result<(), ClipError> {
    while !out.is_empty() {
        match pread(fd, out, at) {
            Ok(0) => return Err(ClipError::Form("ends early")),
            Ok(n) => {
                out = &mut out[n..];
                at += n as i64;
            }
            Err(nix::Error::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

/// When the next unit of a regular stream is due.
#[derive(Debug)]
pub struct Pace {
    start: Instant,
    period: Duration,
    next: u64,
}

impl Pace {
    /// `rate` units in `seconds`, the first now.
    #[must_use]
    pub fn new(now: Instant, rate: u32, seconds: u32) -> Self {
        Self { start: now, period: Duration::from_secs(seconds.into()) / rate.max(1), next: 0 }
    }

    /// The unit that is due next and how long to wait for it; units that were missed by more than one period are skipped.
    pub fn due(&mut self, now: Instant) -> (u64, Duration) {
        let passed = (now.duration_since(self.start).as_nanos() / self.period.as_nanos().max(1)) as u64;
        let unit = self.next.max(passed);
        self.next = unit + 1;
        let at = self.start + Duration::from_nanos((self.period.as_nanos() as u64).saturating_mul(unit));
        (unit, at.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(bytes: &[u8]) -> OwnedFd {
        let fd = nix::sys::memfd::memfd_create(c"clip", nix::sys::memfd::MFdFlags::MFD_CLOEXEC).unwrap();
        let mut f = std::fs::File::from(fd);
        f.write_all(bytes).unwrap();
        f.into()
    }

    #[test]
    fn frames_come_in_order_and_loop() {
        let mut bytes = b"YUV4MPEG2 W4 H2 F30:1 Ip A1:1 C420jpeg\n".to_vec();
        for n in 0..3 {
            bytes.extend(b"FRAME\n");
            bytes.extend([n; 12]);
        }
        let clip = PictureClip::open(file(&bytes)).unwrap();
        assert_eq!((clip.width, clip.height, clip.fps, clip.frame_bytes()), (4, 2, 30, 12));
        for n in 0..7 {
            let mut out = [9; 12];
            clip.read(n, &mut out).unwrap();
            assert_eq!(out, [(n % 3) as u8; 12]);
        }
    }

    #[test]
    fn files_of_another_form_are_no_clips() {
        for bad in [
            "",
            "RIFF",
            "YUV4MPEG2 W4 H2 F30:1\n",
            "YUV4MPEG2 W4 H2 F30:1 C444\nFRAME\n123456789012",
            "YUV4MPEG2 W0 H2 F30:1\n",
            "YUV4MPEG2 W4 H2 F30000:1001\n",
        ] {
            assert!(PictureClip::open(file(bad.as_bytes())).is_err(), "{bad}");
            assert!(SoundClip::open(file(bad.as_bytes())).is_err(), "{bad}");
        }
    }

    #[test]
    fn sound_comes_in_blocks_and_loops() {
        let samples = 2 * SoundClip::BLOCK_BYTES;
        let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        bytes.extend(48_000_u32.to_le_bytes());
        bytes.extend(96_000_u32.to_le_bytes());
        bytes.extend(b"\x02\0\x10\0LIST\x02\0\0\0xxdata");
        bytes.extend((samples as u32).to_le_bytes());
        bytes.extend(std::iter::repeat_n(1, SoundClip::BLOCK_BYTES));
        bytes.extend(std::iter::repeat_n(2, SoundClip::BLOCK_BYTES));
        let clip = SoundClip::open(file(&bytes)).unwrap();
        for n in 0..5 {
            let mut out = [0; SoundClip::BLOCK_BYTES];
            clip.read(n, &mut out).unwrap();
            assert_eq!(out[0], if n % 2 == 0 { 1 } else { 2 });
        }
    }

    #[test]
    fn pacing_waits_for_the_next_and_skips_what_was_missed() {
        let t = Instant::now();
        let mut pace = Pace::new(t, 10, 1);
        let ms = Duration::from_millis;
        assert_eq!(pace.due(t), (0, ms(0)));
        assert_eq!(pace.due(t + ms(10)), (1, ms(90)));
        assert_eq!(pace.due(t + ms(250)), (2, ms(0)));
        assert_eq!(pace.due(t + ms(1050)), (10, ms(0)));
    }
}
