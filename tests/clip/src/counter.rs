//! Owns: the counter burnt into each frame: how it is painted and how it is read back after encoding, scaling and drawing.
//! Never: guesses; a picture whose sync blocks or check do not fit has no counter.
//! Called by: the painter beside it; tests over pictures.
//!
//! A row of 24 blocks of 32x32 pixels at (64, 560) of 1280x720, clear of everything that a screen draws over a visit:
//! dark, light (sync), flavour, 16 bits of frame number (most significant first), 4 bits of check (the number's four nibbles xored), light.

use crate::{Flavour, HEIGHT, WIDTH};

/// Blocks in the row.
pub const BLOCKS: usize = 24;
const SIZE: usize = 32;
const LEFT: usize = 64;
const TOP: usize = 560;
const DARK: u8 = 40;
const LIGHT: u8 = 215;

fn bits(flavour: Flavour, number: u16) -> [bool; BLOCKS] {
    let mut row = [false; BLOCKS];
    row[1] = true;
    row[2] = flavour == Flavour::Visitor;
    for i in 0..16 {
        row[3 + i] = number >> (15 - i) & 1 == 1;
    }
    let check = check(number);
    for i in 0..4 {
        row[19 + i] = check >> (3 - i) & 1 == 1;
    }
    row[23] = true;
    row
}

const fn check(n: u16) -> u16 {
    (n ^ (n >> 4) ^ (n >> 8) ^ (n >> 12)) & 15
}

/// Burns the counter into a full-size I420 frame.
pub(crate) fn paint(flavour: Flavour, number: u16, frame: &mut [u8]) {
    let (luma, chroma) = frame.split_at_mut(WIDTH * HEIGHT);
    for (i, bit) in bits(flavour, number).into_iter().enumerate() {
        let x = LEFT + i * SIZE;
        for row in TOP..TOP + SIZE {
            luma[row * WIDTH + x..][..SIZE].fill(if bit { LIGHT } else { DARK });
        }
        // Grey, so that a test that sees only RGB reads the same luma.
        for plane in chroma.chunks_exact_mut(WIDTH * HEIGHT / 4) {
            for row in TOP / 2..(TOP + SIZE) / 2 {
                plane[row * WIDTH / 2 + x / 2..][..SIZE / 2].fill(128);
            }
        }
    }
}

/// Reads the counter of a picture that fills the whole luma plane, at any size.
#[must_use]
pub fn read_counter(luma: &[u8], width: usize, height: usize, stride: usize) -> Option<(Flavour, u16)> {
    read_counter_at(luma, stride, (0.0, 0.0), (width as f64, height as f64))
}

/// Reads the counter of a picture that lies at `origin` (x, y) with `size` (width, height), in pixels of the luma plane.
#[must_use]
pub fn read_counter_at(luma: &[u8], stride: usize, origin: (f64, f64), size: (f64, f64)) -> Option<(Flavour, u16)> {
    let scale = (size.0 / WIDTH as f64, size.1 / HEIGHT as f64);
    let mut levels = [0.0; BLOCKS];
    for (i, level) in levels.iter_mut().enumerate() {
        let x = origin.0 + (LEFT + i * SIZE) as f64 * scale.0;
        let y = origin.1 + TOP as f64 * scale.1;
        *level = mean(luma, stride, x, y, SIZE as f64 * scale.0, SIZE as f64 * scale.1)?;
    }
    if levels[1] - levels[0] < 60.0 || levels[23] - levels[0] < 60.0 {
        return None;
    }
    let middle = f64::midpoint(levels[0], levels[1]);
    let row = levels.map(|level| level > middle);
    let take = |range: std::ops::Range<usize>| row[range].iter().fold(0u16, |n, bit| n << 1 | u16::from(*bit));
    let (number, sum) = (take(3..19), take(19..23));
    let flavour = if row[2] { Flavour::Visitor } else { Flavour::Cell };
    (sum == check(number)).then_some((flavour, number))
}

/// Mean of the middle half of a block; `None` when it lies outside the plane.
fn mean(luma: &[u8], stride: usize, x: f64, y: f64, w: f64, h: f64) -> Option<f64> {
    let span = |from: f64, len: f64| {
        let a = (from + len * 0.25).round().max(0.0) as usize;
        let b = (from + len * 0.75).round().max(0.0) as usize;
        a..b.max(a + 1)
    };
    let (mut sum, mut count) = (0.0, 0.0);
    for row in span(y, h) {
        for column in span(x, w) {
            if column >= stride {
                return None;
            }
            sum += f64::from(*luma.get(row * stride + column)?);
            count += 1.0;
        }
    }
    Some(sum / count)
}
