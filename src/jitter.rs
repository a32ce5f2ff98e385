//! A little randomness, so that rotators that were stopped together do not return together.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// A random share, from 0 to below 1. The standard library seeds its hash maps well enough for that.
pub(crate) fn share() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    // 53 bits are what an f64 holds exactly.
    (random >> 11) as f64 / (1u64 << 53) as f64
}

/// A random time below `limit`: the "full jitter" of retries.
pub(crate) fn below(limit: Duration) -> Duration {
    limit.mul_f64(share())
}
