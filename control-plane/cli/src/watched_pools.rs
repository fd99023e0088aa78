//! The workers of the domain of pools as targets of the watchdog.

use std::{sync::Arc, time::Instant};

use slotway_config::{Connections, SYSTEM_CA_FILE, Scheme, WaitDuration, WorkerUrl};
use slotway_coordinators::Reports;
use slotway_pools::{Desired, Health, HealthChange, Pools, PoolsError, SlowStartSteps, WatchedWorker};
use slotway_watchdog::{Finding, Probe, ProbeTarget, ProbeTargets, ProbeTls, SlowStart, TargetHealth};
use tokio::sync::watch;

/// The workers with a heartbeat, and their requests under way.
pub(crate) struct WatchedPools {
    pub(crate) pools: Arc<Pools>,
    pub(crate) reports: Arc<Reports>,
}

impl ProbeTargets for WatchedPools {
    type Version = Arc<Desired>;
    type Error = PoolsError;

    fn targets(&self) -> Vec<ProbeTarget> {
        self.pools.watched().into_iter().map(target).collect()
    }

    fn unprobed(&self) -> Vec<Finding> {
        let finding = |change: HealthChange| Finding {
            worker: change.worker,
            seen: target_health(change.seen),
            found: target_health(change.health),
        };
        self.pools.unwatched().into_iter().map(finding).collect()
    }

    fn is_occupied(&self, worker: &WorkerUrl) -> bool {
        self.reports.is_occupied(worker, Instant::now())
    }

    fn changes(&self) -> watch::Receiver<Arc<Desired>> {
        self.pools.desired()
    }

    async fn store(&self, findings: Vec<Finding>) -> Result<(), PoolsError> {
        let change = |finding: Finding| HealthChange {
            worker: finding.worker,
            seen: health(finding.seen),
            health: health(finding.found),
        };
        self.pools.set_health(&findings.into_iter().map(change).collect::<Vec<_>>()).await
    }
}

fn target(watched: WatchedWorker) -> ProbeTarget {
    let WatchedWorker { worker, pool, heartbeat, slow_start, health } = watched;
    let slow_start = slow_start.filter(|over| *over > WaitDuration::ZERO).map(|over| {
        let steps = SlowStartSteps::new(over, worker.capacity);
        SlowStart { last_step: steps.last, step_duration: steps.duration }
    });
    let has_connection_limit = worker.connections() == Connections::PerRequest;
    let tls = (worker.worker.scheme() == Scheme::Https).then(|| {
        let tls = worker.tls.unwrap_or_default();
        ProbeTls { ca_file: tls.ca_file.unwrap_or_else(|| SYSTEM_CA_FILE.to_owned()), server_name: tls.sni }
    });
    ProbeTarget {
        has_connection_limit,
        worker: worker.worker,
        protocol: worker.protocol,
        tls,
        pool,
        probe: Probe {
            path: heartbeat.path().to_owned(),
            interval: heartbeat.interval().as_duration(),
            timeout: heartbeat.timeout().as_duration(),
            threshold: heartbeat.threshold(),
        },
        slow_start,
        health: target_health(health),
    }
}

fn target_health(health: Health) -> TargetHealth {
    match health {
        Health::Up => TargetHealth::Up,
        Health::Down { since_ms, reason } => TargetHealth::Down { since_ms, reason },
        Health::Starting { since_ms, step } => TargetHealth::Starting { since_ms, step },
    }
}

fn health(health: TargetHealth) -> Health {
    match health {
        TargetHealth::Up => Health::Up,
        TargetHealth::Down { since_ms, reason } => Health::down(since_ms, &reason),
        TargetHealth::Starting { since_ms, step } => Health::Starting { since_ms, step },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use slotway_config::Worker;

    use super::*;

    fn watched(worker: serde_json::Value, slow_start: Option<u64>) -> WatchedWorker {
        WatchedWorker {
            worker: serde_json::from_value::<Worker>(worker).unwrap(),
            pool: "a".parse().unwrap(),
            heartbeat: serde_json::from_value(json!({ "path": "/health" })).unwrap(),
            slow_start: slow_start.map(WaitDuration::from_ms),
            health: Health::Starting { since_ms: 5, step: 2 },
        }
    }

    #[test]
    fn a_worker_becomes_a_target_with_the_authorities_and_the_name_that_envoy_uses() {
        let plain = target(watched(json!({ "worker": "http://a", "capacity": 6 }), Some(30_000)));
        assert_eq!(plain.tls, None);
        assert!(plain.has_connection_limit);
        let slow_start = plain.slow_start.unwrap();
        assert_eq!((slow_start.last_step, slow_start.step_duration.as_millis()), (4, 10_000));
        assert_eq!(plain.health, TargetHealth::Starting { since_ms: 5, step: 2 });
        let tls = target(watched(json!({ "worker": "https://a", "capacity": 1 }), Some(0)));
        assert_eq!(tls.slow_start, None);
        assert_eq!(tls.tls, Some(ProbeTls { ca_file: SYSTEM_CA_FILE.to_owned(), server_name: None }));
        let own =
            json!({ "worker": "https://a", "capacity": 1, "tls": { "ca_file": "/ca.pem", "sni": "x" } });
        let own = target(watched(own, None)).tls.unwrap();
        assert_eq!((own.ca_file.as_str(), own.server_name.as_deref()), ("/ca.pem", Some("x")));
    }

    #[test]
    fn a_health_is_the_same_on_both_sides() {
        for (pools, watchdog) in [
            (Health::Up, TargetHealth::Up),
            (
                Health::down(7, "no answer"),
                TargetHealth::Down { since_ms: 7, reason: "no answer".to_owned() },
            ),
            (Health::Starting { since_ms: 7, step: 3 }, TargetHealth::Starting { since_ms: 7, step: 3 }),
        ] {
            assert_eq!(target_health(pools.clone()), watchdog);
            assert_eq!(health(watchdog), pools);
        }
    }
}
