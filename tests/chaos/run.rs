//! The state that all parts of a run share: workers, outcomes of requests, counters.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use crate::{
    outcomes::RequestOutcomes, plan::Plan, spans::Spans, tally::Tally, violations::Violations, worker::Worker,
};

/// One run.
pub(crate) struct Run {
    started: OnceLock<Instant>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) outcomes: RequestOutcomes,
    /// Periods during which a lane was down.
    pub(crate) lane_dead: Spans,
    pub(crate) tally: Tally,
    pub(crate) violations: Violations,
}

impl Run {
    pub(crate) fn new(plan: &Plan) -> Self {
        let worker =
            |(index, (capacity, delay)): (usize, (u32, Duration))| Worker::new(index, capacity, delay);
        let workers = plan.capacities.iter().copied().zip(plan.delays.iter().copied());
        Self {
            started: OnceLock::new(),
            workers: workers.enumerate().map(worker).collect(),
            outcomes: RequestOutcomes::default(),
            lane_dead: Spans::default(),
            tally: Tally::default(),
            violations: Violations::default(),
        }
    }

    /// Starts the clock of the run.
    pub(crate) fn begin(&self) {
        let _ = self.started.set(Instant::now());
    }

    fn started(&self) -> Instant {
        *self.started.get_or_init(Instant::now)
    }

    /// Returns the time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started().elapsed()
    }

    /// Returns the worker with this base URL.
    pub(crate) fn worker(&self, url: &str) -> Option<&Worker> {
        self.workers.iter().find(|worker| worker.url() == url)
    }

    /// Waits until this time since the start.
    pub(crate) async fn until(&self, at: Duration) {
        tokio::time::sleep_until((self.started() + at).into()).await;
    }
}
