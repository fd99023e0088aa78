//! One Envoy worker thread's VM: what it holds, how it joins the others, and when it wants to be woken.

use std::{cmp::Reverse, collections::BinaryHeap, rc::Rc, time::Duration};

use rustc_hash::FxHashMap;
use slotway_config::FilterConfig;
use slotway_engine::{Abort, LaneId, Outcome, Serial};
use slotway_test_hooks::{Defect, is_seeded};

use crate::{
    abi::LogLevel,
    ends::Ends,
    error::FilterError,
    grants::Refused,
    host::{self, HostError},
    lane_pool::LanePool,
    lane_table::LaneTable,
    metrics::FLUSH_MS,
    pulse::Pulse,
    recovery::Estates,
    report::Reporter,
    retry::Retry,
    settings::Settings,
    shared::SharedPool,
    stream::Stream,
    witness::{self, Witness},
};

/// How soon after its configuration a lane without requests joins the others. The VM in which Envoy tries a
/// configuration out is gone by then, so that it never counts as a lane.
const ENROL_AFTER_MS: u64 = 10;

/// This VM's place among the lanes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Enrolment {
    pub(crate) lane: LaneId,
    /// The shared queue whose messages wake this lane.
    pub(crate) queue: u32,
}

/// A slot whose request was abandoned, until the worker is believed to be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hold {
    pub(crate) until_ms: u64,
    pub(crate) pool: usize,
    pub(crate) serial: Serial,
}

/// One Envoy worker thread's VM.
pub(crate) struct Lane {
    /// The context whose callback is running.
    pub(crate) context: u32,
    /// The newest root context. It outlives the older ones, so ticks and wake-ups are its own.
    pub(crate) root: u32,
    pub(crate) enrolment: Option<Enrolment>,
    pub(crate) settings: Option<Rc<Settings>>,
    /// The newest configuration is not in force yet, and its root context is not woken.
    is_renewed: bool,
    /// Every pool that any configuration of this VM has named; a removed one drains.
    pub(crate) pools: Vec<LanePool>,
    pub(crate) streams: FxHashMap<u32, Stream>,
    /// Waiters' deadlines and streams; entries of those that have left the line are skipped.
    pub(crate) deadlines: BinaryHeap<Reverse<(u64, u32)>>,
    pub(crate) holds: BinaryHeap<Reverse<Hold>>,
    /// Releases that the host refused.
    pub(crate) unreleased: Vec<(usize, Serial, Outcome)>,
    /// Places in the line that the host refused to give up.
    pub(crate) unleft: Vec<(usize, u64)>,
    /// When they are tried again.
    pub(crate) retry: Retry,
    /// Other lanes' wake-up queues.
    pub(crate) queues: FxHashMap<LaneId, u32>,
    pub(crate) reporter: Reporter,
    pub(crate) pulse: Pulse,
    /// The longest that a request of this lane can have a slot, over all configurations that it had.
    pub(crate) held_ms_max: u64,
    /// The same as the other lanes know it.
    told_ms_max: u64,
    pub(crate) estates: Estates,
    pub(crate) ends: Ends,
    /// This VM is no lane, but the witness.
    pub(crate) witness: Option<Witness>,
    /// Refusals that would stop the stream whose callback is running; sent with the next tick.
    pub(crate) put_off: Vec<(u32, Refused)>,
    /// When this lane last gave a slot back.
    pub(crate) released_ms: u64,
    /// When the metrics are handed over; `None` with nothing to hand over.
    pub(crate) flush_at_ms: Option<u64>,
    /// When the host's timer fires next.
    armed_ms: u64,
}

impl Lane {
    pub(crate) fn new() -> Self {
        Self {
            context: 0,
            root: 0,
            enrolment: None,
            settings: None,
            is_renewed: false,
            pools: Vec::new(),
            streams: FxHashMap::default(),
            deadlines: BinaryHeap::new(),
            holds: BinaryHeap::new(),
            unreleased: Vec::new(),
            unleft: Vec::new(),
            retry: Retry::default(),
            queues: FxHashMap::default(),
            reporter: Reporter::new(),
            pulse: Pulse::default(),
            held_ms_max: 0,
            told_ms_max: 0,
            estates: Estates::new(),
            ends: Ends::default(),
            witness: None,
            put_off: Vec::new(),
            released_ms: 0,
            flush_at_ms: None,
            armed_ms: u64::MAX,
        }
    }

    /// Takes a configuration. `false` refuses it: what was in force stays in force.
    ///
    /// It is put in force a moment later, by the timer or with the next request. Should this VM die in this callback,
    /// Envoy would take it for a module that cannot be configured, and never configure another VM from it again, on
    /// any thread (`getOrCreateThreadLocalPlugin` of proxy-wasm-cpp-host fails the base VM). So nothing is done here but reading.
    pub(crate) fn on_configure(&mut self, root: u32, size: usize) -> bool {
        let bytes = host::plugin_configuration(size).map_err(FilterError::from);
        if bytes.as_ref().is_ok_and(|bytes| bytes == witness::CONFIGURATION) {
            self.witness = Some(Witness::default());
            return true;
        }
        let config = bytes
            .and_then(|bytes| Ok(FilterConfig::from_json(&bytes)?))
            .and_then(|config| understand_state(&config).map(|()| config));
        let config = match config {
            Ok(config) => config,
            Err(error) => {
                host::log(LogLevel::Critical, &format!("slotway: configuration refused: {error}"));
                return false;
            }
        };
        self.root = root;
        self.armed_ms = u64::MAX;
        self.adopt(&config);
        // A VM that is no lane yet may be one in which Envoy only tries a configuration out.
        self.is_renewed = self.enrolment.is_some();
        true
    }

    /// Takes over policies and workers, for this lane.
    fn adopt(&mut self, config: &FilterConfig) {
        let mut order = Vec::with_capacity(config.pools.len());
        let longest = config.pools.iter().map(|pool| pool.held_ms_max().unwrap_or(u64::MAX)).max();
        self.held_ms_max = self.held_ms_max.max(longest.unwrap_or(0));
        for pool in &mut self.pools {
            pool.settings.workers.clear();
        }
        for settings in &config.pools {
            let known =
                self.pools.iter_mut().enumerate().find(|(_, pool)| pool.settings.name == settings.name);
            match known {
                Some((at, pool)) => {
                    pool.adopt(settings.clone());
                    order.push(at);
                }
                None => {
                    order.push(self.pools.len());
                    self.pools.push(LanePool::new(settings.clone()));
                }
            }
        }
        self.settings = Some(Rc::new(Settings::new(config, order)));
    }

    /// Makes sure that this VM is a lane, with its newest configuration in force. `false` where it cannot be one.
    pub(crate) fn enrol(&mut self) -> bool {
        if self.enrolment.is_some() {
            if self.is_renewed {
                if let Err(error) = self.tell_bound() {
                    self.complain("the other lanes cannot be told of this one's configuration", &error);
                    return false;
                }
                self.is_renewed = false;
                self.join_with_new_root();
            }
            return true;
        }
        if self.settings.is_none() {
            return false;
        }
        let held_ms_max = self.held_ms_max;
        match LaneTable::update(|table| table.enrol(host::now_ms(), held_ms_max)) {
            Ok((lane, _)) => {
                self.enrolment = Some(Enrolment { lane, queue: 0 });
                self.told_ms_max = held_ms_max;
                self.join_with_new_root();
                true
            }
            Err(error) => {
                self.complain("cannot join the other lanes", &error);
                false
            }
        }
    }

    /// Tells the other lanes, before one more slot is taken, for how long this lane's requests can have slots at most: should it die
    /// before its next beat, they are given back after that time.
    fn tell_bound(&mut self) -> Result<(), FilterError> {
        let (Some(enrolment), held_ms_max) = (self.enrolment, self.held_ms_max) else { return Ok(()) };
        if held_ms_max > self.told_ms_max {
            LaneTable::update(|table| {
                table.raise_bound(enrolment.lane, held_ms_max);
                Ok(())
            })?;
            self.told_ms_max = held_ms_max;
        }
        Ok(())
    }

    /// What a new lane does, and an old one with a new root context: wake-ups go to the root, and the
    /// configuration into force.
    fn join_with_new_root(&mut self) {
        let registered = self.enrolment.is_some_and(|enrolment| enrolment.queue != 0);
        if !(registered && is_seeded(Defect::OldRootWoken)) {
            self.register_wake_ups();
        }
        self.share_pool_names();
        self.reconcile();
        self.reporter.hurry();
    }

    /// Makes the newest root context the one that this lane's messages wake.
    pub(crate) fn register_wake_ups(&mut self) {
        let Some(lane) = self.enrolment.map(|enrolment| enrolment.lane) else { return };
        match self.register_queue(&queue_name(lane)) {
            Ok(queue) => self.enrolment = Some(Enrolment { lane, queue }),
            Err(error) => host::log(LogLevel::Critical, &format!("slotway: no wake-up queue: {error}")),
        }
        if self.ends.is_heard() {
            self.hear_of_ends();
        }
    }

    /// Speaks to the host as `context` for as long as `act` runs.
    pub(crate) fn as_context<R>(&self, context: u32, act: impl FnOnce() -> R) -> Result<R, HostError> {
        host::as_context(self.context, context, act)
    }

    /// Makes the newest root context the one that a queue's messages wake. Makes the queue where there is none.
    pub(crate) fn register_queue(&self, name: &str) -> Result<u32, HostError> {
        self.as_context(self.root, || host::register_queue(name))?
    }

    /// Sets the host's timer, if this lane wants to be woken sooner than it would be.
    pub(crate) fn schedule(&mut self) {
        let next_ms = self.next_due_ms();
        if next_ms < self.armed_ms {
            self.arm(next_ms);
        }
    }

    /// Sets the host's timer to `due_ms`, on the newest root context.
    fn arm(&mut self, due_ms: u64) {
        let period_ms = due_ms.saturating_sub(host::now_ms()).max(1);
        let period = Duration::from_millis(period_ms);
        match self.as_context(self.root, || host::set_tick_period(period)).flatten() {
            Ok(()) => self.armed_ms = due_ms,
            Err(error) => host::log(LogLevel::Critical, &format!("slotway: no timer: {error}")),
        }
    }

    /// The timer has fired; it is set anew when the callback ends.
    pub(crate) fn disarm(&mut self) {
        self.armed_ms = u64::MAX;
    }

    /// When this lane wants to be woken.
    fn next_due_ms(&self) -> u64 {
        if self.settings.is_none() {
            return u64::MAX;
        }
        if self.enrolment.is_none() {
            // Once: the timer goes on by itself until the lane has joined.
            return if self.armed_ms == u64::MAX {
                host::now_ms().saturating_add(ENROL_AFTER_MS)
            } else {
                u64::MAX
            };
        }
        if self.is_renewed || !self.put_off.is_empty() {
            return 0;
        }
        // Every callback comes by here, so this is plain.
        let mut next_ms = self.reporter.due_ms().min(self.pulse.due_ms());
        if let Some(Reverse((at_ms, _))) = self.deadlines.peek() {
            next_ms = next_ms.min(*at_ms);
        }
        if let Some(Reverse(hold)) = self.holds.peek() {
            next_ms = next_ms.min(hold.until_ms);
        }
        for pool in &self.pools {
            next_ms = next_ms.min(pool.probe_at_ms.unwrap_or(u64::MAX));
        }
        if !self.unreleased.is_empty() || !self.unleft.is_empty() {
            next_ms = next_ms.min(self.retry.at_ms());
        }
        next_ms.min(self.flush_at_ms.unwrap_or(u64::MAX))
    }

    /// Counts a request's end.
    pub(crate) fn count(&mut self, pool: usize, outcome: crate::metrics::RequestOutcome) {
        if let Some(pool) = self.pools.get_mut(pool) {
            pool.metrics.count(outcome);
            if self.flush_at_ms.is_none() {
                self.flush_at_ms = Some(host::now_ms().saturating_add(FLUSH_MS));
            }
        }
    }

    /// Counts a wait that is over.
    pub(crate) fn note_wait(&mut self, pool: usize, waited_ms: u64, now_ms: u64) {
        if let Some(pool) = self.pools.get_mut(pool) {
            pool.metrics.note_wait(waited_ms);
            self.flush_at_ms = self.flush_at_ms.or(Some(now_ms.saturating_add(FLUSH_MS)));
        }
    }

    /// The place of a pool.
    pub(crate) fn pool_named(&self, name: &str) -> Option<usize> {
        self.pools.iter().position(|pool| pool.settings.name.as_str() == name)
    }

    /// Logs what an operator may want to know.
    pub(crate) fn warn(&self, what: &str) {
        host::log(LogLevel::Warn, &format!("slotway: {what}"));
    }

    /// Logs what an operator has to know.
    pub(crate) fn complain(&self, what: &str, error: &FilterError) {
        let lane = self.enrolment.map_or_else(|| "?".to_owned(), |enrolment| enrolment.lane.to_string());
        host::log(LogLevel::Error, &format!("slotway: lane {lane}: {what}: {error}"));
    }
}

/// The name of a lane's wake-up queue.
pub(crate) fn queue_name(lane: LaneId) -> String {
    format!("slotway/1/lane/{lane}")
}

/// Makes sure that what other filters, older or newer ones, have left in the shared data is in this one's format. Two
/// that counted apart would give every slot out twice.
fn understand_state(config: &FilterConfig) -> Result<(), FilterError> {
    let refusal = |error: FilterError| match error {
        FilterError::State(Abort::Format { .. }) => Err(error),
        // What cannot be read now is read when it is needed.
        _ => Ok(()),
    };
    LaneTable::read().map_or_else(refusal, |_| Ok(()))?;
    for pool in &config.pools {
        SharedPool::new(pool.name.as_str()).look(|_| Ok(())).or_else(refusal)?;
    }
    Ok(())
}
