//! Chance that repeats itself: the same seed, the same throws.

/// `SplitMix64`: tiny, and good enough to shuffle with.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    /// Those of a test: another seed each time, unless `SEED` names one.
    pub fn of_this_run(what: &str) -> Self {
        let seed = match std::env::var("SEED") {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("SEED is a number, not {text:?}")),
            Err(_) => u64::from(chrono::Utc::now().timestamp_subsec_nanos()),
        };
        println!("SEED={seed} repeats the choices of {what}");
        Self::new(seed)
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
