//! One pool as one lane sees it.

use std::rc::Rc;

use rustc_hash::FxHashMap;
use slotway_config::{Pool as PoolSettings, PoolName, WaitDuration, WorkerUrl};
use slotway_engine::{Grant, LaneId, Outcome, Serial, Take, TakeRequest, Ticket, WorkerIndex, WorkerSpec};
use slotway_test_hooks::{Defect, is_seeded};

use crate::{
    audit::Audit,
    error::FilterError,
    metrics::PoolMetrics,
    shared::{SharedPool, Step},
};

/// Where a worker's requests go.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) url: WorkerUrl,
}

/// What a request got, and what the pool looked like at that moment.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) take: Take,
    pub(crate) names_epoch: u32,
    pub(crate) standing: Standing,
}

/// Hears of slots that are about to go to waiters, with the streams of those of this lane: perhaps of others the next
/// time, if somebody else was faster.
pub(crate) type MarkOwn<'a> = dyn FnMut(&PoolName, &FxHashMap<Ticket, u32>, &[Grant]) + 'a;

/// What a refusal says about the pool.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Standing {
    pub(crate) waiting: u32,
    pub(crate) expected_wait_ms: Option<u64>,
}

/// One pool as one lane sees it.
#[derive(Debug)]
pub(crate) struct LanePool {
    /// The newest configuration's policy and workers; none once the pool is gone from it.
    pub(crate) settings: PoolSettings,
    /// Its limit of an answer, in the words of a header; empty where there is none.
    pub(crate) answer_timeout_ms: String,
    pub(crate) shared: SharedPool,
    /// This lane's waiters, and the stream of each.
    pub(crate) waiters: FxHashMap<Ticket, u32>,
    /// When a parked worker is due for a probe, as far as this lane knows.
    pub(crate) probe_at_ms: Option<u64>,
    pub(crate) metrics: PoolMetrics,
    pub(crate) audit: Audit,
    targets: Vec<Option<Rc<Target>>>,
    names_epoch: u32,
}

/// Milliseconds; nothing for no limit.
fn in_words(limit: WaitDuration) -> String {
    if limit == WaitDuration::ZERO { String::new() } else { limit.as_ms().to_string() }
}

impl LanePool {
    pub(crate) fn new(settings: PoolSettings) -> Self {
        Self {
            shared: SharedPool::new(settings.name.as_str()),
            metrics: PoolMetrics::define(&settings.name),
            waiters: FxHashMap::default(),
            audit: Audit::default(),
            probe_at_ms: None,
            targets: Vec::new(),
            names_epoch: 0,
            answer_timeout_ms: in_words(settings.answer_timeout),
            settings,
        }
    }

    /// Takes over another configuration of the same pool.
    pub(crate) fn adopt(&mut self, settings: PoolSettings) {
        self.answer_timeout_ms = in_words(settings.answer_timeout);
        self.settings = settings;
    }

    /// Takes a slot, or a place in the line. `mark` hears of the slot before it is taken, and perhaps of another one if
    /// somebody else was faster: so that no slot is taken that nobody is marked with.
    pub(crate) fn take(
        &mut self,
        request: TakeRequest,
        mut mark: impl FnMut(&PoolName, Option<Serial>),
    ) -> Result<Taken, FilterError> {
        let name = &self.settings.name;
        let mut marked = false;
        let (taken, probe_at_ms) = self.shared.transact(|pool| {
            let take = pool.take(request)?;
            if let Take::Taken { serial, .. } = take {
                mark(name, Some(serial));
                marked = true;
            } else if std::mem::take(&mut marked) {
                mark(name, None);
            }
            let root = pool.root();
            let standing = Standing { waiting: root.waiting(), expected_wait_ms: root.expected_wait_ms() };
            let taken = (Taken { take, names_epoch: root.names_epoch(), standing }, root.probe_at_ms());
            Ok(if matches!(take, Take::Refused(_)) { Step::Leave(taken) } else { Step::Commit(taken) })
        })?;
        self.probe_at_ms = probe_at_ms;
        Ok(taken)
    }

    /// Leaves the line; `false` where the waiter has been given a slot.
    pub(crate) fn cancel(&mut self, lane: u16, ticket: Ticket) -> Result<(bool, Standing), FilterError> {
        self.shared.transact(|pool| {
            let left = pool.cancel(lane, ticket)?;
            let root = pool.root();
            let standing = Standing { waiting: root.waiting(), expected_wait_ms: root.expected_wait_ms() };
            Ok(if left { Step::Commit((left, standing)) } else { Step::Leave((left, standing)) })
        })
    }

    /// Gives a slot back. One that is back already, given back for this lane while it was believed dead, changes
    /// nothing.
    pub(crate) fn release(
        &mut self,
        serial: Serial,
        outcome: Outcome,
        now_ms: u64,
        mark: &mut MarkOwn<'_>,
    ) -> Result<Vec<Grant>, FilterError> {
        let (name, waiters) = (&self.settings.name, &self.waiters);
        let (grants, probe_at_ms) = self.shared.transact(|pool| {
            let grants = pool.release(serial, outcome, now_ms)?;
            let probe_at_ms = pool.root().probe_at_ms();
            let Some(grants) = grants else { return Ok(Step::Leave((Vec::new(), probe_at_ms))) };
            mark(name, waiters, &grants);
            Ok(Step::Commit((grants, probe_at_ms)))
        })?;
        self.probe_at_ms = probe_at_ms;
        Ok(grants)
    }

    /// Takes places of a dead lane out of the line. Returns how many, and the ticket to go on from.
    pub(crate) fn evict(
        &mut self,
        lane: LaneId,
        from: Ticket,
        places_max: usize,
    ) -> Result<(u32, Option<Ticket>), FilterError> {
        self.shared.transact(|pool| {
            let (evicted, next) = pool.evict(lane, from, places_max)?;
            Ok(if evicted > 0 { Step::Commit((evicted, next)) } else { Step::Leave((evicted, next)) })
        })
    }

    /// Tries parked workers that are due.
    pub(crate) fn probe(&mut self, now_ms: u64, mark: &mut MarkOwn<'_>) -> Result<Vec<Grant>, FilterError> {
        let (name, waiters) = (&self.settings.name, &self.waiters);
        let (grants, probe_at_ms) = self.shared.transact(|pool| {
            if pool.root().probe_at_ms().is_none_or(|due_ms| due_ms > now_ms) {
                return Ok(Step::Leave((Vec::new(), pool.root().probe_at_ms())));
            }
            let grants = pool.probe(now_ms)?;
            mark(name, waiters, &grants);
            Ok(Step::Commit((grants, pool.root().probe_at_ms())))
        })?;
        self.probe_at_ms = probe_at_ms;
        Ok(grants)
    }

    /// Puts the settings' workers in force, one batch of them. Returns the grants, whether there is more to
    /// do, and the capacity.
    pub(crate) fn reconcile(
        &mut self,
        generation: u64,
        now_ms: u64,
        mark: &mut MarkOwn<'_>,
    ) -> Result<(Vec<Grant>, (bool, u32)), FilterError> {
        let (name, waiters) = (&self.settings.name, &self.waiters);
        let specs: Vec<_> = self
            .settings
            .workers
            .iter()
            .map(|worker| WorkerSpec { name: worker.worker.as_str(), capacity: worker.capacity.get() })
            .collect();
        self.shared.transact(|pool| {
            if pool.root().generation() >= generation && !is_seeded(Defect::OldGeneration) {
                return Ok(Step::Leave((Vec::new(), (true, pool.root().capacity()))));
            }
            let reconciled = pool.reconcile(generation, &specs, now_ms)?;
            mark(name, waiters, &reconciled.grants);
            Ok(Step::Commit((reconciled.grants, (reconciled.done, pool.root().capacity()))))
        })
    }

    /// Where a worker's requests go. Its name is read from the shared state once; a lane whose configuration
    /// is older than the state finds it there too.
    pub(crate) fn target(
        &mut self,
        worker: WorkerIndex,
        names_epoch: u32,
    ) -> Result<Rc<Target>, FilterError> {
        if self.names_epoch != names_epoch {
            self.names_epoch = names_epoch;
            self.targets.clear();
        }
        let at = usize::from(worker);
        if let Some(Some(target)) = self.targets.get(at) {
            return Ok(Rc::clone(target));
        }
        let name = self.shared.look(|pool| pool.name(worker))?;
        let url = std::str::from_utf8(&name).ok().and_then(|name| name.parse().ok());
        let target = Rc::new(Target { url: url.ok_or(FilterError::NoName(worker))? });
        if self.targets.len() <= at {
            self.targets.resize(at.saturating_add(1), None);
        }
        if let Some(place) = self.targets.get_mut(at) {
            *place = Some(Rc::clone(&target));
        }
        Ok(target)
    }
}
