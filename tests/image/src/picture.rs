//! Owns: how alike two pictures of a screen are.
//! Never: decides how alike is enough.
//! Called by: the tests of whole boxes.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

/// Pixels, three bytes each.
#[derive(Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Red, green, blue of each.
    pub pixels: Vec<[u8; 3]>,
}

impl Picture {
    /// Reads a PNG.
    ///
    /// # Errors
    /// It is none.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut reader = png::Decoder::new(BufReader::new(File::open(path)?)).read_info()?;
        let size = reader.output_buffer_size().ok_or_else(|| io::Error::other("a picture too large"))?;
        let mut bytes = vec![0; size];
        let info = reader.next_frame(&mut bytes)?;
        let step = info.color_type.samples();
        let colours = |p: &[u8]| if step < 3 { [p[0]; 3] } else { [p[0], p[1], p[2]] };
        let pixels = bytes[..info.buffer_size()].chunks_exact(step).map(colours).collect();
        Ok(Self { width: info.width as usize, height: info.height as usize, pixels })
    }

    /// Share of pixels that differ from the other's by more than `tolerance` in any colour, 0 to 1; 1 when the sizes differ.
    #[must_use]
    pub fn differs(&self, other: &Self, tolerance: u8) -> f64 {
        if (self.width, self.height) != (other.width, other.height) {
            return 1.0;
        }
        let apart = |(a, b): &(&[u8; 3], &[u8; 3])| a.iter().zip(b.iter()).any(|(a, b)| a.abs_diff(*b) > tolerance);
        let count = self.pixels.iter().zip(&other.pixels).filter(apart).count();
        count as f64 / self.pixels.len().max(1) as f64
    }

    /// Some of its rows; none beyond its height.
    #[must_use]
    pub fn rows(&self, first: usize, last: usize) -> Self {
        let (first, last) = (first.min(self.height), last.min(self.height));
        let pixels = self.pixels[first * self.width..last * self.width].to_vec();
        Self { width: self.width, height: last - first, pixels }
    }

    /// How many colours are in it: one is a screen on which nothing was drawn.
    #[must_use]
    pub fn colours(&self) -> usize {
        self.pixels.iter().collect::<std::collections::HashSet<_>>().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(value: u8) -> Picture {
        Picture { width: 2, height: 2, pixels: vec![[value; 3]; 4] }
    }

    #[test]
    fn the_share_of_pixels_that_differ_counts_beyond_the_tolerance() {
        let mut other = grey(100);
        assert_eq!(grey(100).differs(&other, 0), 0.0);
        other.pixels[0] = [100, 109, 100];
        assert_eq!(grey(100).differs(&other, 8), 0.25);
        assert_eq!(grey(100).differs(&other, 9), 0.0);
        assert_eq!(grey(100).differs(&Picture { width: 4, height: 1, pixels: vec![[100; 3]; 4] }, 9), 1.0);
        assert_eq!(other.colours(), 2);
    }
}
