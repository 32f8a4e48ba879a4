//! Owns: the PNG as pixels, and the same in another size.
//! Never: a picture larger than a TV's.
//! Called by: main, stand.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

/// Largest width and height that are read, pixels.
const MOST: u32 = 4096;

/// A picture: RGB, 8 bits each, rows without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Picture {
    /// Reads a PNG; what is transparent in it is not.
    ///
    /// # Errors
    /// It cannot be read, is no such PNG or is too large.
    pub fn read(path: &Path) -> io::Result<Self> {
        let refused = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
        let mut decoder = png::Decoder::new(BufReader::new(File::open(path)?));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info()?;
        let info = reader.info();
        let (width, height) = (info.width, info.height);
        if width > MOST || height > MOST || width == 0 || height == 0 {
            return Err(refused("too large a picture"));
        }
        let mut bytes = vec![0; reader.output_buffer_size().ok_or_else(|| refused("too large a picture"))?];
        let frame = reader.next_frame(&mut bytes)?;
        bytes.truncate(frame.buffer_size());
        let rgb = match frame.color_type {
            png::ColorType::Rgb => bytes,
            png::ColorType::Rgba => bytes.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect(),
            png::ColorType::Grayscale => bytes.iter().flat_map(|p| [*p; 3]).collect(),
            png::ColorType::GrayscaleAlpha => bytes.chunks_exact(2).flat_map(|p| [p[0]; 3]).collect(),
            png::ColorType::Indexed => return Err(refused("colours by number")),
        };
        Ok(Self { width, height, rgb })
    }

    /// Its pixels in another size, each from the four nearest.
    #[must_use]
    pub fn scaled(&self, width: u32, height: u32) -> Vec<u8> {
        if (width, height) == (self.width, self.height) {
            return self.rgb.clone();
        }
        let columns: Vec<Near> = (0..width).map(|x| Near::of(x, width, self.width)).collect();
        let mut out = Vec::with_capacity(width as usize * height as usize * 3);
        for y in 0..height {
            let row = Near::of(y, height, self.height);
            let (upper, lower) = (self.row(row.first), self.row(row.second));
            for column in &columns {
                let (a, b) = (column.first as usize * 3, column.second as usize * 3);
                for n in 0..3 {
                    let above = column.between(upper[a + n].into(), upper[b + n].into());
                    let below = column.between(lower[a + n].into(), lower[b + n].into());
                    out.push(u8::try_from((row.between(above, below) + (1 << 15)) >> 16).unwrap_or(u8::MAX));
                }
            }
        }
        out
    }

    fn row(&self, y: u32) -> &[u8] {
        let bytes = self.width as usize * 3;
        &self.rgb[y as usize * bytes..][..bytes]
    }
}

/// The two lines (or columns) that a new one lies between, and how near it is to the second, of 256.
struct Near {
    first: u32,
    second: u32,
    share: u32,
}

impl Near {
    /// Middles of pixels are laid on middles of pixels.
    fn of(n: u32, new: u32, old: u32) -> Self {
        let place = ((2 * u64::from(n) + 1) * u64::from(old) * 128 / u64::from(new)).saturating_sub(128);
        let first = u32::try_from(place >> 8).unwrap_or(0).min(old - 1);
        Self { first, second: (first + 1).min(old - 1), share: u32::try_from(place & 255).unwrap_or(0) }
    }

    const fn between(&self, a: u32, b: u32) -> u32 {
        a * (256 - self.share) + b * self.share
    }
}

#[cfg(test)]
mod tests {
    use super::Picture;

    fn grey(width: u32, pixels: &[u8]) -> Picture {
        let height = u32::try_from(pixels.len()).unwrap() / width;
        Picture { width, height, rgb: pixels.iter().flat_map(|p| [*p; 3]).collect() }
    }

    fn scaled(picture: &Picture, width: u32, height: u32) -> Vec<u8> {
        picture.scaled(width, height).chunks(3).map(|p| p[0]).collect()
    }

    #[test]
    fn the_same_size_is_the_same_picture() {
        let picture = grey(3, &[1, 2, 3, 4, 5, 6]);
        assert_eq!(picture.scaled(3, 2), picture.rgb);
    }

    #[test]
    fn larger_is_smooth_and_keeps_its_edges() {
        assert_eq!(scaled(&grey(2, &[0, 100]), 4, 1), [0, 25, 75, 100]);
        assert_eq!(scaled(&grey(1, &[0, 100]), 1, 4), [0, 25, 75, 100]);
        assert!(scaled(&grey(2, &[255; 4]), 7, 5).iter().all(|p| *p == 255), "white stays white");
    }

    #[test]
    fn smaller_is_the_middle() {
        assert_eq!(scaled(&grey(4, &[0, 100, 200, 250]), 2, 1), [50, 225]);
        assert_eq!(scaled(&grey(2, &[0, 100, 100, 200]), 1, 1), [100]);
    }

    #[test]
    fn pngs_of_every_kind_are_read_and_others_refused() {
        let path = std::env::temp_dir().join(format!("parloir-still-{}.png", std::process::id()));
        let write = |color: png::ColorType, bytes: &[u8]| {
            let mut encoder = png::Encoder::new(std::fs::File::create(&path).unwrap(), 2, 1);
            encoder.set_color(color);
            encoder.set_depth(png::BitDepth::Eight);
            encoder.write_header().unwrap().write_image_data(bytes).unwrap();
            Picture::read(&path).unwrap()
        };
        let expected = Picture { width: 2, height: 1, rgb: vec![9, 9, 9, 7, 7, 7] };
        assert_eq!(write(png::ColorType::Grayscale, &[9, 7]), expected);
        assert_eq!(write(png::ColorType::GrayscaleAlpha, &[9, 0, 7, 255]), expected);
        assert_eq!(write(png::ColorType::Rgb, &[9, 9, 9, 7, 7, 7]), expected);
        assert_eq!(write(png::ColorType::Rgba, &[9, 9, 9, 1, 7, 7, 7, 2]), expected);
        std::fs::write(&path, "no picture").unwrap();
        assert!(Picture::read(&path).is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(Picture::read(&path).is_err());
    }
}
