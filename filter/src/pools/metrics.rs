//! Envoy's statistics about one pool.
//!
//! A host call costs more than the counting itself. So a lane adds up its counts and passes them to the host every
//! [`FLUSH_MS`], while there is anything to pass.

use slotway_config::PoolName;
use slotway_policy::{RequestOutcome, stat_names};

use crate::{abi::MetricType, host::Host};

/// The longest time, in milliseconds, for which a count stays in the lane.
pub(crate) const FLUSH_MS: u64 = 200;
/// Most waits that stay in the lane; the next one passes them to the host.
const WAITS_MAX: usize = 1_024;

/// The values of the gauges, which the reporting lane sets for all lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotLevels {
    pub(crate) free: u32,
    pub(crate) in_flight: u32,
    pub(crate) parked: u32,
    pub(crate) waiting: u32,
}

/// One pool's metrics in one lane.
#[derive(Debug)]
pub(crate) struct PoolMetrics {
    requests: [Option<u32>; RequestOutcome::COUNT],
    counts: [u64; RequestOutcome::COUNT],
    wait_ms: Option<u32>,
    /// Waits that the host does not have yet. A waiter gets its slot while a worker is idle, so this can be done later.
    waits_ms: Vec<u64>,
    levels: [Option<u32>; 4],
    is_pending: bool,
}

impl PoolMetrics {
    /// Defines the pool's metrics. A metric that the host refuses is left out.
    pub(crate) fn define<H: Host>(host: &H, pool: &PoolName) -> Self {
        let define = |kind, name: String| host.define_metric(kind, &name).ok();
        let slots = |state| define(MetricType::Gauge, stat_names::slots(pool, state));
        let requests = RequestOutcome::ALL
            .map(|outcome| define(MetricType::Counter, stat_names::requests(pool, outcome)));
        Self {
            requests,
            counts: [0; RequestOutcome::COUNT],
            wait_ms: define(MetricType::Histogram, stat_names::wait_ms(pool)),
            waits_ms: Vec::new(),
            levels: [
                slots("free"),
                slots("in_flight"),
                slots("parked"),
                define(MetricType::Gauge, stat_names::waiting(pool)),
            ],
            is_pending: false,
        }
    }

    /// Counts a request.
    pub(crate) fn count(&mut self, outcome: RequestOutcome) {
        if let Some(count) = self.counts.get_mut(outcome.index()) {
            *count = count.saturating_add(1);
        }
        self.is_pending = true;
    }

    /// Notes the wait of a request that got a slot, or was refused at its deadline. A request that did not wait is not in
    /// the histogram, but in the count of requests.
    pub(crate) fn note_wait<H: Host>(&mut self, host: &H, waited_ms: u64) {
        self.waits_ms.push(waited_ms);
        self.is_pending = true;
        if self.waits_ms.len() >= WAITS_MAX {
            self.flush_waits(host);
        }
    }

    fn flush_waits<H: Host>(&mut self, host: &H) {
        for waited_ms in self.waits_ms.drain(..) {
            if let Some(id) = self.wait_ms {
                let _ = host.record_metric(id, waited_ms);
            }
        }
    }

    /// Sets the gauges.
    pub(crate) fn set_levels<H: Host>(&self, host: &H, levels: SlotLevels) {
        let values = [levels.free, levels.in_flight, levels.parked, levels.waiting];
        for (id, value) in self.levels.iter().zip(values) {
            if let Some(id) = id {
                let _ = host.record_metric(*id, u64::from(value));
            }
        }
    }

    /// Passes counts and waits to the host, if there are any.
    pub(crate) fn flush<H: Host>(&mut self, host: &H) {
        if !self.is_pending {
            return;
        }
        self.flush_waits(host);
        for (id, count) in self.requests.iter().zip(&mut self.counts) {
            if let (Some(id), true) = (id, *count > 0) {
                let _ = host.increment_metric(*id, *count);
            }
            *count = 0;
        }
        self.is_pending = false;
    }
}
