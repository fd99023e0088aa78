use std::{fmt::Display, future::Future, time::Duration};

use slotway_config::{PoolName, Protocol, WorkerUrl};
use tokio::sync::watch;

/// The maximum length of a failure's reason, in bytes; a longer one is truncated.
const REASON_BYTES_MAX: usize = 512;

/// A worker to probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeTarget {
    /// The worker's base URL.
    pub worker: WorkerUrl,
    /// The protocol towards it.
    pub protocol: Protocol,
    /// TLS; none for a worker with `http`.
    pub tls: Option<ProbeTls>,
    /// Whether it may have at most as many connections as requests. Then it is not probed while all its slots are out: the
    /// probe's connection would be one more, and its requests show that it answers.
    pub has_connection_limit: bool,
    /// Its pool.
    pub pool: PoolName,
    /// The request and its interval.
    pub probe: Probe,
    /// Its slow start; none if the whole capacity returns at once.
    pub slow_start: Option<SlowStart>,
    /// Its stored health.
    pub health: TargetHealth,
}

/// How a worker's certificate is verified: as Envoy does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeTls {
    /// A PEM file of authorities.
    pub ca_file: String,
    /// The name that the certificate must have; the host of the worker's URL if none.
    pub server_name: Option<String>,
}

/// The request that a worker has to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The path, with a query, appended to the worker's base URL.
    pub path: String,
    /// How often the request is sent.
    pub interval: Duration,
    /// The time limit for an answer.
    pub timeout: Duration,
    /// The number of failures in a row after which the worker is down.
    pub threshold: u32,
}

/// The steps in which a worker's capacity returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowStart {
    /// The first step with the whole capacity. Steps count from 1.
    pub last_step: u32,
    /// The duration of a step.
    pub step_duration: Duration,
}

/// The stored result of a worker's heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetHealth {
    /// It answers.
    Up,
    /// It does not answer, and gets no requests.
    Down {
        /// The start of the outage as Unix time in milliseconds.
        since_ms: u64,
        /// The failure of the last probe.
        reason: String,
    },
    /// It answers again, and its capacity returns in steps.
    Starting {
        /// The start as Unix time in milliseconds.
        since_ms: u64,
        /// The step, from 1.
        step: u32,
    },
}

impl TargetHealth {
    /// Returns [`Self::Down`] with a reason of a bounded length.
    pub(crate) fn down(since_ms: u64, reason: &str) -> Self {
        let end = reason.floor_char_boundary(REASON_BYTES_MAX);
        Self::Down { since_ms, reason: reason[..end].replace(char::is_control, " ") }
    }
}

/// A worker's health according to the watchdog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The worker's base URL.
    pub worker: WorkerUrl,
    /// The stored health at the time of the probe.
    pub seen: TargetHealth,
    /// The new health.
    pub found: TargetHealth,
}

/// The workers to probe, and the storage of the results.
pub trait ProbeTargets: Send + Sync + 'static {
    /// A value that changes with the targets.
    type Version: Send + Sync + 'static;
    /// A failure to store findings.
    type Error: Display + Send + 'static;

    /// Returns the workers to probe.
    fn targets(&self) -> Vec<ProbeTarget>;

    /// Returns a result for each worker that is no longer probed but is still stored as down or starting: it is up.
    fn unprobed(&self) -> Vec<Finding>;

    /// Returns whether all slots of a worker are out.
    fn is_occupied(&self, worker: &WorkerUrl) -> bool;

    /// Returns a receiver that is notified of each change of the two above.
    fn changes(&self) -> watch::Receiver<Self::Version>;

    /// Stores results. A result is discarded if the stored health has changed since the probe.
    fn store(&self, findings: Vec<Finding>) -> impl Future<Output = Result<(), Self::Error>> + Send;
}
