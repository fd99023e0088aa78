//! The heartbeat of one worker: a state machine without clock and without I/O.
//!
//! ```text
//! Up ─► Failing(n) ─► Down ─► Starting(step) ─► Up
//!  ▲        │           ▲           │
//!  └────────┘           └───────────┘
//! ```

/// The first step of a slow start.
pub(crate) const FIRST_STEP: u32 = 1;

/// The state of a worker's heartbeat in this watchdog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeartbeatState {
    /// The worker answers, or has not been probed yet.
    Up,
    /// The worker has failed this many times in a row, and still gets requests.
    Failing(u32),
    /// The worker has reached the threshold of failures, and gets no requests.
    Down,
    /// The worker answers again, and its capacity returns in steps.
    Starting {
        /// The step of its slow start.
        step: u32,
        /// The number of failures since its last answer.
        failures: u32,
    },
}

/// An event of a worker's heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeartbeatEvent {
    /// The worker has answered.
    Answered,
    /// The worker has not answered.
    Failed,
    /// The next step of its slow start is due.
    StepDue,
}

/// The rules for a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeartbeatRules {
    /// The number of failures in a row after which the worker is down.
    pub(crate) threshold: u32,
    /// The step of a slow start with the whole capacity; none if the whole capacity returns at once.
    pub(crate) last_step: Option<u32>,
    /// Whether the worker may be taken out. It may not while the watchdog's own network seems to have failed.
    pub(crate) may_go_down: bool,
}

impl HeartbeatState {
    /// Returns the state after an event.
    pub(crate) fn after(self, event: HeartbeatEvent, rules: &HeartbeatRules) -> Self {
        match (self, event) {
            // Up | Failing => (Up | Failing | Down)
            (Self::Up | Self::Failing(_), HeartbeatEvent::Answered) => Self::Up,
            (Self::Up | Self::Failing(_), HeartbeatEvent::Failed) => {
                let failures = self.failures().saturating_add(1);
                if rules.takes_out(failures) { Self::Down } else { Self::Failing(failures) }
            }
            // Down => (Starting | Up)
            (Self::Down, HeartbeatEvent::Failed) => Self::Down,
            (Self::Down, HeartbeatEvent::Answered) if !rules.is_complete(FIRST_STEP) => {
                Self::Starting { step: FIRST_STEP, failures: 0 }
            }
            (Self::Down, HeartbeatEvent::Answered) => Self::Up,
            // Starting => (Starting | Up | Down)
            (Self::Starting { step, .. }, HeartbeatEvent::Answered) => Self::Starting { step, failures: 0 },
            (Self::Starting { step, failures }, HeartbeatEvent::Failed) => {
                let failures = failures.saturating_add(1);
                if rules.takes_out(failures) { Self::Down } else { Self::Starting { step, failures } }
            }
            (Self::Starting { step, failures: 0 }, HeartbeatEvent::StepDue) => {
                let next = step.saturating_add(1);
                if rules.is_complete(next) { Self::Up } else { Self::Starting { step: next, failures: 0 } }
            }
            // Its capacity does not grow while it fails.
            (Self::Starting { .. }, HeartbeatEvent::StepDue) => self,
            (Self::Up | Self::Failing(_) | Self::Down, HeartbeatEvent::StepDue) => self,
        }
    }

    /// Returns how many times it has failed since it last answered; 0 while it is down.
    pub(crate) fn failures(self) -> u32 {
        match self {
            Self::Failing(failures) | Self::Starting { failures, .. } => failures,
            Self::Up | Self::Down => 0,
        }
    }
}

impl HeartbeatRules {
    fn takes_out(&self, failures: u32) -> bool {
        failures >= self.threshold && self.may_go_down
    }

    /// Returns whether a step has the whole capacity.
    fn is_complete(&self, step: u32) -> bool {
        self.last_step.is_none_or(|last| step >= last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules() -> HeartbeatRules {
        HeartbeatRules { threshold: 3, last_step: Some(4), may_go_down: true }
    }

    #[test]
    fn each_event_leads_from_each_state_to_one_other() {
        use HeartbeatEvent::{Answered, Failed, StepDue};
        use HeartbeatState::{Down, Failing, Starting, Up};
        let rules = rules();
        let starting = |step, failures| Starting { step, failures };
        let at_once = HeartbeatRules { last_step: None, ..rules };
        let kept = HeartbeatRules { may_go_down: false, ..rules };
        let one_slot = HeartbeatRules { last_step: Some(1), ..rules };
        for (rules, from, event, to) in [
            (rules, Up, Answered, Up),
            (rules, Up, Failed, Failing(1)),
            (rules, Up, StepDue, Up),
            (rules, Failing(1), Answered, Up),
            (rules, Failing(1), Failed, Failing(2)),
            (rules, Failing(2), Failed, Down),
            (rules, Failing(2), StepDue, Failing(2)),
            (kept, Failing(2), Failed, Failing(3)),
            (kept, Failing(u32::MAX), Failed, Failing(u32::MAX)),
            (rules, Failing(7), Failed, Down),
            (rules, Down, Failed, Down),
            (rules, Down, StepDue, Down),
            (rules, Down, Answered, starting(1, 0)),
            (at_once, Down, Answered, Up),
            (one_slot, Down, Answered, Up),
            (rules, starting(1, 0), Answered, starting(1, 0)),
            (rules, starting(1, 0), StepDue, starting(2, 0)),
            (rules, starting(2, 0), StepDue, starting(3, 0)),
            (rules, starting(3, 0), StepDue, Up),
            (rules, starting(2, 0), Failed, starting(2, 1)),
            (rules, starting(2, 1), StepDue, starting(2, 1)),
            (rules, starting(2, 1), Answered, starting(2, 0)),
            (rules, starting(2, 2), Failed, Down),
            (kept, starting(2, 2), Failed, starting(2, 3)),
            // Its slow start was taken away, or its capacity made smaller, meanwhile.
            (at_once, starting(1, 0), StepDue, Up),
            (one_slot, starting(1, 0), StepDue, Up),
        ] {
            assert_eq!(from.after(event, &rules), to, "{from:?} {event:?} {rules:?}");
        }
        let once = HeartbeatRules { threshold: 1, ..rules };
        assert_eq!(Up.after(Failed, &once), Down);
    }

    fn events() -> impl Strategy<Value = Vec<HeartbeatEvent>> {
        let event = prop_oneof![
            Just(HeartbeatEvent::Answered),
            Just(HeartbeatEvent::Failed),
            Just(HeartbeatEvent::StepDue)
        ];
        prop::collection::vec(event, 0..200)
    }

    proptest! {
        #[test]
        fn a_worker_goes_down_only_by_as_many_failures_in_a_row_and_comes_back_only_by_an_answer(
            events in events(), threshold in 1_u32..6, last_step in proptest::option::of(1_u32..8),
        ) {
            let rules = HeartbeatRules { threshold, last_step, may_go_down: true };
            let mut state = HeartbeatState::Up;
            let mut in_a_row = 0;
            for event in events {
                match event {
                    HeartbeatEvent::Failed => in_a_row += 1,
                    HeartbeatEvent::Answered => in_a_row = 0,
                    HeartbeatEvent::StepDue => {}
                }
                let before = state;
                state = state.after(event, &rules);
                if state == HeartbeatState::Down && before != HeartbeatState::Down {
                    prop_assert!(in_a_row >= threshold);
                }
                if before == HeartbeatState::Down && state != HeartbeatState::Down {
                    prop_assert_eq!(event, HeartbeatEvent::Answered);
                }
                prop_assert!(in_a_row < threshold || state == HeartbeatState::Down);
                if let HeartbeatState::Starting { step, .. } = state {
                    prop_assert!(last_step.is_some_and(|last| step < last));
                }
            }
        }

        #[test]
        fn from_every_state_a_worker_that_answers_comes_to_be_up(
            events in events(), threshold in 1_u32..6, last_step in proptest::option::of(1_u32..18),
        ) {
            let rules = HeartbeatRules { threshold, last_step, may_go_down: true };
            let reached = events.into_iter().fold(HeartbeatState::Up, |state, event| state.after(event, &rules));
            let mut state = reached.after(HeartbeatEvent::Answered, &rules);
            for _ in 0..17 {
                state = state.after(HeartbeatEvent::StepDue, &rules);
            }
            prop_assert_eq!(state, HeartbeatState::Up);
        }

        #[test]
        fn no_worker_is_taken_out_while_the_watchdog_seems_to_be_cut_off(events in events(), threshold in 1_u32..6) {
            let rules = HeartbeatRules { threshold, may_go_down: false, ..rules() };
            for state in events.into_iter().scan(HeartbeatState::Up, |state, event| {
                *state = state.after(event, &rules);
                Some(*state)
            }) {
                prop_assert_ne!(state, HeartbeatState::Down);
            }
        }
    }
}
