//! One pool as one lane sees it.

use std::{cell::Cell, collections::BTreeSet, rc::Rc};

use rustc_hash::{FxHashMap, FxHashSet};
use slotway_config::{Connections, Pool as PoolSettings, PoolName, WaitDuration, WorkerUrl};
use slotway_engine::{
    DesiredWorker, Grant, LaneId, LedgerEntry, PROBE_FIRST_MS, ReleaseOutcome, Root, Serial, Survey, Take,
    TakeRequest, Ticket, WorkerIndex,
};
use slotway_policy::LineStatus;
use slotway_test_hooks::{Defect, is_seeded};

use super::metrics::{PoolMetrics, SlotLevels};
use crate::{
    error::FilterError,
    host::Host,
    shared_state::{SharedPool, Step},
};

/// Where requests for a worker go.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) url: WorkerUrl,
    /// How many requests a connection to it serves.
    pub(crate) connections: Connections,
    /// How many requests of this lane in a row it has reset without an answer.
    pub(crate) resets: Cell<u32>,
}

/// What a request got, and the state of the pool's line at that moment.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) take: Take,
    pub(crate) names_epoch: u32,
    pub(crate) line: LineStatus,
}

/// Called before each compare-and-swap attempt with its grants, and with this lane's waiters and their streams. A retry may
/// pass different grants.
pub(crate) type OnGrants<'a> = dyn FnMut(&PoolName, &FxHashMap<Ticket, u32>, &[Grant]) + 'a;

/// One pool as one lane sees it.
#[derive(Debug)]
pub(crate) struct LanePool<H: Host> {
    /// Policy and workers of the newest configuration; no workers once the configuration does not name the pool.
    pub(crate) settings: PoolSettings,
    /// The pool's `answer_timeout` as the value of a header; empty where it has none.
    pub(crate) answer_timeout_ms: String,
    /// This lane's waiters, and the stream of each.
    pub(crate) waiters: FxHashMap<Ticket, u32>,
    pub(super) metrics: PoolMetrics,
    shared: SharedPool<H>,
    /// When a parked worker is due for a probe, as far as this lane knows.
    probe_at_ms: Option<u64>,
    targets: Vec<Option<Rc<Target>>>,
    names_epoch: u32,
    /// The workers of the newest configuration whose connections serve many requests.
    reused: FxHashSet<WorkerUrl>,
}

/// Returns milliseconds as text; nothing for no limit.
fn limit_text(limit: WaitDuration) -> String {
    if limit == WaitDuration::ZERO { String::new() } else { limit.as_ms().to_string() }
}

fn reused(settings: &PoolSettings) -> FxHashSet<WorkerUrl> {
    let workers = settings.workers.iter().filter(|worker| worker.connections() == Connections::Reuse);
    workers.map(|worker| worker.worker.clone()).collect()
}

fn line_status(root: &Root) -> LineStatus {
    LineStatus { waiting: root.waiting(), expected_wait_ms: root.expected_wait_ms() }
}

impl<H: Host> LanePool<H> {
    pub(super) fn new(host: H, settings: PoolSettings) -> Self {
        Self {
            metrics: PoolMetrics::define(&host, &settings.name),
            shared: SharedPool::new(host, settings.name.as_str()),
            waiters: FxHashMap::default(),
            probe_at_ms: None,
            targets: Vec::new(),
            names_epoch: 0,
            answer_timeout_ms: limit_text(settings.answer_timeout),
            reused: reused(&settings),
            settings,
        }
    }

    /// Takes over a newer configuration of the pool.
    pub(super) fn configure(&mut self, settings: PoolSettings) {
        self.answer_timeout_ms = limit_text(settings.answer_timeout);
        let reused = reused(&settings);
        if reused != self.reused {
            self.reused = reused;
            self.targets.clear();
        }
        self.settings = settings;
    }

    /// Takes a slot, or a place in the line. Calls `mark` before each attempt to take a slot, with its serial, and with `None`
    /// if a later attempt finds no slot any more: so no slot is taken without a mark.
    pub(crate) fn take(
        &mut self,
        request: TakeRequest,
        mut mark: impl FnMut(&PoolName, Option<Serial>),
    ) -> Result<Taken, FilterError> {
        let name = &self.settings.name;
        let mut is_marked = false;
        let (taken, probe_at_ms) = self.shared.transact(|pool| {
            let take = pool.take(request)?;
            if let Take::Taken { serial, .. } = take {
                mark(name, Some(serial));
                is_marked = true;
            } else if std::mem::take(&mut is_marked) {
                mark(name, None);
            }
            let root = pool.root();
            let taken = Taken { take, names_epoch: root.names_epoch(), line: line_status(root) };
            let result = (taken, root.probe_at_ms());
            Ok(if matches!(take, Take::Refused(_)) { Step::Leave(result) } else { Step::Commit(result) })
        })?;
        self.probe_at_ms = probe_at_ms;
        Ok(taken)
    }

    /// Takes a waiter out of the line. `false`: it has been given a slot.
    pub(crate) fn cancel(&mut self, lane: LaneId, ticket: Ticket) -> Result<(bool, LineStatus), FilterError> {
        self.shared.transact(|pool| {
            let has_left = pool.cancel(lane, ticket)?;
            let result = (has_left, line_status(pool.root()));
            Ok(if has_left { Step::Commit(result) } else { Step::Leave(result) })
        })
    }

    /// Releases a slot. A slot that has been released for this lane, while it was declared dead, stays as it is.
    pub(crate) fn release(
        &mut self,
        serial: Serial,
        outcome: ReleaseOutcome,
        now_ms: u64,
        on_grants: &mut OnGrants<'_>,
    ) -> Result<Vec<Grant>, FilterError> {
        let (name, waiters) = (&self.settings.name, &self.waiters);
        let (grants, probe_at_ms) = self.shared.transact(|pool| {
            let grants = pool.release(serial, outcome, now_ms)?;
            let probe_at_ms = pool.root().probe_at_ms();
            let Some(grants) = grants else { return Ok(Step::Leave((Vec::new(), probe_at_ms))) };
            on_grants(name, waiters, &grants);
            Ok(Step::Commit((grants, probe_at_ms)))
        })?;
        self.probe_at_ms = probe_at_ms;
        Ok(grants)
    }

    /// Gives a slot that is out a new serial. Returns it with the epoch of the names; `None`: the slot is back.
    pub(crate) fn renumber(&mut self, serial: Serial) -> Result<Option<(Serial, u32)>, FilterError> {
        self.shared.transact(|pool| {
            let names_epoch = pool.root().names_epoch();
            Ok(match pool.renumber(serial)? {
                Some(serial) => Step::Commit(Some((serial, names_epoch))),
                None => Step::Leave(None),
            })
        })
    }

    /// Notes that the request with this slot is over. `false`: this was known, or the slot is not out at that lane.
    pub(crate) fn note_over(&mut self, serial: Serial, lane: LaneId) -> Result<bool, FilterError> {
        self.shared.transact(|pool| {
            let is_noted = pool.note_over(serial, lane)?;
            Ok(if is_noted { Step::Commit(true) } else { Step::Leave(false) })
        })
    }

    /// Takes a dead lane's waiters out of the line, among `places_max` places from a ticket on. Returns their number, and
    /// the ticket to continue from.
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

    /// Returns when a parked worker is due for a probe, as far as this lane knows.
    pub(crate) fn probe_at_ms(&self) -> Option<u64> {
        self.probe_at_ms
    }

    /// Puts the next probe off, after the host has refused one.
    pub(crate) fn delay_probe(&mut self, now_ms: u64) {
        self.probe_at_ms = Some(now_ms.saturating_add(PROBE_FIRST_MS));
    }

    /// Probes the parked workers that are due.
    pub(crate) fn probe(
        &mut self,
        now_ms: u64,
        on_grants: &mut OnGrants<'_>,
    ) -> Result<Vec<Grant>, FilterError> {
        let (name, waiters) = (&self.settings.name, &self.waiters);
        let (grants, probe_at_ms) = self.shared.transact(|pool| {
            if pool.root().probe_at_ms().is_none_or(|due_ms| due_ms > now_ms) {
                return Ok(Step::Leave((Vec::new(), pool.root().probe_at_ms())));
            }
            let grants = pool.probe(now_ms)?;
            on_grants(name, waiters, &grants);
            Ok(Step::Commit((grants, pool.root().probe_at_ms())))
        })?;
        self.probe_at_ms = probe_at_ms;
        Ok(grants)
    }

    /// Puts one batch of the configuration's workers in force. Returns the grants, whether all workers are in force, and
    /// the pool's capacity.
    pub(crate) fn reconcile(
        &mut self,
        generation: u64,
        now_ms: u64,
        on_grants: &mut OnGrants<'_>,
    ) -> Result<(Vec<Grant>, (bool, u32)), FilterError> {
        let (name, waiters) = (&self.settings.name, &self.waiters);
        let specs: Vec<_> = self
            .settings
            .workers
            .iter()
            .map(|worker| DesiredWorker { name: worker.worker.as_str(), capacity: worker.capacity.get() })
            .collect();
        self.shared.transact(|pool| {
            if pool.root().generation() >= generation && !is_seeded(Defect::OldGeneration) {
                return Ok(Step::Leave((Vec::new(), (true, pool.root().capacity()))));
            }
            let reconciled = pool.reconcile(generation, &specs, now_ms)?;
            on_grants(name, waiters, &reconciled.grants);
            Ok(Step::Commit((reconciled.grants, (reconciled.done, pool.root().capacity()))))
        })
    }

    /// Returns where requests for a worker go. The worker's name is read from the shared state once, so a lane with an
    /// older configuration finds it too.
    pub(crate) fn target(
        &mut self,
        worker: WorkerIndex,
        names_epoch: u32,
    ) -> Result<Rc<Target>, FilterError> {
        if self.names_epoch != names_epoch {
            self.names_epoch = names_epoch;
            self.targets.clear();
        }
        let index = usize::from(worker);
        if let Some(Some(target)) = self.targets.get(index) {
            return Ok(Rc::clone(target));
        }
        let name = self.shared.look(|pool| pool.name(worker))?;
        let url = std::str::from_utf8(&name).ok().and_then(|name| name.parse().ok());
        let url: WorkerUrl = url.ok_or(FilterError::NoName(worker))?;
        // A worker that this lane's configuration does not name is treated as one with a connection for each request, which
        // is right for every worker.
        let connections =
            if self.reused.contains(&url) { Connections::Reuse } else { Connections::PerRequest };
        let target = Rc::new(Target { url, connections, resets: Cell::new(0) });
        if self.targets.len() <= index {
            self.targets.resize(index.saturating_add(1), None);
        }
        if let Some(entry) = self.targets.get_mut(index) {
            *entry = Some(Rc::clone(&target));
        }
        Ok(target)
    }

    /// Returns this lane's waiters that are not in the line any more: those whose turn is past, and those in `unqueued`.
    pub(crate) fn waiters_past_line(
        &mut self,
        unqueued: &BTreeSet<Ticket>,
    ) -> Result<BTreeSet<Ticket>, FilterError> {
        let waiters = &self.waiters;
        self.shared.look(|pool| {
            let root = pool.root();
            let is_past = |ticket: &Ticket| root.is_served(*ticket) || unqueued.contains(ticket);
            Ok(waiters.keys().copied().filter(is_past).collect())
        })
    }

    /// Returns the slots that are out at the lanes that `is_wanted` selects.
    pub(crate) fn slots_of(
        &mut self,
        is_wanted: impl Fn(LaneId) -> bool,
    ) -> Result<Vec<LedgerEntry>, FilterError> {
        let mut entries = Vec::new();
        let mut part = Some(0);
        // Slots only move from the root to the pages. The pool may change between the parts.
        while let Some(number) = part {
            let (found, next) = self
                .shared
                .look(|pool| Ok((pool.ledger_part(number)?, pool.root().ledger_part_after(number))))?;
            entries.extend(found.into_iter().filter(|entry| is_wanted(entry.lane)));
            part = next;
        }
        Ok(entries)
    }

    /// Returns the number of the pool's transitions so far.
    pub(crate) fn commit(&mut self) -> Result<u64, FilterError> {
        self.shared.look(|pool| Ok(pool.root().commit()))
    }

    /// Surveys the pool, and clears the marks of workers that need no look any more, which a large pool leaves behind.
    pub(crate) fn survey(&mut self) -> Result<Survey, FilterError> {
        let survey = self.shared.look(|pool| pool.survey())?;
        self.shared.transact(|pool| {
            let has_changed = pool.root().may_rewatch() && pool.rewatch()?;
            Ok(if has_changed { Step::Commit(()) } else { Step::Leave(()) })
        })?;
        Ok(survey)
    }

    /// Sets the pool's gauges.
    pub(crate) fn set_levels(&self, host: &H, levels: SlotLevels) {
        self.metrics.set_levels(host, levels);
    }

    /// Checks that this version can read the pool's state.
    pub(crate) fn check_format(host: H, name: &PoolName) -> Result<(), FilterError> {
        SharedPool::new(host, name.as_str()).look(|_| Ok(()))
    }

    /// Forgets the kept image, so that no compare-and-swap number is used after the host's numbers have wrapped.
    pub(crate) fn forget_image(&mut self) {
        self.shared.forget();
    }
}
