//! A pool in memory, and a simple model of it beside it: which request holds which slot, and which requests wait.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these files are tests")]
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::{BTreeMap, VecDeque};

use slotway_engine::{
    Abort, DesiredWorker, Grant, Image, LaneId, LedgerEntry, Page, PageId, PageSource, PoolTransition,
    ProbeTerm, ReleaseOutcome, Root, Serial, Survey, Take, TakeRequest, Ticket, WorkerIndex,
};

/// Shared data as the engine sees it: an image and pages, as bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Memory {
    image: Vec<u8>,
    pages: BTreeMap<PageId, Vec<u8>>,
    /// The number of pages read and written, which must not grow.
    pub(crate) reads: usize,
    pub(crate) writes: usize,
}

impl PageSource for Memory {
    fn read(&mut self, id: PageId) -> Result<Page, Abort> {
        self.reads += 1;
        self.pages.get(&id).map_or_else(|| Ok(Page::default()), |stored| Page::decode(stored))
    }
}

impl Memory {
    /// Makes a transition as a lane does: through bytes, after storing the log of the last image.
    pub(crate) fn transact<R>(
        &mut self,
        step: impl FnOnce(&mut PoolTransition<'_, Self>) -> Result<R, Abort>,
    ) -> R {
        let mut image =
            if self.image.is_empty() { Image::default() } else { Image::decode(&self.image).unwrap() };
        for (id, stored) in image.stored_pages() {
            self.writes += 1;
            self.pages.insert(id, stored);
        }
        let mut pool = PoolTransition::new(&mut image, self);
        let result = step(&mut pool).unwrap();
        pool.commit();
        self.image = image.encode();
        result
    }

    pub(crate) fn look<R>(
        &mut self,
        look: impl FnOnce(&mut PoolTransition<'_, Self>) -> Result<R, Abort>,
    ) -> R {
        let mut image =
            if self.image.is_empty() { Image::default() } else { Image::decode(&self.image).unwrap() };
        for (id, stored) in image.stored_pages() {
            self.pages.insert(id, stored);
        }
        look(&mut PoolTransition::new(&mut image, self)).unwrap()
    }

    pub(crate) fn root(&self) -> Root {
        if self.image.is_empty() { Root::new() } else { Image::decode(&self.image).unwrap().root }
    }

    /// Returns the size of the image.
    pub(crate) fn image_bytes(&self) -> usize {
        self.image.len()
    }
}

/// A request that holds a slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Running {
    pub(crate) request: u32,
    pub(crate) worker: String,
    pub(crate) index: WorkerIndex,
    pub(crate) serial: Serial,
    pub(crate) probe: Option<ProbeTerm>,
    /// Whether it is still the newest probe.
    pub(crate) current: bool,
}

impl Running {
    fn held(&self) -> LedgerEntry {
        LedgerEntry {
            serial: self.serial,
            lane: lane(self.request),
            worker: self.index,
            probe: self.probe,
            is_over: false,
        }
    }
}

/// The pool and the model. Each method does one thing to both and checks the invariants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) memory: Memory,
    pub(crate) now_ms: u64,
    pub(crate) capacities: BTreeMap<String, u32>,
    pub(crate) running: Vec<Running>,
    pub(crate) line: VecDeque<(u32, Ticket)>,
    pub(crate) generation: u64,
    next_request: u32,
}

pub(crate) const LANES: u32 = 3;

impl World {
    pub(crate) fn configure(&mut self, workers: &[(&str, u32)]) {
        self.capacities = workers.iter().map(|(name, slots)| ((*name).to_owned(), *slots)).collect();
        self.generation += 1;
        let specs: Vec<_> =
            workers.iter().map(|(name, capacity)| DesiredWorker { name, capacity: *capacity }).collect();
        let (generation, now_ms) = (self.generation, self.now_ms);
        loop {
            let reconciled = self.memory.transact(|pool| pool.reconcile(generation, &specs, now_ms));
            self.take_in(reconciled.grants);
            if reconciled.done {
                break;
            }
        }
        self.check();
    }

    /// Makes a new request. Returns its result.
    pub(crate) fn request(&mut self, waiting_max: u32) -> Take {
        self.next_request += 1;
        let request = self.next_request;
        let ask =
            TakeRequest { lane: lane(request), now_ms: self.now_ms, may_wait: waiting_max > 0, waiting_max };
        let take = self.memory.transact(|pool| pool.take(ask));
        match take {
            Take::Taken { worker, serial } => {
                assert!(self.line.is_empty(), "a newcomer got a slot while others waited");
                self.start(request, worker, serial);
            }
            Take::Waiting(ticket) => {
                assert!((self.line.len() as u32) < waiting_max, "the line is longer than it may be");
                self.line.push_back((request, ticket));
            }
            Take::Refused(_) => {}
        }
        self.check();
        take
    }

    /// Ends the `at`-th running request.
    pub(crate) fn end(&mut self, at: usize, outcome: fn() -> ReleaseOutcome) {
        let ended = self.running.remove(at);
        let now_ms = self.now_ms;
        if outcome() == ReleaseOutcome::Answered {
            // The worker can be reached, so older probes do not matter any more.
            let same = |running: &&mut Running| running.worker == ended.worker;
            self.running.iter_mut().filter(same).for_each(|running| running.current = false);
        }
        let (serial, outcome) = (ended.serial, outcome());
        let grants = self.memory.transact(|pool| pool.release(serial, outcome, now_ms));
        self.take_in(grants.expect("a slot that was out"));
        assert_eq!(
            self.memory.look(|pool| pool.release(serial, outcome, now_ms)),
            None,
            "a slot came back twice"
        );
        self.check();
    }

    /// Lets the `at`-th waiter leave.
    pub(crate) fn leave(&mut self, at: usize) {
        let (request, ticket) = self.line.remove(at).unwrap();
        assert!(self.memory.transact(|pool| pool.cancel(lane(request), ticket)), "a waiter cannot leave");
        assert!(!self.memory.transact(|pool| pool.cancel(lane(request), ticket)), "a waiter left twice");
        self.check();
    }

    /// Lets time pass, and probes parked workers that are due.
    pub(crate) fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        let now_ms = self.now_ms;
        if self.memory.root().probe_at_ms().is_some_and(|due_ms| due_ms <= now_ms) {
            let grants = self.memory.transact(|pool| pool.probe(now_ms));
            self.take_in(grants);
        }
        self.check();
    }

    fn take_in(&mut self, grants: Vec<Grant>) {
        for grant in grants {
            let (request, ticket) = self.line.pop_front().expect("a slot for a waiter, but no request waits");
            assert_eq!((grant.lane, grant.ticket), (lane(request), ticket), "not the longest waiter");
            self.start(request, grant.worker, grant.serial);
        }
    }

    fn start(&mut self, request: u32, index: WorkerIndex, serial: Serial) {
        let held = self.held().into_iter().find(|held| held.serial == serial).expect("a slot in the ledger");
        let probe = held.probe;
        let name = self.memory.look(|pool| pool.name(index));
        let worker = String::from_utf8(name).unwrap();
        let others = self.running.iter().filter(|running| running.worker == worker);
        let capacity = self.capacities.get(&worker).copied().unwrap_or(0);
        assert!((others.clone().count() as u32) < capacity, "{worker} has more requests than its capacity");
        assert!(
            probe.is_none() || others.clone().all(|running| !running.current),
            "two probes of {worker} at once"
        );
        self.running.push(Running { request, worker, index, serial, current: probe.is_some(), probe });
    }

    /// Returns every slot in the ledger.
    pub(crate) fn held(&mut self) -> Vec<LedgerEntry> {
        self.memory.look(|pool| pool.ledger_entries())
    }

    pub(crate) fn survey(&mut self) -> Survey {
        self.memory.look(|pool| pool.survey())
    }

    /// Checks the invariants, and compares the pool with the model.
    pub(crate) fn check(&mut self) {
        let survey = self.survey();
        assert_eq!(survey.waiting as usize, self.line.len());
        assert!(survey.waiting == 0 || survey.free == 0, "free slots and waiters at once");
        assert_eq!(survey.in_flight as usize, self.running.len());
        assert_eq!(survey.ledger, survey.in_flight, "the ledger and the slots that are out");
        let mut held: Vec<_> = self.held();
        held.sort_unstable_by_key(|held| held.serial);
        let mut out: Vec<_> = self.running.iter().map(Running::held).collect();
        out.sort_unstable_by_key(|held| held.serial);
        assert_eq!(held, out, "what the ledger says is out");
        for worker in &survey.workers {
            let name = String::from_utf8(self.memory.look(|pool| pool.name(worker.worker))).unwrap();
            let running = self.running.iter().filter(|running| running.worker == name).count() as u32;
            let capacity = self.capacities.get(&name).copied().unwrap_or(0);
            assert_eq!((worker.capacity, worker.in_flight), (capacity, running), "{name}");
            // No slot is lost and none is there twice, except slots that are still out at a worker that has shrunk.
            assert_eq!(worker.free + worker.parked + running, capacity.max(running), "{name}: {worker:?}");
        }
        for (name, capacity) in &self.capacities {
            let known = survey.workers.iter().filter(|worker| worker.capacity == *capacity).count();
            assert!(known > 0, "{name} is not known");
        }
        assert_eq!(self.memory.root().capacity(), self.capacities.values().sum::<u32>());
    }

    /// Lets every request end well. Then every waiter is served and every slot comes back.
    pub(crate) fn come_to_rest(&mut self) {
        let mut rounds = 0;
        loop {
            rounds += 1;
            assert!(rounds < 100_000, "it does not come to rest");
            if !self.running.is_empty() {
                self.end(0, || ReleaseOutcome::Answered);
            } else if !self.line.is_empty() && self.capacities.is_empty() {
                self.leave(0);
            } else if self.memory.root().probe_at_ms().is_some() {
                self.pass(10_000);
            } else if !self.line.is_empty() {
                panic!("waiters, and nothing that could serve them");
            } else {
                let survey = self.survey();
                if survey.parked == 0 && survey.workers.iter().all(|worker| worker.failures == 0) {
                    assert_eq!(survey.free, self.capacities.values().sum::<u32>(), "{survey:?}");
                    break;
                }
                // The slot of a probe stays in the queue until a request takes it.
                self.request(0);
            }
        }
    }
}

pub(crate) fn lane(request: u32) -> LaneId {
    (request % LANES) as LaneId
}

/// Names of workers.
pub(crate) const NAMES: [&str; 6] =
    ["http://w0", "http://w1", "http://w2", "http://w3", "http://w4", "http://w5"];

/// Returns what a request of `lane` asks for that does not wait.
pub(crate) fn ask(lane: LaneId) -> TakeRequest {
    TakeRequest { lane, now_ms: 0, may_wait: false, waiting_max: 0 }
}
