//! What all parts of a run share: the workers, the truth about requests, the counts.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use crate::{fates::Fates, plan::Plan, spans::Spans, tally::Tally, violations::Violations, worker::Worker};

/// One run.
pub(crate) struct Run {
    started: OnceLock<Instant>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) fates: Fates,
    /// When a lane was dead, and its requests with it.
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
            fates: Fates::default(),
            lane_dead: Spans::default(),
            tally: Tally::default(),
            violations: Violations::default(),
        }
    }

    /// The run begins now.
    pub(crate) fn begin(&self) {
        let _ = self.started.set(Instant::now());
    }

    fn started(&self) -> Instant {
        *self.started.get_or_init(Instant::now)
    }

    /// Since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started().elapsed()
    }

    /// The worker with this base URL.
    pub(crate) fn worker(&self, url: &str) -> Option<&Worker> {
        self.workers.iter().find(|worker| worker.url() == url)
    }

    /// Waits until that time from the start.
    pub(crate) async fn until(&self, at: Duration) {
        tokio::time::sleep_until((self.started() + at).into()).await;
    }
}
