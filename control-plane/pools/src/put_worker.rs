//! One worker, for `/api/v1/workers`.

use serde::Deserialize;
use slotway_config::{Capacity, Connections, PoolName, Protocol, WaitDuration, Worker, WorkerTls, WorkerUrl};
use slotway_runtime::Moment;
use slotway_store::Who;

use crate::{
    Cordon, Health, Heartbeat, Labels, Notes, PoolsError, WorkerField,
    state::PoolsState,
    worker_record::{Membership, PoolWorker, WorkerRecord},
};

/// The maximum duration of a slow start, in milliseconds.
const SLOW_START_MS_MAX: u64 = 3_600_000;

/// The desired settings of a worker. A request is read as this type, so that an error names the field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerSpec {
    /// Its pool. Default: its current pool; for a new worker, the first pool. A worker with running requests moves once
    /// they have ended.
    #[serde(default)]
    pub pool: Option<PoolName>,
    /// The maximum number of concurrent requests of a coordinator at the worker.
    pub capacity: Capacity,
    /// The protocol towards it: `http1` or `http2`.
    #[serde(default)]
    pub protocol: Protocol,
    /// Whether a connection to it serves one request or many: `per_request` or `reuse`. Default: `per_request` for `http1`,
    /// `reuse` for `http2`.
    #[serde(default)]
    pub connections: Option<Connections>,
    /// How its certificate is checked; only for https.
    #[serde(default)]
    pub tls: Option<WorkerTls>,
    /// Whether it gets no further requests, but stays in its pool. Default: unchanged; for a new worker, `false`.
    #[serde(default)]
    pub cordoned: Option<bool>,
    /// The heartbeat, by which the control plane checks that the worker answers. Without it the worker is not checked.
    #[serde(default)]
    pub heartbeat: Option<Heartbeat>,
    /// The duration over which its capacity returns after a failed heartbeat: up to `1h`. Default: the whole capacity
    /// returns at once.
    #[serde(default)]
    pub slow_start: Option<WaitDuration>,
}

/// The desired state of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedWorker {
    /// The base URL.
    pub worker: WorkerUrl,
    /// The spec.
    pub spec: WorkerSpec,
    /// The labels.
    pub labels: Labels,
    /// The notes.
    pub notes: Notes,
}

/// The author and the time of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeContext {
    /// The author, as in the audit rows.
    pub who: Who,
    /// The time.
    pub at: Moment,
}

impl WorkerRecord {
    /// Returns the worker's spec.
    #[must_use]
    pub fn spec(&self) -> WorkerSpec {
        let Worker { worker: _, capacity, protocol, connections, tls } = self.entry.worker.clone();
        WorkerSpec {
            pool: Some(self.entry.pool.clone()),
            capacity,
            protocol,
            connections,
            tls,
            cordoned: Some(self.cordoned.is_some()),
            heartbeat: self.heartbeat.clone(),
            slow_start: self.slow_start,
        }
    }
}

impl PoolsState {
    /// Creates or replaces a worker. A draining worker becomes active again, and a worker of another pool moves once it has drained.
    ///
    /// # Errors
    /// [`PoolsError::Worker`].
    pub fn put_worker(&mut self, wanted: WantedWorker, context: &ChangeContext) -> Result<(), PoolsError> {
        let WantedWorker { worker: url, spec, labels, notes } = wanted;
        let known = self.worker(&url);
        let pool = self.pool_for(spec.pool.as_ref(), known);
        let pool = pool.map_err(|reason| wrong(WorkerField::Pool, reason))?;
        let worker = Worker {
            worker: url.clone(),
            capacity: spec.capacity,
            protocol: spec.protocol,
            connections: spec.connections,
            tls: spec.tls,
        };
        self.check_worker(&worker).map_err(|(field, reason)| wrong(field, reason))?;
        if let Some(over) = spec.slow_start.filter(|over| over.as_ms() > SLOW_START_MS_MAX) {
            let most = WaitDuration::from_ms(SLOW_START_MS_MAX);
            return Err(wrong(WorkerField::SlowStart, format!("{over} is too long: at most {most}")));
        }
        let (generation, position) = (self.generation, self.next_position());
        let new = || WorkerRecord::new(position, PoolWorker { pool: pool.clone(), worker: worker.clone() });
        let record = self.records.entry(url).or_insert_with(new);
        record.move_to(&pool, generation);
        record.bring_back();
        record.entry.worker = worker;
        (record.labels, record.notes) = (labels, notes);
        record.slow_start = spec.slow_start.filter(|over| *over != WaitDuration::ZERO);
        record.heartbeat = spec.heartbeat;
        if record.heartbeat.is_none() {
            record.health = Health::Up;
        }
        match spec.cordoned {
            Some(true) if record.cordoned.is_none() => {
                record.cordoned = Some(cordon("", context, generation))
            }
            Some(false) => record.cordoned = None,
            Some(true) | None => {}
        }
        Ok(())
    }

    /// Cordons a worker: it gets no further requests. A reason replaces the one of an earlier cordon.
    ///
    /// # Errors
    /// [`PoolsError::UnknownWorker`].
    pub fn cordon(
        &mut self,
        url: &WorkerUrl,
        reason: &str,
        context: &ChangeContext,
    ) -> Result<(), PoolsError> {
        let generation = self.generation;
        let record = self.present_mut(url)?;
        match &record.cordoned {
            Some(before) if reason.is_empty() || before.reason == reason => {}
            before => {
                let since = before.as_ref().map_or(generation, |before| before.since_generation);
                record.cordoned = Some(cordon(reason, context, since));
            }
        }
        Ok(())
    }

    /// Ends a worker's cordon: it gets requests again.
    ///
    /// # Errors
    /// [`PoolsError::UnknownWorker`].
    pub fn uncordon(&mut self, url: &WorkerUrl) -> Result<(), PoolsError> {
        self.present_mut(url)?.cordoned = None;
        Ok(())
    }

    fn present_mut(&mut self, url: &WorkerUrl) -> Result<&mut WorkerRecord, PoolsError> {
        let unknown = self.unknown_worker(url);
        let is_present = |record: &&mut WorkerRecord| record.membership != Membership::Removed;
        self.records.get_mut(url).filter(is_present).ok_or(unknown)
    }
}

fn cordon(reason: &str, context: &ChangeContext, since_generation: u64) -> Cordon {
    let who = context.who.as_str().to_owned();
    let at_ms = u64::try_from(context.at.unix_ms()).unwrap_or_default();
    Cordon { reason: reason.to_owned(), who, at_ms, since_generation }
}

fn wrong(field: WorkerField, reason: String) -> PoolsError {
    PoolsError::Worker { field, reason }
}
