//! Chance, from a seed.

use slotway_tests::split_mix;

/// Returns the number of seeds of each test, from 0 on; `SOAK_SEEDS` sets another one.
pub(crate) fn seeds() -> std::ops::Range<u64> {
    let count = std::env::var("SOAK_SEEDS").ok().and_then(|count| count.parse().ok());
    0..count.unwrap_or(24)
}

/// The same rolls for the same seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        (split_mix::next(&mut self.0) >> 33) as usize % sides
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| from[self.roll(from.len())])
    }
}
