//! Reports of the filter: the current figures of each coordinator, assembled from its full and partial reports.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use slotway_config::{PoolName, PoolReport, Report, WorkerReport, WorkerState, WorkerUrl, limits};

use slotway_pools::{CoordinatorFigures, FIGURES_FRESH_FOR, PoolsState};

use super::CoordinatorsError;

/// Largest report, in bytes: the workers of a report have URLs of at most 1,024 bytes.
pub const REPORT_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Age from which the figures of a coordinator are dropped.
const FORGOTTEN: Duration = Duration::from_secs(3_600);
/// Most coordinators whose reports are kept: as many as can have a stream.
const COORDINATORS_MAX: usize = 16_384;
/// Longest name of a coordinator, in bytes.
const NAME_BYTES_MAX: usize = 256;
/// Most workers in one report. A worker whose number goes to another one is two entries.
const WORKERS_MAX: usize = limits::WORKERS_PER_REPORT_MAX + 1;
/// Most workers of one coordinator that are kept although the control plane does not know them.
const UNKNOWN_WORKERS_MAX: usize = 1_000;

/// The pools and workers that reports can be about.
pub trait KnownPools {
    /// Returns whether there is this pool.
    fn has_pool(&self, pool: &PoolName) -> bool;

    /// Returns whether there is this worker, or it drains.
    fn has_worker(&self, worker: &WorkerUrl) -> bool;
}

impl KnownPools for PoolsState {
    fn has_pool(&self, pool: &PoolName) -> bool {
        self.pools().has(pool)
    }

    fn has_worker(&self, worker: &WorkerUrl) -> bool {
        self.shown_worker(worker).is_some()
    }
}

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
    /// Those of `workers` that the control plane did not know. They are kept, because a worker that is missing counts as drained:
    /// this control plane may receive a change after the Envoy that already reports about it.
    unknown: HashSet<WorkerUrl>,
    /// Whether `workers` has all workers of the coordinator. A full report with very many workers is split, and the
    /// rest follows in the next reports.
    is_complete: bool,
    /// Whether workers are missing in `workers` because too many were unknown.
    lacks_workers: bool,
}

impl Reports {
    /// Accepts a report. Its sender must be that coordinator: see [`NodeKeys`](super::NodeKeys).
    ///
    /// Only figures of pools that are `known` are kept, and figures of a bounded number of other workers.
    ///
    /// # Errors
    /// [`CoordinatorsError::ReportBaseMissing`] if it builds on a missing report, [`CoordinatorsError::ReporterName`],
    /// [`CoordinatorsError::TooManyReporters`], [`CoordinatorsError::ReportTooLong`].
    pub fn accept(
        &self,
        report: Report,
        known: &impl KnownPools,
        now: Instant,
    ) -> Result<(), CoordinatorsError> {
        check_size(&report)?;
        let mut coordinators = self.lock();
        if report.full {
            if !coordinators.contains_key(&report.coordinator) {
                make_room(&mut coordinators, now)?;
            }
            let name = report.coordinator.clone();
            coordinators.insert(name, Coordinator::from_full(report, known, now));
            self.changed();
            return Ok(());
        }
        let figures =
            coordinators.get_mut(&report.coordinator).ok_or(CoordinatorsError::ReportBaseMissing)?;
        if figures.next != Some((report.reporter, report.sequence)) {
            // The figures are shown with their age until a full report arrives, but no partial report is merged into them.
            figures.next = None;
            return Err(CoordinatorsError::ReportBaseMissing);
        }
        figures.merge(report, known, now);
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
            age: known.age(now),
            pools: known.pools.clone(),
            workers: known.workers.clone(),
        };
        let is_kept = |(_, known): &(&String, &Coordinator)| known.age(now) < FORGOTTEN;
        self.lock().iter().filter(is_kept).map(latest).collect()
    }

    /// Returns whether a coordinator has reported that it is at `generation` or beyond and has no request at a worker that this
    /// generation removed.
    #[must_use]
    pub fn has_drained(&self, coordinator: &str, worker: &WorkerUrl, generation: u64) -> bool {
        self.lock().get(coordinator).is_some_and(|known| {
            known.generation >= generation
                && match known.workers.get(worker) {
                    None => known.is_complete && !known.lacks_workers,
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

/// Refuses a report that has more than a filter reports.
fn check_size(report: &Report) -> Result<(), CoordinatorsError> {
    if report.coordinator.len() > NAME_BYTES_MAX {
        return Err(CoordinatorsError::ReporterName { bytes_max: NAME_BYTES_MAX });
    }
    let workers = report.pools.iter().map(|pool| pool.workers.len()).sum();
    for (what, number, max) in
        [("pools", report.pools.len(), limits::POOLS_MAX), ("workers", workers, WORKERS_MAX)]
    {
        if number > max {
            return Err(CoordinatorsError::ReportTooLong { what, max });
        }
    }
    Ok(())
}

/// Makes room for another coordinator: drops those that are forgotten, and if that is not enough, the one that has been silent for the
/// longest time.
fn make_room(
    coordinators: &mut BTreeMap<String, Coordinator>,
    now: Instant,
) -> Result<(), CoordinatorsError> {
    if coordinators.len() < COORDINATORS_MAX {
        return Ok(());
    }
    coordinators.retain(|_, known| known.age(now) < FORGOTTEN);
    if coordinators.len() < COORDINATORS_MAX {
        return Ok(());
    }
    let silent = coordinators.iter().max_by_key(|(_, known)| known.age(now));
    let silent = silent.filter(|(_, known)| known.age(now) >= FIGURES_FRESH_FOR);
    let Some(name) = silent.map(|(name, _)| name.clone()) else {
        return Err(CoordinatorsError::TooManyReporters { coordinators_max: COORDINATORS_MAX });
    };
    coordinators.remove(&name);
    Ok(())
}

impl Coordinator {
    fn from_full(report: Report, known: &impl KnownPools, now: Instant) -> Self {
        let mut figures = Self {
            next: None,
            generation: 0,
            received: now,
            pools: Vec::new(),
            workers: HashMap::new(),
            unknown: HashSet::new(),
            is_complete: false,
            lacks_workers: false,
        };
        figures.merge(report, known, now);
        figures
    }

    fn merge(&mut self, mut report: Report, known: &impl KnownPools, now: Instant) {
        let mut named = 0;
        for worker in report.pools.iter_mut().flat_map(|pool| std::mem::take(&mut pool.workers)) {
            named += 1;
            self.merge_worker(worker, known);
        }
        let mut shown = HashSet::new();
        report.pools.retain(|pool| known.has_pool(&pool.pool) && shown.insert(pool.pool.clone()));
        self.pools = report.pools;
        self.is_complete |= named < limits::WORKERS_PER_REPORT_MAX;
        self.next = Some((report.reporter, report.sequence.wrapping_add(1)));
        self.generation = report.generation;
        self.received = now;
    }

    fn merge_worker(&mut self, worker: WorkerReport, known: &impl KnownPools) {
        let is_known = known.has_worker(&worker.worker);
        let is_idle = worker.capacity == 0 && worker.in_flight == 0;
        if worker.state == WorkerState::Gone || (!is_known && is_idle) {
            self.unknown.remove(&worker.worker);
            self.workers.remove(&worker.worker);
            return;
        }
        if is_known {
            self.unknown.remove(&worker.worker);
        } else if !self.workers.contains_key(&worker.worker) {
            if self.unknown.len() >= UNKNOWN_WORKERS_MAX {
                self.lacks_workers = true;
                return;
            }
            self.unknown.insert(worker.worker.clone());
        }
        self.workers.insert(worker.worker.clone(), worker);
    }

    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.received)
    }
}

#[cfg(test)]
#[path = "reports_tests.rs"]
mod tests;
