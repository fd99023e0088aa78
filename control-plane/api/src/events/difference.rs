//! Computes differences between figures.

use std::collections::BTreeMap;

use serde::Serialize;

use super::kinds::Kinds;
use crate::pool_types::{pool_status, worker_status};
use slotway_api_types::{
    SyncState,
    kinds::{PoolStatus, WorkerStatus},
};
use slotway_pools::StatusView;

/// The last sent figures without their ages, which change continuously.
#[derive(Debug, Default)]
pub(super) struct SentFigures {
    pools: BTreeMap<String, PoolStatus>,
    workers: BTreeMap<String, WorkerStatus>,
    coordinators: BTreeMap<String, SyncState>,
}

/// Figures that differ from the last sent ones.
#[derive(Debug, Default, Serialize)]
pub(super) struct Figures {
    pools: Vec<Named<PoolStatus>>,
    workers: Vec<Named<WorkerStatus>>,
}

#[derive(Debug, Clone, Serialize)]
struct Named<Status> {
    name: String,
    status: Status,
}

/// A coordinator's state; none once it has disconnected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct CoordinatorChange {
    name: String,
    state: Option<SyncState>,
}

impl SentFigures {
    /// Returns the differences from the last sent figures, and records them as sent.
    pub(super) fn figures(&mut self, view: &StatusView<'_>, kinds: Kinds) -> Figures {
        let mut figures = Figures::default();
        if kinds.has(Kinds::POOL) {
            let statuses = view.pools().map(|(name, status)| (name.to_string(), pool_status(status)));
            figures.pools = differing(&mut self.pools, statuses, |status| status.report_age_ms = None);
        }
        if kinds.has(Kinds::WORKER) {
            let statuses =
                view.workers().into_iter().map(|(url, _, status)| (url.to_string(), worker_status(status)));
            figures.workers = differing(&mut self.workers, statuses, |status| {
                if let Some(heartbeat) = &mut status.heartbeat {
                    heartbeat.at.clear();
                }
                status.report_age_ms = None;
            });
        }
        figures
    }

    /// Returns the coordinators that have connected, disconnected or changed their state.
    pub(super) fn coordinators(&mut self, now: BTreeMap<String, SyncState>) -> Vec<CoordinatorChange> {
        let gone = self.coordinators.keys().filter(|name| !now.contains_key(*name));
        let gone = gone.map(|name| CoordinatorChange { name: name.clone(), state: None });
        let other = now.iter().filter(|(name, state)| self.coordinators.get(*name) != Some(*state));
        let other = other.map(|(name, state)| CoordinatorChange { name: name.clone(), state: Some(*state) });
        let mut changes: Vec<_> = gone.chain(other).collect();
        changes.sort_by(|a, b| a.name.cmp(&b.name));
        self.coordinators = now;
        changes
    }
}

impl Figures {
    /// Returns whether nothing differs.
    pub(super) fn is_empty(&self) -> bool {
        self.pools.is_empty() && self.workers.is_empty()
    }

    /// Returns the figures of these kinds.
    pub(super) fn only(&self, kinds: Kinds) -> Self {
        let pools = if kinds.has(Kinds::POOL) { self.pools.clone() } else { Vec::new() };
        let workers = if kinds.has(Kinds::WORKER) { self.workers.clone() } else { Vec::new() };
        Self { pools, workers }
    }
}

/// Returns the values that differ from `told`, and updates `told`. `blur` removes what does not count as a difference.
fn differing<Status: Clone + PartialEq>(
    told: &mut BTreeMap<String, Status>,
    now: impl Iterator<Item = (String, Status)>,
    blur: impl Fn(&mut Status),
) -> Vec<Named<Status>> {
    let before = std::mem::take(told);
    let mut differing = Vec::new();
    for (name, status) in now {
        let mut blurred = status.clone();
        blur(&mut blurred);
        if before.get(&name) != Some(&blurred) {
            differing.push(Named { name: name.clone(), status });
        }
        told.insert(name, blurred);
    }
    differing
}
