//! How it is with one watched worker: a state machine without clock and without I/O.
//!
//! ```text
//! Up ─► Failing(n) ─► Down ─► Starting(step) ─► Up
//!  ▲        │           ▲           │
//!  └────────┘           └───────────┘
//! ```

use slotway_config::Capacity;

use crate::workers::{FIRST_STEP, is_last_step};

/// How it is with one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pulse {
    /// It answers, or has not been asked yet.
    Up,
    /// It has failed so many times, one after the other, and gets requests all the same.
    Failing(u32),
    /// It has failed as often as it may, and gets no requests.
    Down,
    /// It answers again, and its capacity comes back.
    Starting {
        /// How far it has come.
        step: u32,
        /// How many times it has failed since it last answered.
        failures: u32,
    },
}

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// It has answered.
    Answered,
    /// It has not.
    Failed,
    /// It is time for the next step of its slow start.
    StepDue,
}

/// What holds for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    /// After so many failures in a row it is down.
    pub(super) threshold: u32,
    /// What it has once it is up.
    pub(super) capacity: Capacity,
    /// Whether its capacity comes back in steps.
    pub(super) slow_start: bool,
    /// Whether it may be taken out: not while it is rather the watchdog that is cut off.
    pub(super) may_go_down: bool,
}

impl Pulse {
    /// How it is with it after the event.
    pub(super) fn after(self, event: Event, rules: &Rules) -> Self {
        match (self, event) {
            // Up | Failing => (Up | Failing | Down)
            (Self::Up | Self::Failing(_), Event::Answered) => Self::Up,
            (Self::Up | Self::Failing(_), Event::Failed) => {
                let failures = self.failures().saturating_add(1);
                if rules.takes_out(failures) { Self::Down } else { Self::Failing(failures) }
            }
            // Down => (Starting | Up)
            (Self::Down, Event::Failed) => Self::Down,
            (Self::Down, Event::Answered)
                if rules.slow_start && !is_last_step(FIRST_STEP, rules.capacity) =>
            {
                Self::Starting { step: FIRST_STEP, failures: 0 }
            }
            (Self::Down, Event::Answered) => Self::Up,
            // Starting => (Starting | Up | Down)
            (Self::Starting { step, .. }, Event::Answered) => Self::Starting { step, failures: 0 },
            (Self::Starting { step, failures }, Event::Failed) => {
                let failures = failures.saturating_add(1);
                if rules.takes_out(failures) { Self::Down } else { Self::Starting { step, failures } }
            }
            (Self::Starting { step, failures: 0 }, Event::StepDue) => {
                let next = step.saturating_add(1);
                let over = !rules.slow_start || is_last_step(next, rules.capacity);
                if over { Self::Up } else { Self::Starting { step: next, failures: 0 } }
            }
            // It gets no more as long as it fails.
            (Self::Starting { .. }, Event::StepDue) => self,
            (Self::Up | Self::Failing(_) | Self::Down, Event::StepDue) => self,
        }
    }

    /// How many times it has failed since it last answered; not counted while it is down.
    pub(super) fn failures(self) -> u32 {
        match self {
            Self::Failing(failures) | Self::Starting { failures, .. } => failures,
            Self::Up | Self::Down => 0,
        }
    }
}

impl Rules {
    fn takes_out(&self, failures: u32) -> bool {
        failures >= self.threshold && self.may_go_down
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn capacity(slots: u32) -> Capacity {
        Capacity::new(slots).unwrap()
    }

    fn rules() -> Rules {
        Rules { threshold: 3, capacity: capacity(6), slow_start: true, may_go_down: true }
    }

    #[test]
    fn each_event_leads_from_each_state_to_one_other() {
        use Event::{Answered, Failed, StepDue};
        use Pulse::{Down, Failing, Starting, Up};
        let rules = rules();
        let starting = |step, failures| Starting { step, failures };
        let at_once = Rules { slow_start: false, ..rules };
        let kept = Rules { may_go_down: false, ..rules };
        let one_slot = Rules { capacity: capacity(1), ..rules };
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
        let once = Rules { threshold: 1, ..rules };
        assert_eq!(Up.after(Failed, &once), Down);
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = prop_oneof![Just(Event::Answered), Just(Event::Failed), Just(Event::StepDue)];
        prop::collection::vec(event, 0..200)
    }

    proptest! {
        #[test]
        fn a_worker_goes_down_only_by_as_many_failures_in_a_row_and_comes_back_only_by_an_answer(
            events in events(), threshold in 1_u32..6, slots in 1_u32..70, slow_start: bool,
        ) {
            let rules = Rules { threshold, capacity: capacity(slots), slow_start, may_go_down: true };
            let mut pulse = Pulse::Up;
            let mut in_a_row = 0;
            for event in events {
                match event {
                    Event::Failed => in_a_row += 1,
                    Event::Answered => in_a_row = 0,
                    Event::StepDue => {}
                }
                let before = pulse;
                pulse = pulse.after(event, &rules);
                if pulse == Pulse::Down && before != Pulse::Down {
                    prop_assert!(in_a_row >= threshold);
                }
                if before == Pulse::Down && pulse != Pulse::Down {
                    prop_assert_eq!(event, Event::Answered);
                }
                prop_assert!(in_a_row < threshold || pulse == Pulse::Down);
                if let Pulse::Starting { step, .. } = pulse {
                    prop_assert!(slow_start && !is_last_step(step, rules.capacity));
                }
            }
        }

        #[test]
        fn from_every_state_a_worker_that_answers_comes_to_be_up(
            events in events(), threshold in 1_u32..6, slots in 1_u32..65_536, slow_start: bool,
        ) {
            let rules = Rules { threshold, capacity: capacity(slots), slow_start, may_go_down: true };
            let reached = events.into_iter().fold(Pulse::Up, |pulse, event| pulse.after(event, &rules));
            let mut pulse = reached.after(Event::Answered, &rules);
            for _ in 0..16 {
                pulse = pulse.after(Event::StepDue, &rules);
            }
            prop_assert_eq!(pulse, Pulse::Up);
        }

        #[test]
        fn nobody_is_taken_out_while_it_is_rather_the_watchdog_that_is_cut_off(events in events(), threshold in 1_u32..6) {
            let rules = Rules { threshold, may_go_down: false, ..rules() };
            for pulse in events.into_iter().scan(Pulse::Up, |pulse, event| {
                *pulse = pulse.after(event, &rules);
                Some(*pulse)
            }) {
                prop_assert_ne!(pulse, Pulse::Down);
            }
        }
    }
}
