//! What the coordinators say about their slots: each one's reports put together to the figures that hold now.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use slotway_config::{PoolReport, Report, WorkerReport, WorkerState, WorkerUrl, limits};

use crate::error::Error;

/// Largest report, in bytes.
pub const REPORT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A coordinator that has not reported for so long is unknown.
pub const FRESH: Duration = Duration::from_secs(10);
/// A coordinator that has not reported for so long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(3_600);
/// Most coordinators whose reports are kept.
const COORDINATORS_MAX: usize = 4_096;
/// Longest name of a coordinator, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// The latest figures of all coordinators.
#[derive(Default)]
pub struct Reports {
    coordinators: Mutex<BTreeMap<String, Coordinator>>,
    /// Counts the reports, for those who wait for one.
    changes: watch::Sender<u64>,
}

/// What one coordinator last said.
struct Coordinator {
    /// The reporter and the sequence number that the next report must have to build on this; none after a gap.
    next: Option<(u64, u64)>,
    generation: u64,
    received: Instant,
    /// The pools as they were last reported, without their workers.
    pools: Vec<PoolReport>,
    workers: HashMap<WorkerUrl, WorkerReport>,
    /// Whether each worker that the coordinator has stands in `workers`. A full report of very many workers is cut, and
    /// the rest follows in the next ones.
    complete: bool,
}

/// One coordinator's figures at one moment.
#[derive(Debug, Clone)]
pub struct Latest {
    /// The coordinator's name.
    pub coordinator: String,
    /// The newest generation that is in force there.
    pub generation: u64,
    /// How old the figures are.
    pub age: Duration,
    /// The pools, without their workers.
    pub pools: Vec<PoolReport>,
    /// The workers.
    pub workers: HashMap<WorkerUrl, WorkerReport>,
}

impl Latest {
    /// Whether the figures are recent enough to be taken for what holds now.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.age < FRESH
    }
}

impl Reports {
    /// Takes a report in.
    ///
    /// # Errors
    /// [`Error::ReportBaseMissing`] where it builds on a report that is not here, [`Error::BadBody`] for a name that is
    /// too long or one coordinator too many.
    pub fn accept(&self, report: Report, now: Instant) -> Result<(), Error> {
        let refuse =
            |reason: String| Err(Error::BadBody { index: None, field: Some("coordinator".into()), reason });
        if report.coordinator.len() > NAME_BYTES_MAX {
            return refuse(format!("the coordinator's name is longer than {NAME_BYTES_MAX} bytes"));
        }
        let mut coordinators = self.lock();
        coordinators.retain(|_, known| now.saturating_duration_since(known.received) < FORGOTTEN);
        let full = coordinators.len() >= COORDINATORS_MAX;
        if full && !coordinators.contains_key(&report.coordinator) {
            return refuse(format!("more than {COORDINATORS_MAX} coordinators report"));
        }
        if report.full {
            coordinators.insert(report.coordinator.clone(), Coordinator::from_full(report, now));
            self.changed();
            return Ok(());
        }
        let known = coordinators.get_mut(&report.coordinator).ok_or(Error::ReportBaseMissing)?;
        if known.next != Some((report.reporter, report.sequence)) {
            // The figures are shown with their age until the full report comes, but nothing builds on them.
            known.next = None;
            return Err(Error::ReportBaseMissing);
        }
        known.merge(report, now);
        self.changed();
        Ok(())
    }

    /// A number that changes with each report.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn changed(&self) {
        self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    /// The latest figures of all coordinators, by name.
    #[must_use]
    pub fn latest(&self, now: Instant) -> Vec<Latest> {
        let latest = |(name, known): (&String, &Coordinator)| Latest {
            coordinator: name.clone(),
            generation: known.generation,
            age: now.saturating_duration_since(known.received),
            pools: known.pools.clone(),
            workers: known.workers.clone(),
        };
        self.lock().iter().map(latest).collect()
    }

    /// Whether a coordinator has said that it is at `generation` or beyond and has no request at a worker that this
    /// generation removed.
    #[must_use]
    pub fn drained(&self, coordinator: &str, worker: &WorkerUrl, generation: u64) -> bool {
        self.lock().get(coordinator).is_some_and(|known| {
            known.generation >= generation
                && match known.workers.get(worker) {
                    None => known.complete,
                    Some(report) => report.capacity == 0 && report.in_flight == 0,
                }
        })
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
            complete: false,
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
        self.complete |= named < limits::WORKERS_PER_REPORT_MAX;
        self.next = Some((report.reporter, report.sequence.wrapping_add(1)));
        self.generation = report.generation;
        self.received = now;
    }
}

#[cfg(test)]
#[path = "reports_tests.rs"]
mod tests;
