//! Whether a transition skips the read, on the guess that no other lane has changed the pool.

/// The number of failed guesses in a row from which the pause does not grow any more.
const FAILED_MAX: u32 = 6;

/// The success of the guesses so far. After the k-th failed guess in a row the next 2^k transitions make none, so that busy
/// lanes lose little by them. A successful guess ends the pause.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Guesses {
    failed: u32,
    pause: u32,
}

impl Guesses {
    /// Returns whether this transition guesses.
    pub(crate) fn may_guess(&mut self) -> bool {
        let may = self.pause == 0;
        self.pause = self.pause.saturating_sub(1);
        may
    }

    /// Notes whether a guess was right.
    pub(crate) fn note(&mut self, right: bool) {
        self.failed = if right { 0 } else { self.failed.saturating_add(1).min(FAILED_MAX) };
        self.pause = if right { 0 } else { 1 << self.failed };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_alone_guesses_each_time() {
        let mut guesses = Guesses::default();
        for _ in 0..10 {
            assert!(guesses.may_guess());
            guesses.note(true);
        }
    }

    #[test]
    fn a_lane_whose_guesses_fail_makes_few_and_one_that_succeeds_makes_them_all_again() {
        let mut guesses = Guesses::default();
        let made = (0..10_000).filter(|_| {
            let may = guesses.may_guess();
            if may {
                guesses.note(false);
            }
            may
        });
        assert!(made.count() < 10_000 / 60);
        while !guesses.may_guess() {}
        guesses.note(true);
        assert!(guesses.may_guess());
    }
}
