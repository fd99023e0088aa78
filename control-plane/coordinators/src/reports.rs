//! Reports of the filter: the current figures of each coordinator, assembled from its full and partial reports.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use slotway_config::{PoolReport, Report, WorkerReport, WorkerState, WorkerUrl, limits};

use slotway_pools::{CoordinatorFigures, FIGURES_FRESH_FOR};

use super::CoordinatorsError;

/// Largest report, in bytes.
pub const REPORT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Age from which the figures of a coordinator are dropped.
const FORGOTTEN: Duration = Duration::from_secs(3_600);
/// Most coordinators whose reports are kept.
const COORDINATORS_MAX: usize = 4_096;
/// Longest name of a coordinator, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// The latest figures of all coordinators.
#[derive(Default)]
pub struct Reports {
    coordinators: Mutex<BTreeMap<String, Coordinator>>,
    /// Counts the reports.
    changes: watch::Sender<u64>,
}

/// The last figures of one coordinator.
struct Coordinator {
    /// The reporter and the sequence number that the next partial report must have; `None` after a gap.
    next: Option<(u64, u64)>,
    generation: u64,
    received: Instant,
    /// The last reported pools, without their workers.
    pools: Vec<PoolReport>,
    workers: HashMap<WorkerUrl, WorkerReport>,
    /// Whether `workers` has all workers of the coordinator. A full report with very many workers is split, and the
    /// rest follows in the next reports.
    is_complete: bool,
}

impl Reports {
    /// Accepts a report.
    ///
    /// # Errors
    /// [`CoordinatorsError::ReportBaseMissing`] if it builds on a missing report, [`CoordinatorsError::ReporterName`],
    /// [`CoordinatorsError::TooManyReporters`].
    pub fn accept(&self, report: Report, now: Instant) -> Result<(), CoordinatorsError> {
        if report.coordinator.len() > NAME_BYTES_MAX {
            return Err(CoordinatorsError::ReporterName { bytes_max: NAME_BYTES_MAX });
        }
        let mut coordinators = self.lock();
        coordinators.retain(|_, known| now.saturating_duration_since(known.received) < FORGOTTEN);
        let full = coordinators.len() >= COORDINATORS_MAX;
        if full && !coordinators.contains_key(&report.coordinator) {
            return Err(CoordinatorsError::TooManyReporters { coordinators_max: COORDINATORS_MAX });
        }
        if report.full {
            coordinators.insert(report.coordinator.clone(), Coordinator::from_full(report, now));
            self.changed();
            return Ok(());
        }
        let known = coordinators.get_mut(&report.coordinator).ok_or(CoordinatorsError::ReportBaseMissing)?;
        if known.next != Some((report.reporter, report.sequence)) {
            // The figures are shown with their age until a full report arrives, but no partial report is merged into them.
            known.next = None;
            return Err(CoordinatorsError::ReportBaseMissing);
        }
        known.merge(report, now);
        self.changed();
        Ok(())
    }

    /// Returns a number that changes with each report.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn changed(&self) {
        self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    /// Returns the latest figures of all coordinators, in the order of their names.
    #[must_use]
    pub fn latest(&self, now: Instant) -> Vec<CoordinatorFigures> {
        let latest = |(name, known): (&String, &Coordinator)| CoordinatorFigures {
            coordinator: name.clone(),
            generation: known.generation,
            age: now.saturating_duration_since(known.received),
            pools: known.pools.clone(),
            workers: known.workers.clone(),
        };
        self.lock().iter().map(latest).collect()
    }

    /// Returns whether a coordinator has reported that it is at `generation` or beyond and has no request at a worker that this
    /// generation removed.
    #[must_use]
    pub fn has_drained(&self, coordinator: &str, worker: &WorkerUrl, generation: u64) -> bool {
        self.lock().get(coordinator).is_some_and(|known| {
            known.generation >= generation
                && match known.workers.get(worker) {
                    None => known.is_complete,
                    Some(report) => report.capacity == 0 && report.in_flight == 0,
                }
        })
    }

    /// Returns whether all slots of a worker are out at each coordinator that has reported it within the last 10 seconds, and at
    /// least one has.
    #[must_use]
    pub fn is_occupied(&self, worker: &WorkerUrl, now: Instant) -> bool {
        let coordinators = self.lock();
        let fresh = coordinators
            .values()
            .filter(|known| now.saturating_duration_since(known.received) < FIGURES_FRESH_FOR);
        let mut reports = fresh
            .filter_map(|known| known.workers.get(worker))
            .filter(|report| report.capacity > 0)
            .map(|report| report.in_flight >= report.capacity)
            .peekable();
        reports.peek().is_some() && reports.all(|is_occupied| is_occupied)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Coordinator>> {
        self.coordinators.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Coordinator {
    fn from_full(report: Report, now: Instant) -> Self {
        let mut known = Self {
            next: None,
            generation: 0,
            received: now,
            pools: Vec::new(),
            workers: HashMap::new(),
            is_complete: false,
        };
        known.merge(report, now);
        known
    }

    fn merge(&mut self, report: Report, now: Instant) {
        let mut named = 0;
        self.pools = report.pools;
        for worker in self.pools.iter_mut().flat_map(|pool| std::mem::take(&mut pool.workers)) {
            named += 1;
            if worker.state == WorkerState::Gone {
                self.workers.remove(&worker.worker);
            } else {
                self.workers.insert(worker.worker.clone(), worker);
            }
        }
        self.is_complete |= named < limits::WORKERS_PER_REPORT_MAX;
        self.next = Some((report.reporter, report.sequence.wrapping_add(1)));
        self.generation = report.generation;
        self.received = now;
    }
}

#[cfg(test)]
#[path = "reports_tests.rs"]
mod tests;
