//! Owns: the ladder from an estimate of the link to what the encoder does: bit rate first, then resolution, then frame rate (Q3).
//! Never: measures; the estimate is an argument, the answer a value.
//! Called by: run.

use crate::plan::{PictureLimits, Rates};

/// What the encoder is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Video {
    /// Pictures of this size and rate.
    Pictures(Rung),
    /// The link carries sound only.
    SoundOnly,
}

/// A step of the ladder with the bit rate to fill it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Pixels, even.
    pub width: u16,
    /// Pixels, even.
    pub height: u16,
    /// Frames in a second.
    pub fps: u8,
    /// Of the encoder, kbit/s.
    pub kbps: u32,
}

/// Part of the plan's height (in 1/12), frame rate limit, and the encoder's bit rate below which the next step is taken, kbit/s; this for a plan of
/// 720p at 30: 720p, 540p, 360p, 240p at full rate, then 240p at 20. Below the last: sound only.
const LADDER: [(u32, u8, u32); 5] = [(12, 60, 600), (9, 60, 330), (6, 60, 160), (4, 60, 100), (4, 20, 60)];
/// No step is lower than this many lines (320x240 of a camera that is 4:3, 426x240 of one that is 16:9), unless the plan itself is.
const FLOOR_HEIGHT: u16 = 240;
/// No picture is worth sending below this, kbit/s.
const LEAST_KBPS: u32 = 40;
/// Going up a step needs this much more than what would keep it, in percent: no flapping.
const UP_PERCENT: u32 = 125;
/// Header and retransmission share of the estimate that video may not use, in percent.
const USABLE_PERCENT: u32 = 90;
/// RTP, UDP and IP headers of 50 Opus packets a second, kbit/s.
const AUDIO_HEADERS: u32 = 16;

/// The ladder with its present step.
#[derive(Debug)]
pub struct Ladder {
    limits: PictureLimits,
    rates: Rates,
    /// Index into [`LADDER`]; its length means sound only.
    step: usize,
}

impl Ladder {
    /// Starts on the highest step that the start rate carries.
    #[must_use]
    pub fn new(limits: PictureLimits, rates: Rates) -> Self {
        let mut ladder = Self { limits, rates, step: 0 };
        ladder.step = ladder.lowest_fitting(ladder.usable(rates.start), 100);
        ladder
    }

    /// What to do when congestion control allows `estimate_kbps` for everything we send.
    pub fn follow(&mut self, estimate_kbps: u32) -> Video {
        let kbps = self.usable(estimate_kbps);
        let keep = self.lowest_fitting(kbps, 100);
        if keep > self.step {
            self.step = keep;
        } else {
            // Up only as far as the margin allows.
            self.step = self.step.min(self.lowest_fitting(kbps, UP_PERCENT));
        }
        self.now(kbps)
    }

    /// What the start rate gives.
    #[must_use]
    pub fn start(&self) -> Video {
        self.now(self.usable(self.rates.start))
    }

    fn now(&self, kbps: u32) -> Video {
        let Some((twelfths, fps, _)) = LADDER.get(self.step) else { return Video::SoundOnly };
        let (width, height) = scaled(self.limits, *twelfths);
        Video::Pictures(Rung { width, height, fps: self.limits.fps.min(*fps), kbps })
    }

    fn usable(&self, estimate_kbps: u32) -> u32 {
        let kbps = estimate_kbps.saturating_sub(self.rates.audio + AUDIO_HEADERS) * USABLE_PERCENT / 100;
        kbps.min(self.rates.max)
    }

    /// The first step whose threshold `kbps` meets with this margin.
    fn lowest_fitting(&self, kbps: u32, percent: u32) -> usize {
        LADDER.iter().position(|step| kbps * 100 >= floor_kbps(self.limits, *step) * percent).unwrap_or(LADDER.len())
    }
}

/// A step's size under a plan, even, with the plan's shape, and never below the floor.
fn scaled(limits: PictureLimits, twelfths: u32) -> (u16, u16) {
    let (width, height) = (u32::from(limits.width), u32::from(limits.height));
    let lines = (height * twelfths / 12).max(FLOOR_HEIGHT.into()).min(height);
    let even = |n: u32, most: u16| u16::try_from(n).unwrap_or(most) & !1;
    (even(width * lines / height.max(1), limits.width), even(lines, limits.height))
}

/// What the step asks for under this plan: its share of the table's figure by the pixels that it sends in a second.
fn floor_kbps(limits: PictureLimits, (twelfths, fps, kbps): (u32, u8, u32)) -> u32 {
    let pixels = |limits: PictureLimits| {
        let (width, height) = scaled(limits, twelfths);
        u64::from(width) * u64::from(height) * u64::from(limits.fps.min(fps))
    };
    let share = u64::from(kbps) * pixels(limits) / pixels(PictureLimits::default()).max(1);
    u32::try_from(share).unwrap_or(kbps).max(LEAST_KBPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ladder() -> Ladder {
        Ladder::new(PictureLimits::default(), Rates::default())
    }

    fn size(v: Video) -> (u16, u16, u8) {
        match v {
            Video::Pictures(r) => (r.width, r.height, r.fps),
            Video::SoundOnly => (0, 0, 0),
        }
    }

    #[test]
    fn resolution_falls_before_frame_rate_and_sound_is_last() {
        let mut l = ladder();
        let seen: Vec<_> = [1500, 700, 500, 300, 180, 130, 90, 64].map(|e| size(l.follow(e))).to_vec();
        assert_eq!(
            seen,
            [
                (1280, 720, 30),
                (960, 540, 30),
                (960, 540, 30),
                (640, 360, 30),
                (426, 240, 30),
                (426, 240, 20),
                (0, 0, 0),
                (0, 0, 0)
            ]
        );
    }

    #[test]
    fn never_below_320x240_at_20() {
        let mut l = ladder();
        for estimate in (0..2000).rev() {
            if let Video::Pictures(r) = l.follow(estimate) {
                assert!(r.width >= 320 && r.height >= 240 && r.fps >= 20, "{estimate}: {r:?}");
                assert!(r.kbps + 32 <= estimate.max(1), "{estimate}: {r:?} sends more than the link carries");
            }
        }
    }

    // Before: half of 640x360 was 320x180, and a box with little computing power fell to 160x90.
    #[test]
    fn a_small_plan_keeps_to_the_floor_and_one_below_it_has_one_step() {
        let small = |width, height, fps| PictureLimits { width, height, fps };
        let rates = Rates { min: 50, start: 240, max: 300, audio: 32 };
        let falling = |limits| {
            let mut l = Ladder::new(limits, rates);
            let mut seen: Vec<_> = (0..500).rev().map(|e| size(l.follow(e))).collect();
            seen.dedup();
            seen
        };
        assert_eq!(falling(small(640, 360, 30)), [(640, 360, 30), (480, 270, 30), (426, 240, 30), (426, 240, 20), (0, 0, 0)]);
        assert_eq!(falling(small(320, 240, 20)), [(320, 240, 20), (0, 0, 0)]);
        assert_eq!(falling(small(320, 180, 10)), [(320, 180, 10), (0, 0, 0)]);
    }

    #[test]
    fn an_estimate_that_trembles_around_a_threshold_changes_nothing_twice() {
        let mut l = ladder();
        l.follow(700);
        let changes: Vec<_> = (0..100).map(|n| size(l.follow(if n % 2 == 0 { 700 } else { 730 }))).collect();
        assert!(changes.iter().all(|c| *c == (960, 540, 30)));
        assert_eq!(size(l.follow(1200)), (1280, 720, 30));
    }

    #[test]
    fn bit_rate_follows_up_to_the_plan() {
        let mut l = ladder();
        let Video::Pictures(r) = l.follow(100_000) else { panic!("pictures") };
        assert_eq!(r.kbps, 1500);
    }
}
