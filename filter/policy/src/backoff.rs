//! When an operation that the host refused is tried again.

/// The first pause, in milliseconds.
const FIRST_MS: u64 = 1;
/// The longest pause, in milliseconds. A host that refuses for long is asked, and the log says so, once in it.
const LONGEST_MS: u64 = 1_000;

/// A pause that doubles with each round of failures.
#[derive(Debug, Clone, Copy, Default)]
pub struct Backoff {
    pause_ms: u64,
    at_ms: u64,
}

impl Backoff {
    /// Returns when to try again.
    #[must_use]
    pub fn at_ms(&self) -> u64 {
        self.at_ms
    }

    /// Notes a failure. Failures before [`Backoff::at_ms`] belong to the same round and count once.
    pub fn fail(&mut self, now_ms: u64) {
        if self.at_ms <= now_ms {
            self.pause_ms = self.pause_ms.saturating_mul(2).clamp(FIRST_MS, LONGEST_MS);
            self.at_ms = now_ms.saturating_add(self.pause_ms);
        }
    }

    /// Notes a success: the next pause is the first again.
    pub fn succeed(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_a_second_and_begins_again_after_a_success() {
        let mut backoff = Backoff::default();
        let mut pauses = Vec::new();
        let mut now_ms = 5;
        for _ in 0..12 {
            backoff.fail(now_ms);
            backoff.fail(now_ms);
            pauses.push(backoff.at_ms() - now_ms);
            now_ms = backoff.at_ms();
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_000, 1_000]);
        backoff.succeed();
        assert_eq!(backoff.at_ms(), 0);
    }
}
