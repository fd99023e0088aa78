use serde::{Deserialize, Serialize};
use slotway_config::{Capacity, WaitDuration};

/// In how many steps the capacity of a worker with a slow start comes back.
pub const START_STEPS: u32 = 10;
/// Longest `reason`, in bytes; what is longer is cut.
const REASON_BYTES_MAX: usize = 512;

/// Whether a worker answers its heartbeat. Written by whoever watches it, and stored, so that all control planes mean the same.
///
/// Nothing in it is read off a clock when Envoy's configuration is made: a slow start goes on by steps, each of which is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It answers, or nobody asks it.
    #[default]
    Up,
    /// It does not, and gets no requests.
    Down {
        /// Since when, as Unix time in milliseconds.
        since_ms: u64,
        /// What went wrong, in words.
        reason: String,
    },
    /// It answers again, and its capacity comes back step by step.
    Starting {
        /// Since when, as Unix time in milliseconds.
        since_ms: u64,
        /// How many of [`START_STEPS`] it may have: from 1 on.
        step: u32,
    },
}

impl Health {
    /// Down, with a reason of a bounded length.
    #[must_use]
    pub fn down(since_ms: u64, reason: &str) -> Self {
        let end = reason.floor_char_boundary(REASON_BYTES_MAX);
        Self::Down { since_ms, reason: reason[..end].replace(char::is_control, " ") }
    }

    /// Whether it answers, or nobody asks it.
    #[must_use]
    pub fn is_up(&self) -> bool {
        *self == Self::Up
    }

    /// How much of its capacity a worker may have now; none while it is down. It is at least one slot, so that it can show itself.
    #[must_use]
    pub fn capacity_in_force(&self, capacity: Capacity) -> Option<Capacity> {
        match self {
            Self::Up => Some(capacity),
            Self::Down { .. } => None,
            Self::Starting { step, .. } => {
                let step = u64::from((*step).clamp(1, START_STEPS));
                let part = (u64::from(capacity.get()) * step).div_ceil(u64::from(START_STEPS));
                // Between 1 and the capacity, so it is a capacity.
                Some(u32::try_from(part).ok().and_then(|part| Capacity::new(part).ok()).unwrap_or(capacity))
            }
        }
    }

    /// What follows at `now_ms` for a worker whose slow start takes so long: the next step, or [`Health::Up`] once it is over. The
    /// same as it is where nothing follows yet.
    #[must_use]
    pub fn after(&self, slow_start: Option<WaitDuration>, now_ms: u64) -> Self {
        let Self::Starting { since_ms, step } = *self else { return self.clone() };
        let over_ms = slow_start.map_or(0, WaitDuration::as_ms);
        let gone_ms = now_ms.saturating_sub(since_ms);
        if gone_ms >= over_ms {
            return Self::Up;
        }
        let due = u64::from(START_STEPS) * gone_ms / over_ms + 1;
        // A clock that was set back takes nothing back.
        let due = u32::try_from(due).unwrap_or(START_STEPS).min(START_STEPS);
        Self::Starting { since_ms, step: step.max(due) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_force(health: &Health, capacity: u32) -> Option<u32> {
        health.capacity_in_force(Capacity::new(capacity).unwrap()).map(Capacity::get)
    }

    #[test]
    fn a_slow_start_gives_the_capacity_back_step_by_step_from_one_slot_on() {
        let over = Some(WaitDuration::from_ms(1_000));
        let mut health = Health::Starting { since_ms: 5_000, step: 1 };
        let mut seen = Vec::new();
        for now_ms in (5_000..6_000).step_by(100) {
            health = health.after(over, now_ms);
            seen.push((
                in_force(&health, 1).unwrap(),
                in_force(&health, 4).unwrap(),
                in_force(&health, 20).unwrap(),
            ));
        }
        let expected = [
            (1, 1, 2),
            (1, 1, 4),
            (1, 2, 6),
            (1, 2, 8),
            (1, 2, 10),
            (1, 3, 12),
            (1, 3, 14),
            (1, 4, 16),
            (1, 4, 18),
            (1, 4, 20),
        ];
        assert_eq!(seen, expected);
        assert_eq!(health.after(over, 5_500), health, "a clock that was set back");
        assert_eq!(health.after(over, 6_000), Health::Up);
        assert_eq!(health.after(None, 5_000), Health::Up, "without a slow start it is over at once");
    }

    #[test]
    fn a_worker_that_is_down_has_no_capacity_and_one_that_is_up_all_of_it() {
        assert_eq!(in_force(&Health::down(1, "no answer"), 4), None);
        assert_eq!(in_force(&Health::Up, 65_535), Some(65_535));
        assert_eq!(in_force(&Health::Starting { since_ms: 0, step: 0 }, 65_535), Some(6_554));
        assert_eq!(in_force(&Health::Starting { since_ms: 0, step: u32::MAX }, 65_535), Some(65_535));
    }

    #[test]
    fn a_reason_is_cut_and_has_no_control_characters() {
        let Health::Down { reason, .. } = Health::down(1, &format!("a\nb{}", "ä".repeat(600))) else {
            panic!()
        };
        assert!(reason.starts_with("a b") && reason.len() <= REASON_BYTES_MAX, "{reason}");
    }
}
