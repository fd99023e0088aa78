//! Envoy's statistics about slots and requests.
//!
//! Each host call costs more than the counting itself, so a lane counts for itself and hands the sums over
//! every [`FLUSH_MS`], while there is anything to hand over. Names carry their labels as `.label=value`,
//! which the tag rules in Envoy's bootstrap make labels of.

use slotway_config::PoolName;

use crate::{abi::MetricType, host};

/// How long a count may lie in the lane.
pub(crate) const FLUSH_MS: u64 = 200;
/// Waits that lie in the lane at once; one more hands them over.
const WAITS_MAX: usize = 1_024;

/// How a request ended, as `slotway_requests_total` counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum RequestOutcome {
    /// A worker answered, whatever it said.
    Answered,
    /// 503: the line was full.
    QueueFull,
    /// 503: no slot came free in time.
    WaitTimeout,
    /// 503: the pool has no workers.
    NoWorkers,
    /// 503: the worker could not be reached.
    WorkerUnreachable,
    /// 504: the worker took too long.
    AnswerTimeout,
    /// The client went away while it waited.
    GoneWaiting,
    /// The request was abandoned while it was at the worker: its client went away, or the worker broke off
    /// its answer.
    GoneRunning,
    /// 503: no configuration, or an unusable shared state.
    Internal,
}

const OUTCOMES: [(RequestOutcome, &str); 9] = [
    (RequestOutcome::Answered, "answered"),
    (RequestOutcome::QueueFull, "queue_full"),
    (RequestOutcome::WaitTimeout, "wait_timeout"),
    (RequestOutcome::NoWorkers, "no_workers"),
    (RequestOutcome::WorkerUnreachable, "worker_unreachable"),
    (RequestOutcome::AnswerTimeout, "answer_timeout"),
    (RequestOutcome::GoneWaiting, "gone_waiting"),
    (RequestOutcome::GoneRunning, "gone_running"),
    (RequestOutcome::Internal, "internal"),
];

impl RequestOutcome {
    /// The word in metrics and access log.
    pub(crate) fn word(self) -> &'static str {
        OUTCOMES.get(self as usize).map_or("", |(_, word)| word)
    }
}

/// Gauges that the reporting lane sets for all lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Levels {
    pub(crate) free: u32,
    pub(crate) in_flight: u32,
    pub(crate) parked: u32,
    pub(crate) waiting: u32,
}

/// One pool's metrics in one lane.
#[derive(Debug)]
pub(crate) struct PoolMetrics {
    requests: [Option<u32>; OUTCOMES.len()],
    counts: [u64; OUTCOMES.len()],
    wait_ms: Option<u32>,
    /// Waits that are not handed over yet. A waiter gets its slot while a worker has nothing to do: this can be done later.
    waits_ms: Vec<u64>,
    levels: [Option<u32>; 4],
    pending: bool,
}

impl PoolMetrics {
    /// Defines the pool's metrics; one that the host refuses is left out.
    pub(crate) fn define(pool: &PoolName) -> Self {
        let counter = |outcome| {
            let name = format!("slotway_requests_total.pool={pool}.outcome={outcome}");
            host::define_metric(MetricType::Counter, &name).ok()
        };
        let slots = |state| {
            let name = format!("slotway_slots.pool={pool}.state={state}");
            host::define_metric(MetricType::Gauge, &name).ok()
        };
        let waiting = format!("slotway_waiting.pool={pool}");
        let wait_ms = format!("slotway_wait_ms.pool={pool}");
        Self {
            requests: OUTCOMES.map(|(_, word)| counter(word)),
            counts: [0; OUTCOMES.len()],
            wait_ms: host::define_metric(MetricType::Histogram, &wait_ms).ok(),
            waits_ms: Vec::new(),
            levels: [
                slots("free"),
                slots("in_flight"),
                slots("parked"),
                host::define_metric(MetricType::Gauge, &waiting).ok(),
            ],
            pending: false,
        }
    }

    pub(crate) fn count(&mut self, outcome: RequestOutcome) {
        if let Some(count) = self.counts.get_mut(outcome as usize) {
            *count = count.saturating_add(1);
        }
        self.pending = true;
    }

    /// Notes how long a request has waited that got a slot or was refused at its deadline; those that did not
    /// wait are not in the histogram, but in the count of requests.
    pub(crate) fn note_wait(&mut self, waited_ms: u64) {
        self.waits_ms.push(waited_ms);
        self.pending = true;
        if self.waits_ms.len() >= WAITS_MAX {
            self.hand_over_waits();
        }
    }

    fn hand_over_waits(&mut self) {
        for waited_ms in self.waits_ms.drain(..) {
            if let Some(id) = self.wait_ms {
                let _ = host::record_metric(id, waited_ms);
            }
        }
    }

    pub(crate) fn set_levels(&self, levels: Levels) {
        let values = [levels.free, levels.in_flight, levels.parked, levels.waiting];
        for (id, value) in self.levels.iter().zip(values) {
            if let Some(id) = id {
                let _ = host::record_metric(*id, u64::from(value));
            }
        }
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.pending
    }

    /// Hands the counts and the waits over.
    pub(crate) fn flush(&mut self) {
        self.hand_over_waits();
        for (id, count) in self.requests.iter().zip(&mut self.counts) {
            if let (Some(id), true) = (id, *count > 0) {
                let _ = host::increment_metric(*id, *count);
            }
            *count = 0;
        }
        self.pending = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_stands_at_its_own_place() {
        for (place, (outcome, _)) in OUTCOMES.iter().enumerate() {
            assert_eq!(*outcome as usize, place);
        }
    }
}
