use std::time::Duration;

use serde::{Deserialize, Serialize};
use slotway_config::{Capacity, WaitDuration};

/// The first step of a slow start: one slot.
const FIRST_STEP: u32 = 1;
/// The maximum length of `reason`, in bytes; a longer one is truncated.
const REASON_BYTES_MAX: usize = 512;

/// Whether a worker answers its heartbeat, as the watchdog found and stored it. All control planes on a store share it.
///
/// Envoy's configuration depends on it, but not on a clock: a slow start advances in steps, and each step is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// The worker answers, or has no heartbeat.
    #[default]
    Up,
    /// The worker does not answer, and gets no requests.
    Down {
        /// The start of the outage as Unix time in milliseconds.
        since_ms: u64,
        /// The failure of the last probe.
        reason: String,
    },
    /// The worker answers again, and its capacity returns in steps.
    Starting {
        /// The start as Unix time in milliseconds.
        since_ms: u64,
        /// The current step: step 1 is one slot, and each step doubles the slots.
        step: u32,
    },
}

impl Health {
    /// Returns [`Self::Down`] with a reason of a bounded length.
    #[must_use]
    pub fn down(since_ms: u64, reason: &str) -> Self {
        let end = reason.floor_char_boundary(REASON_BYTES_MAX);
        Self::Down { since_ms, reason: reason[..end].replace(char::is_control, " ") }
    }

    /// Returns whether the worker answers, or has no heartbeat.
    #[must_use]
    pub fn is_up(&self) -> bool {
        *self == Self::Up
    }

    /// Returns the part of its capacity that a worker may use now, at least one slot; none while it is down.
    #[must_use]
    pub fn capacity_in_force(&self, capacity: Capacity) -> Option<Capacity> {
        match self {
            Self::Up => Some(capacity),
            Self::Down { .. } => None,
            Self::Starting { step, .. } => {
                // The value is between 1 and the capacity, so it is a valid capacity.
                Some(Capacity::new(slots(*step).min(capacity.get())).unwrap_or(capacity))
            }
        }
    }
}

/// Returns the number of slots in a step of a slow start, before the limit of the worker's capacity.
fn slots(step: u32) -> u32 {
    1_u32.checked_shl(step.saturating_sub(FIRST_STEP)).unwrap_or(u32::MAX)
}

/// The steps of a slow start: each doubles the slots of a worker until it has its whole capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowStartSteps {
    /// The first step with the whole capacity; steps count from 1.
    pub last: u32,
    /// The duration of each step. All steps take equally long, and together the whole slow start.
    pub duration: Duration,
}

impl SlowStartSteps {
    /// Returns the steps over which a capacity returns.
    #[must_use]
    pub fn new(over: WaitDuration, capacity: Capacity) -> Self {
        let doublings = capacity.get().next_power_of_two().trailing_zeros();
        Self { last: FIRST_STEP + doublings, duration: over.as_duration() / doublings.max(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_force(health: &Health, capacity: u32) -> Option<u32> {
        health.capacity_in_force(Capacity::new(capacity).unwrap()).map(Capacity::get)
    }

    #[test]
    fn a_slow_start_doubles_the_capacity_from_one_slot_on_in_steps_of_equal_length() {
        for (capacity, expected, step_ms) in [
            (1, vec![1], 8_000),
            (2, vec![1, 2], 8_000),
            (4, vec![1, 2, 4], 4_000),
            (6, vec![1, 2, 4, 6], 2_666),
            (65_535, (0..16).map(|step| 1 << step).chain([65_535]).collect(), 500),
        ] {
            let steps = FIRST_STEP..FIRST_STEP + u32::try_from(expected.len()).unwrap();
            let starting = |step| Health::Starting { since_ms: 0, step };
            let seen: Vec<_> =
                steps.clone().map(|step| in_force(&starting(step), capacity).unwrap()).collect();
            assert_eq!(seen, expected);
            let whole = Capacity::new(capacity).unwrap();
            let slow_start = SlowStartSteps::new(WaitDuration::from_ms(8_000), whole);
            assert_eq!(
                (slow_start.last, slow_start.duration.as_millis()),
                (steps.end - 1, step_ms),
                "{capacity}"
            );
        }
    }

    #[test]
    fn a_worker_that_is_down_has_no_capacity_and_one_that_is_up_all_of_it() {
        assert_eq!(in_force(&Health::down(1, "no answer"), 4), None);
        assert_eq!(in_force(&Health::Up, 65_535), Some(65_535));
        assert_eq!(in_force(&Health::Starting { since_ms: 0, step: 0 }, 65_535), Some(1));
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
