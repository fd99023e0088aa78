//! Random numbers from a seed.

use slotway_tests::split_mix;

/// A generator of random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Creates the generator of one part of the run. Parts are independent of each other.
    pub(crate) fn new(seed: u64, part: u64) -> Self {
        let mut dice = Self(seed ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        dice.throw();
        dice
    }

    fn throw(&mut self) -> u64 {
        split_mix::next(&mut self.0)
    }

    /// Returns a number from `from` to `to`, both included.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.throw() % (to - from + 1)
    }

    /// Returns an index into a list of that length.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.throw() % length as u64).unwrap_or_default()
    }

    /// Returns one of the choices.
    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    /// Returns true in `percent` of 100 calls, on average.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.throw() % 100 < percent
    }
}
