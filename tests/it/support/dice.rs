//! Chance that repeats itself: the same seed, the same throws.

/// `SplitMix64`: tiny, and good enough to shuffle with.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    /// Another seed each time.
    pub fn fresh_seed() -> u64 {
        u64::from(chrono::Utc::now().timestamp_subsec_nanos())
    }

    /// Other dice, for what goes on at the same time.
    pub fn another(&mut self) -> Self {
        Self::new(self.below(usize::MAX) as u64)
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }

    pub fn pick<T: Clone>(&mut self, among: &[T]) -> Option<T> {
        if among.is_empty() { None } else { Some(among[self.below(among.len())].clone()) }
    }
}
