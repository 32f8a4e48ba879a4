//! Owns: moments that look like chance and come again with their seed.
//! Never: a clock, the system's randomness.
//! Called by: the cuts of the power in attacks and updates.

/// SplitMix64: the same moments from the same seed.
pub struct Dice(pub u64);

impl Dice {
    /// Evenly from nothing to `most`.
    pub fn upto(&mut self, most: f64) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64 * most
    }
}
