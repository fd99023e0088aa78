//! When what the host has refused is tried again.

/// The first pause.
const FIRST_MS: u64 = 1;
/// The longest pause: a host that refuses for long is asked, and complained about, once in it.
const LONGEST_MS: u64 = 1_000;

/// A pause that doubles with each round of failures.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    pause_ms: u64,
    at_ms: u64,
}

impl Retry {
    /// When to try again.
    pub(crate) fn at_ms(&self) -> u64 {
        self.at_ms
    }

    /// Something was refused. Failures of one round count as one.
    pub(crate) fn fail(&mut self, now_ms: u64) {
        if self.at_ms <= now_ms {
            self.pause_ms = self.pause_ms.saturating_mul(2).clamp(FIRST_MS, LONGEST_MS);
            self.at_ms = now_ms.saturating_add(self.pause_ms);
        }
    }

    /// The host does as it is told again.
    pub(crate) fn succeed(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_a_second_and_begins_anew_after_a_success() {
        let mut retry = Retry::default();
        let mut pauses = Vec::new();
        let mut now_ms = 5;
        for _ in 0..12 {
            retry.fail(now_ms);
            retry.fail(now_ms);
            pauses.push(retry.at_ms() - now_ms);
            now_ms = retry.at_ms();
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_000, 1_000]);
        retry.succeed();
        assert_eq!(retry.at_ms(), 0);
    }
}
