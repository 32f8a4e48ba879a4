//! Owns: the picture of a visit as the board says it (`--picture 1280x720@30`), and the bit rates that fit it.
//! Never: knows the line; congestion control in call finds out what it carries.
//! Called by: main (reads the flag), translate (the plan).

use std::str::FromStr;

/// The largest picture of a visit, each way: what the box can encode and decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels, even.
    pub width: u16,
    /// Pixels, even.
    pub height: u16,
    /// Frames in a second.
    pub fps: u8,
}

/// Video bit rates, kbit/s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoRates {
    /// Upper bound.
    pub max: u32,
    /// At the start.
    pub start: u32,
    /// Lower bound.
    pub min: u32,
}

/// Upper bounds by the pixels in a second that they are enough for: a small picture needs more bits for each of its pixels. 320x180 at 10,
/// 426x240 at 20, 640x360 at 30, 960x540 at 30, 720p at 30, more.
const RATES: [(u32, u32); 6] =
    [(600_000, 200), (2_100_000, 350), (7_000_000, 700), (15_600_000, 1100), (27_700_000, 1500), (u32::MAX, 3000)];
/// A visit begins at this part of the upper bound, and congestion control goes down to that part of it, in percent.
const START_AND_MIN_PERCENT: (u32, u32) = (80, 10);
/// Below this no picture says anything, kbit/s.
const LEAST_KBPS: u32 = 50;

impl Picture {
    /// What the flag wants, in words.
    pub const WANTED: &str = "a size and a rate as 1280x720@30: even, from 320x180 to 1920x1080, at 10 to 60 frames a second";

    /// A voice visit's.
    pub const NONE: Self = Self { width: 0, height: 0, fps: 0 };

    /// Bit rates that this picture is worth on a facility's line, which carries many cells at once.
    #[must_use]
    pub fn rates(&self) -> VideoRates {
        let pixels = u32::from(self.width) * u32::from(self.height) * u32::from(self.fps);
        let max = RATES.iter().find(|(enough_for, _)| pixels <= *enough_for).map_or(RATES[5].1, |(_, kbps)| *kbps);
        VideoRates { max, start: max * START_AND_MIN_PERCENT.0 / 100, min: (max * START_AND_MIN_PERCENT.1 / 100).max(LEAST_KBPS) }
    }
}

impl VideoRates {
    /// A voice visit's.
    pub const NONE: Self = Self { max: 0, start: 0, min: 0 };
}

/// The text is not [`Picture::WANTED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPicture;

impl FromStr for Picture {
    type Err = NoPicture;
    fn from_str(text: &str) -> Result<Self, NoPicture> {
        let (size, fps) = text.split_once('@').ok_or(NoPicture)?;
        let (width, height) = size.split_once('x').ok_or(NoPicture)?;
        let number = |text: &str| text.parse::<u16>().map_err(|_| NoPicture);
        let (width, height, fps) = (number(width)?, number(height)?, number(fps)?);
        let even = width.is_multiple_of(2) && height.is_multiple_of(2);
        // The bounds that call keeps its plans to.
        let within = (320..=1920).contains(&width) && (180..=1080).contains(&height) && (10..=60).contains(&fps);
        let fps = u8::try_from(fps).map_err(|_| NoPicture)?;
        if even && within { Ok(Self { width, height, fps }) } else { Err(NoPicture) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_read_within_its_bounds() {
        assert_eq!("1280x720@30".parse(), Ok(Picture { width: 1280, height: 720, fps: 30 }));
        assert_eq!("320x180@10".parse(), Ok(Picture { width: 320, height: 180, fps: 10 }));
        for bad in [
            "",
            "1280x720",
            "1280@30",
            "x720@30",
            "1281x720@30",
            "318x180@10",
            "320x180@9",
            "3840x2160@30",
            "1280x720@300",
            "1280x720@30 ",
        ] {
            assert_eq!(bad.parse::<Picture>(), Err(NoPicture), "{bad}");
        }
    }

    #[test]
    fn bit_rates_follow_the_picture_and_720p_keeps_its_own() {
        let rates = |text: &str| text.parse::<Picture>().unwrap().rates();
        assert_eq!(rates("1280x720@30"), VideoRates { max: 1500, start: 1200, min: 150 });
        assert_eq!(rates("320x180@10"), VideoRates { max: 200, start: 160, min: 50 });
        assert_eq!(rates("1920x1080@30").max, 3000);
        let falling = ["1280x720@30", "960x540@30", "640x360@30", "426x240@20", "320x180@10"].map(|text| rates(text).max);
        assert!(falling.windows(2).all(|pair| pair[0] > pair[1]), "{falling:?}");
    }
}
