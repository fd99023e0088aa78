//! A pool's transitions: taking, waiting, leaving, releasing, probing.

use slotway_test_hooks::{Defect, invariant, is_seeded};

use crate::{
    Abort, Image, LaneId, LedgerEntry, PageId, PageSource, ProbeTerm, Region, ReleaseOutcome, Root, Serial,
    Ticket, WorkerIndex,
    page::Pages,
    parking,
    worker_table::{self, Reach, Record},
};

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakeRequest {
    /// The lane that holds the request.
    pub lane: LaneId,
    /// The time, on a clock that never goes back and is the same for all lanes.
    pub now_ms: u64,
    /// Whether the request waits if no slot is free.
    pub may_wait: bool,
    /// Most requests that may wait.
    pub waiting_max: u32,
}

/// The result of [`PoolTransition::take`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// The request has a slot.
    Taken {
        /// The worker of the slot.
        worker: WorkerIndex,
        /// The serial by which the slot comes back.
        serial: Serial,
    },
    /// The request waits.
    Waiting(Ticket),
    /// The request has neither.
    Refused(RefusalReason),
}

/// Why a request gets no slot and no place in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalReason {
    /// The pool has no worker.
    NoWorkers,
    /// No slot is free, and the request does not wait.
    NoFreeSlot,
    /// As many requests wait as may wait.
    QueueFull,
}

/// A slot for a waiter. The lane that made the transition brings it to the waiter's lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The lane that holds the waiter.
    pub lane: LaneId,
    /// The waiter.
    pub ticket: Ticket,
    /// The worker of the slot.
    pub worker: WorkerIndex,
    /// The serial by which the slot comes back.
    pub serial: Serial,
    /// [`Root::names_epoch`] at the time of the grant, which says what the worker's index means.
    pub names_epoch: u32,
}

/// One transition of a pool, on a root and its pages.
pub struct PoolTransition<'s, S> {
    pub(crate) root: &'s mut Root,
    log: &'s mut Vec<(PageId, Vec<u8>)>,
    pub(crate) pages: Pages<'s, S>,
}

impl<'s, S: PageSource> PoolTransition<'s, S> {
    /// Begins a transition from `image`, whose log must be stored. The transition changes the image at once: after an error, or
    /// without a commit, the image is invalid.
    #[must_use]
    pub fn new(image: &'s mut Image, source: &'s mut S) -> Self {
        let Image { root, log } = image;
        let pages = Pages::new(source, root.commit);
        Self { root, log, pages }
    }

    /// Returns the root with the changes so far.
    #[must_use]
    pub fn root(&self) -> &Root {
        self.root
    }

    /// Ends the transition. The image is now the one that has to be stored.
    pub fn commit(self) {
        let Self { root, log, pages } = self;
        root.commit += 1;
        invariant!(root.capacity == 0 || root.workers_end > 0, "a pool with a capacity has workers");
        invariant!(root.parked <= root.slots, "parked slots are among the slots");
        invariant!(root.waiting() == 0 || root.free.is_empty(), "free slots and waiters exclude each other");
        pages.changes_to(log);
    }

    /// Takes the slot at the head of the queue, or a place in the line if no slot is free.
    ///
    /// # Errors
    /// [`Abort`]; nothing has changed then.
    pub fn take(&mut self, request: TakeRequest) -> Result<Take, Abort> {
        if self.root.capacity == 0 {
            return Ok(Take::Refused(RefusalReason::NoWorkers));
        }
        if self.root.waiting() == 0 {
            let mut slot = self.pop_usable(request.now_ms)?;
            if slot.is_none() && self.root.probe_at_ms <= request.now_ms {
                let grants_without_waiters = self.probe(request.now_ms)?;
                invariant!(
                    grants_without_waiters.is_empty(),
                    "a probe grants nothing while no request waits"
                );
                slot = self.pop_usable(request.now_ms)?;
            }
            if let Some((worker, probe)) = slot {
                if self.root.free.is_empty() {
                    self.root.rate.note_shortage(request.now_ms);
                }
                let serial = self.root.ledger.enter(request.lane, worker, probe, &mut self.pages)?;
                return Ok(Take::Taken { worker, serial });
            }
        }
        if !request.may_wait {
            return Ok(Take::Refused(RefusalReason::NoFreeSlot));
        }
        if self.root.waiting() >= request.waiting_max && !is_seeded(Defect::NoLimit) {
            return Ok(Take::Refused(RefusalReason::QueueFull));
        }
        match self.root.line.join(request.lane, request.now_ms, &mut self.pages) {
            Ok(ticket) => Ok(Take::Waiting(ticket)),
            Err(Abort::NoRoom) => Ok(Take::Refused(RefusalReason::QueueFull)),
            Err(abort) => Err(abort),
        }
    }

    /// Removes a waiter from the line, at its deadline or because its client has left. `false`: the waiter has been given a slot,
    /// which is on its way to its lane.
    ///
    /// # Errors
    /// [`Abort`]; nothing has changed then.
    pub fn cancel(&mut self, lane: LaneId, ticket: Ticket) -> Result<bool, Abort> {
        self.root.line.leave(lane, ticket, &mut self.pages)
    }

    /// Releases a slot: to the longest waiter, else to the tail of the queue. A surplus slot is removed, and a slot of a worker
    /// that cannot be reached is parked. Returns the slots that went to waiters: more than one if the release shows that a
    /// worker can be reached again. `None`: the slot is back already, and nothing has changed.
    ///
    /// # Errors
    /// [`Abort`]; nothing has changed then.
    pub fn release(
        &mut self,
        serial: Serial,
        outcome: ReleaseOutcome,
        now_ms: u64,
    ) -> Result<Option<Vec<Grant>>, Abort> {
        match self.root.ledger.strike(serial, &mut self.pages)? {
            Some(held) => self.take_back(held, outcome, now_ms).map(Some),
            None => Ok(None),
        }
    }

    fn take_back(
        &mut self,
        held: LedgerEntry,
        outcome: ReleaseOutcome,
        now_ms: u64,
    ) -> Result<Vec<Grant>, Abort> {
        let LedgerEntry { worker, probe, .. } = held;
        if self.root.free.is_empty() {
            self.root.rate.note_release(now_ms);
        }
        if !self.root.is_watched(worker) && outcome != ReleaseOutcome::Unreachable {
            let mut grants: Vec<_> = self.give(worker, None)?.into_iter().collect();
            if is_seeded(Defect::ReleaseTwice) {
                grants.extend(self.give(worker, None)?);
            }
            return Ok(grants);
        }
        let mut record = worker_table::read(worker, &mut self.pages)?;
        if record.slots == record.parked {
            return Err(Abort::Corrupt("a slot comes back to a worker that has none out"));
        }
        if record.surplus() > 0 && !is_seeded(Defect::IgnoreSurplus) {
            // The slot is removed. The outcome still says something about the worker, if it has other slots.
            record.slots -= 1;
            self.root.lose_slots(1)?;
            let reached = self.learn(&mut record, outcome, probe, now_ms)?;
            return self.hand_back(worker, record, reached);
        }
        let reached = self.learn(&mut record, outcome, probe, now_ms)?;
        if record.reach == Reach::Active {
            return self.hand_back(worker, record, reached + 1);
        }
        record.park()?;
        self.root.parked += 1;
        self.root.probe_at_ms = parking::sooner(self.root.probe_at_ms, &record);
        self.hand_back(worker, record, 0)
    }

    /// Applies the outcome of a request to its worker. Returns the number of parked slots that are usable again.
    fn learn(
        &mut self,
        record: &mut Record,
        outcome: ReleaseOutcome,
        probe: Option<ProbeTerm>,
        now_ms: u64,
    ) -> Result<u32, Abort> {
        let back = parking::learn(record, outcome, probe, now_ms);
        self.root.unpark(back)?;
        self.root.probe_at_ms = parking::sooner(self.root.probe_at_ms, record);
        Ok(if is_seeded(Defect::ForgetParked) { 0 } else { back })
    }

    /// Stores the record and gives out `slots` of its slots. Returns the slots that went to waiters.
    fn hand_back(&mut self, worker: WorkerIndex, record: Record, slots: u32) -> Result<Vec<Grant>, Abort> {
        self.store(worker, record)?;
        let mut grants = Vec::new();
        for _ in 0..slots {
            grants.extend(self.give(worker, None)?);
        }
        Ok(grants)
    }

    /// Gives a usable slot to the longest waiter, else to the tail of the queue.
    pub(crate) fn give(
        &mut self,
        worker: WorkerIndex,
        probe: Option<ProbeTerm>,
    ) -> Result<Option<Grant>, Abort> {
        let names_epoch = self.root.names_epoch;
        let waiter = if is_seeded(Defect::Barge) { None } else { self.root.line.serve(&mut self.pages)? };
        match waiter {
            Some((lane, ticket)) => {
                let serial = self.root.ledger.enter(lane, worker, probe, &mut self.pages)?;
                Ok(Some(Grant { lane, ticket, worker, serial, names_epoch }))
            }
            None => {
                self.root.free.push(worker, Region::Free, &mut self.pages)?;
                Ok(None)
            }
        }
    }

    /// Stores a record, and marks the worker as watched while its slots need a look at the record.
    pub(crate) fn store(&mut self, worker: WorkerIndex, record: Record) -> Result<(), Abort> {
        if record.needs_watch() {
            self.root.watch(worker);
        } else if self.root.workers_end <= 64 {
            // No other worker has this bit. In a larger pool `rewatch` clears it.
            self.root.watched &= !crate::root::watch_bit(worker);
        }
        let record = if record.is_vacant() { Record::VACANT } else { record };
        worker_table::write(worker, &record, &mut self.pages)
    }

    /// Takes the first usable slot out of the queue. Removes surplus slots, and parks slots of workers that cannot be reached, on
    /// the way.
    fn pop_usable(&mut self, now_ms: u64) -> Result<Option<(WorkerIndex, Option<ProbeTerm>)>, Abort> {
        while let Some(worker) = self.root.free.pop(Region::Free, &mut self.pages)? {
            if !self.root.is_watched(worker) {
                return Ok(Some((worker, None)));
            }
            let mut record = worker_table::read(worker, &mut self.pages)?;
            if record.surplus() > 0 {
                record.slots -= 1;
                self.root.lose_slots(1)?;
                if record.reach == Reach::ProbeReady {
                    // This may have been the slot of the probe, so another slot becomes due for it.
                    record.reach = Reach::Parked;
                    record.probe_at_ms = now_ms;
                    self.root.probe_at_ms = parking::sooner(self.root.probe_at_ms, &record);
                }
                self.store(worker, record)?;
                continue;
            }
            match record.reach {
                Reach::Active => return Ok(Some((worker, None))),
                Reach::ProbeReady => {
                    let term = record.begin_probe();
                    self.store(worker, record)?;
                    return Ok(Some((worker, Some(term))));
                }
                Reach::Parked | Reach::Probing => {
                    record.park()?;
                    self.root.parked += 1;
                    self.root.probe_at_ms = parking::sooner(self.root.probe_at_ms, &record);
                    self.store(worker, record)?;
                }
            }
        }
        Ok(None)
    }

    /// Gives out one slot of each parked worker that is due: to the longest waiter, else to the tail of the queue. Reads the
    /// record of each worker, so it is called no sooner than [`Root::probe_at_ms`].
    ///
    /// # Errors
    /// [`Abort`]; nothing has changed then.
    pub fn probe(&mut self, now_ms: u64) -> Result<Vec<Grant>, Abort> {
        let mut grants = Vec::new();
        let mut next_ms = u64::MAX;
        if is_seeded(Defect::NoProbe) {
            self.root.probe_at_ms = next_ms;
            return Ok(grants);
        }
        for worker in 0..self.root.workers_end as WorkerIndex {
            let mut record = worker_table::read(worker, &mut self.pages)?;
            if record.reach != Reach::Parked || record.parked == 0 {
                continue;
            }
            if record.probe_at_ms > now_ms {
                next_ms = next_ms.min(record.probe_at_ms);
                continue;
            }
            record.parked -= 1;
            self.root.unpark(1)?;
            let waiter = self.root.waiting() > 0;
            let term = waiter.then(|| record.begin_probe());
            if term.is_none() {
                record.reach = Reach::ProbeReady;
            }
            self.store(worker, record)?;
            grants.extend(self.give(worker, term)?);
        }
        self.root.probe_at_ms = next_ms;
        Ok(grants)
    }

    /// Clears the marks of workers whose records need no look any more. Reads the record of each worker. Without it the state is
    /// correct, but slower. Returns whether a mark was cleared.
    ///
    /// # Errors
    /// [`Abort`]; nothing has changed then.
    pub fn rewatch(&mut self) -> Result<bool, Abort> {
        let mut watched = 0;
        for worker in 0..self.root.workers_end as WorkerIndex {
            if worker_table::read(worker, &mut self.pages)?.needs_watch() {
                watched |= crate::root::watch_bit(worker);
            }
        }
        let changed = watched != self.root.watched;
        self.root.watched = watched;
        Ok(changed)
    }

    /// Returns the name of a worker, as its configuration has it.
    ///
    /// # Errors
    /// [`Abort`] where it cannot be read.
    pub fn name(&mut self, worker: WorkerIndex) -> Result<Vec<u8>, Abort> {
        Ok(self.pages.read(PageId::new(Region::Name, u32::from(worker)))?.to_vec())
    }
}
