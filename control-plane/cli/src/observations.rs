//! Adapts the coordinators' reports and the watchdog's results to the domain of pools.

use std::{sync::Arc, time::Instant};

use slotway_config::WorkerUrl;
use slotway_pools::{CoordinatorFigures, HeartbeatStatus, Observations};
use slotway_watchdog::Watchdog;

use slotway_coordinators::Reports;

/// The reports of the coordinators and the heartbeats of the watchdog.
pub(crate) struct ReportsAndHeartbeats {
    pub(crate) reports: Arc<Reports>,
    pub(crate) watchdog: Arc<Watchdog>,
}

impl Observations for ReportsAndHeartbeats {
    fn has_drained(&self, coordinator: &str, worker: &WorkerUrl, generation: u64) -> bool {
        self.reports.has_drained(coordinator, worker, generation)
    }

    fn latest(&self, now: Instant) -> Vec<CoordinatorFigures> {
        self.reports.latest(now)
    }

    fn heartbeat(&self, worker: &WorkerUrl) -> Option<HeartbeatStatus> {
        self.watchdog.outcomes().of(worker).map(|outcome| HeartbeatStatus {
            ok: outcome.error.is_none(),
            at: outcome.at,
            failures: outcome.failures,
            last_error: outcome.error,
            kept: outcome.is_kept,
        })
    }
}
