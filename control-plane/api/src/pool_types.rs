//! Conversions of pools, policies and workers to their wire types.
//!
//! There is none from a wire type: a request is read as the domain's own type, whose checks name the field that is wrong.

use slotway_api_types::kinds::{
    Heartbeat, HeartbeatStatus, PolicySpec, PoolSpec, PoolStatus, WorkerCondition, WorkerRow, WorkerSpec,
    WorkerStatus,
};
use slotway_config::Policy;
use slotway_pools::WorkerOverview;

/// Returns the wire type of a worker's spec.
pub(super) fn worker_spec(spec: slotway_pools::WorkerSpec) -> WorkerSpec {
    let slotway_pools::WorkerSpec {
        pool,
        capacity,
        protocol,
        connections,
        tls,
        cordoned,
        heartbeat,
        slow_start,
    } = spec;
    let heartbeat = heartbeat.as_ref().map(self::heartbeat);
    WorkerSpec { pool, capacity, protocol, connections, tls, cordoned, heartbeat, slow_start }
}

fn heartbeat(heartbeat: &slotway_pools::Heartbeat) -> Heartbeat {
    Heartbeat {
        path: heartbeat.path().to_owned(),
        interval: heartbeat.interval(),
        timeout: heartbeat.timeout(),
        threshold: heartbeat.threshold(),
    }
}

/// Returns the wire type of a worker's status.
pub(super) fn worker_status(status: slotway_pools::WorkerStatus) -> WorkerStatus {
    let slotway_pools::WorkerStatus {
        state,
        reason,
        capacity_in_force,
        in_flight,
        free,
        parked,
        failures,
        waiting,
        oldest_wait_ms,
        report_age_ms,
        heartbeat,
    } = status;
    WorkerStatus {
        state: worker_condition(state),
        reason,
        capacity_in_force,
        in_flight,
        free,
        parked,
        failures,
        waiting,
        oldest_wait_ms,
        report_age_ms,
        heartbeat: heartbeat.map(heartbeat_status),
    }
}

fn heartbeat_status(status: slotway_pools::HeartbeatStatus) -> HeartbeatStatus {
    let slotway_pools::HeartbeatStatus { ok, at, failures, last_error, kept } = status;
    HeartbeatStatus { ok, at: at.to_string(), failures, last_error, kept }
}

fn worker_condition(condition: slotway_pools::WorkerCondition) -> WorkerCondition {
    use slotway_pools::WorkerCondition as Known;
    match condition {
        Known::Active => WorkerCondition::Active,
        Known::Pending => WorkerCondition::Pending,
        Known::Draining => WorkerCondition::Draining,
        Known::Probing => WorkerCondition::Probing,
        Known::Parked => WorkerCondition::Parked,
        Known::Unknown => WorkerCondition::Unknown,
        Known::Cordoned => WorkerCondition::Cordoned,
        Known::Drained => WorkerCondition::Drained,
        Known::Down => WorkerCondition::Down,
        Known::Starting => WorkerCondition::Starting,
    }
}

/// Returns the wire type of a worker in `GET /coordinator/workers`.
pub(super) fn worker_row(overview: WorkerOverview) -> WorkerRow {
    let WorkerOverview {
        worker,
        pool,
        capacity,
        state,
        in_flight,
        free,
        parked,
        failures,
        waiting,
        oldest_wait_ms,
        report_age_ms,
        generation_wanted,
        generation_in_force,
    } = overview;
    WorkerRow {
        worker,
        pool,
        capacity,
        state: worker_condition(state),
        in_flight,
        free,
        parked,
        failures,
        waiting,
        oldest_wait_ms,
        report_age_ms,
        generation_wanted,
        generation_in_force,
    }
}

/// Returns the wire type of a pool's spec.
pub(super) fn pool_spec(spec: slotway_pools::PoolSpec) -> PoolSpec {
    let slotway_pools::PoolSpec { matches, position } = spec;
    PoolSpec { matches, position }
}

/// Returns the wire type of a pool's status.
pub(super) fn pool_status(status: slotway_pools::PoolStatus) -> PoolStatus {
    let slotway_pools::PoolStatus {
        free,
        in_flight,
        parked,
        waiting,
        oldest_wait_ms,
        slots,
        workers,
        coordinators,
        report_age_ms,
        shadowed_by,
    } = status;
    PoolStatus {
        free,
        in_flight,
        parked,
        waiting,
        oldest_wait_ms,
        slots,
        workers,
        coordinators,
        report_age_ms,
        shadowed_by,
    }
}

/// Returns the wire type of a policy.
pub(super) fn policy_spec(policy: Policy) -> PolicySpec {
    let Policy { free_worker_timeout, max_waiting, abandoned_hold, answer_timeout } = policy;
    PolicySpec {
        free_worker_timeout: Some(free_worker_timeout),
        max_waiting: Some(max_waiting),
        abandoned_hold: Some(abandoned_hold),
        answer_timeout: Some(answer_timeout),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_spec_that_was_read_is_written_as_it_was_and_as_its_wire_type_reads_it() {
        let worker = json!({
            "pool": "ocr", "capacity": 3, "protocol": "http2", "connections": "reuse", "tls": { "sni": "ocr.test" }, "cordoned": true,
            "heartbeat": { "path": "/health", "interval": "5s", "timeout": "1s", "threshold": 3 },
            "slow_start": "30s",
        });
        let written = worker_spec(serde_json::from_value(worker.clone()).unwrap());
        assert_eq!(serde_json::to_value(&written).unwrap(), worker);
        assert_eq!(serde_json::from_value::<WorkerSpec>(worker).unwrap(), written);

        let least = worker_spec(serde_json::from_value(json!({ "capacity": 1 })).unwrap());
        assert_eq!(serde_json::to_value(&least).unwrap(), json!({ "capacity": 1, "protocol": "http1" }));

        let pool = json!({ "match": { "prefix": "/ocr" }, "position": 2 });
        let written = pool_spec(serde_json::from_value(pool.clone()).unwrap());
        assert_eq!(serde_json::to_value(&written).unwrap(), pool);
        assert_eq!(serde_json::from_value::<PoolSpec>(pool).unwrap(), written);

        let policy = Policy::default();
        let (own, wire) = (serde_json::to_string(&policy), serde_json::to_string(&policy_spec(policy)));
        assert_eq!(wire.unwrap(), own.unwrap(), "with the same fields in the same order");
    }

    #[test]
    fn a_condition_has_the_same_word_on_the_wire_as_in_metrics() {
        for condition in slotway_pools::WorkerCondition::ALL {
            let wire = serde_json::to_value(worker_condition(condition)).unwrap();
            assert_eq!(wire, condition.as_str());
        }
    }
}
