//! The names of the filter's statistics.
//!
//! A name carries its labels as `.label=value`; the tag rules in Envoy's bootstrap make labels of them.

use slotway_config::PoolName;

use crate::RequestOutcome;

/// Returns the counter of a pool's requests with one outcome.
#[must_use]
pub fn requests(pool: &PoolName, outcome: RequestOutcome) -> String {
    format!("slotway_requests_total.pool={pool}.outcome={}", outcome.word())
}

/// Returns the gauge of a pool's slots in one state: `free`, `in_flight` or `parked`.
#[must_use]
pub fn slots(pool: &PoolName, state: &str) -> String {
    format!("slotway_slots.pool={pool}.state={state}")
}

/// Returns the gauge of a pool's waiting requests.
#[must_use]
pub fn waiting(pool: &PoolName) -> String {
    format!("slotway_waiting.pool={pool}")
}

/// Returns the histogram of a pool's waits, in milliseconds.
#[must_use]
pub fn wait_ms(pool: &PoolName) -> String {
    format!("slotway_wait_ms.pool={pool}")
}
