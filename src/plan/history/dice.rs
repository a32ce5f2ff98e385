//! Chance that repeats itself: the same seed, the same history.

use chrono::TimeDelta;

/// SplitMix64: tiny, and good enough to shuffle with.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to 1, without 1.
    fn share(&mut self) -> f64 {
        f64::from((self.roll() >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
    }

    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.share() < share
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    pub(super) fn pick<T: Copy>(&mut self, among: &[T]) -> Option<T> {
        if among.is_empty() { None } else { Some(among[self.below(among.len())]) }
    }

    /// Evenly between two numbers of seconds.
    pub(super) fn seconds(&mut self, low: f64, high: f64) -> TimeDelta {
        milliseconds(low + (high - low) * self.share())
    }

    /// A waiting time with this mean in seconds: mostly short, sometimes long.
    pub(super) fn wait(&mut self, mean: f64) -> TimeDelta {
        milliseconds(-mean * (1.0 - self.share()).ln())
    }
}

fn milliseconds(seconds: f64) -> TimeDelta {
    TimeDelta::milliseconds((seconds * 1000.0) as i64)
}
