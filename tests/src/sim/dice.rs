//! Random choices from a seed.

use crate::split_mix;

/// The same seed gives the same choices on every machine.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        // Neighbouring seeds must have nothing in common.
        let mut dice = Self(seed ^ 0x5107_3a75_1017_ca11);
        let first = dice.next();
        Self(first ^ seed.rotate_left(32))
    }

    /// Returns another dice with choices of its own.
    pub(crate) fn split(&mut self) -> Self {
        Self(self.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        split_mix::next(&mut self.0)
    }

    /// Returns a number below `sides`, which is at least 1.
    pub(crate) fn below(&mut self, sides: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(sides.max(1))) >> 64) as u64
    }

    /// Returns an index below `sides`.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// Returns a number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// Returns `true` this many times in a thousand.
    pub(crate) fn per_mille(&mut self, times: u64) -> bool {
        times > 0 && self.below(1_000) < times
    }

    /// Returns `true` once in `times`.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| from[self.index(from.len())])
    }

    /// Returns one item of a list that is not empty.
    pub(crate) fn of<T: Copy, const N: usize>(&mut self, from: [T; N]) -> T {
        from[self.index(N)]
    }
}
