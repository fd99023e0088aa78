//! One worker as `/api/v1/workers` has it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use slotway_config::{Capacity, PoolName, Protocol, Scheme, WaitDuration, Worker, WorkerTls, WorkerUrl};

use super::{
    Cordon, Health, Heartbeat, Labels, Notes,
    record::{PoolWorker, Standing, WorkerRecord},
    roster::Roster,
};
use crate::{error::Error, store::Who};

/// Longest slow start, in milliseconds.
const SLOW_START_MS_MAX: u64 = 3_600_000;

/// What somebody wants of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkerSpec {
    /// Its pool; if not said the one that it is in, for a new worker the first one. A worker with requests under way moves once they
    /// have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub pool: Option<PoolName>,
    /// How many requests a coordinator may have there at once.
    #[schema(value_type = u32, minimum = 1, maximum = 65_535)]
    pub capacity: Capacity,
    /// The protocol towards it: `http1` or `http2`.
    #[serde(default)]
    #[schema(value_type = String)]
    pub protocol: Protocol,
    /// How its certificate is checked; only for https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub tls: Option<WorkerTls>,
    /// Whether it gets no further requests, and stays; if not said as it was, for a new worker `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cordoned: Option<bool>,
    /// How it is found out whether it is there; nobody asks it without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Heartbeat>,
    /// Over how long its capacity comes back when its heartbeat is well again: up to `1h`; at once if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub slow_start: Option<WaitDuration>,
}

/// A worker as somebody wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WantedWorker {
    pub(crate) worker: WorkerUrl,
    pub(crate) spec: WorkerSpec,
    pub(crate) labels: Labels,
    pub(crate) notes: Notes,
}

/// Who changes something, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Act {
    pub(crate) who: Who,
    /// As Unix time in milliseconds.
    pub(crate) at_ms: u64,
}

impl Act {
    /// By somebody, now.
    pub(crate) fn now(who: Who) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { who, at_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX) }
    }
}

impl WorkerRecord {
    /// What is wanted of it.
    pub(crate) fn spec(&self) -> WorkerSpec {
        let Worker { capacity, protocol, tls, .. } = self.entry.worker.clone();
        WorkerSpec {
            pool: Some(self.entry.pool.clone()),
            capacity,
            protocol,
            tls,
            cordoned: Some(self.cordoned.is_some()),
            heartbeat: self.heartbeat.clone(),
            slow_start: self.slow_start,
        }
    }
}

impl Roster {
    /// Adds a worker, or makes it so. One that drains is there again, one that is to be in another pool moves there once it has
    /// drained. Whether all together keep the rules, [`Roster::check`] finds.
    ///
    /// # Errors
    /// [`Error::BadBody`].
    pub(crate) fn put_worker(&mut self, wanted: WantedWorker, act: &Act) -> Result<(), Error> {
        let WantedWorker { worker: url, spec, labels, notes } = wanted;
        let known = self.worker(&url);
        let pool = self.pool_for(spec.pool.as_ref(), known).map_err(|reason| bad("spec.pool", reason))?;
        if spec.tls.is_some() && url.scheme() == Scheme::Http {
            return Err(bad("spec.tls", "only an https worker can have TLS settings".to_owned()));
        }
        if let Some(over) = spec.slow_start.filter(|over| over.as_ms() > SLOW_START_MS_MAX) {
            let most = WaitDuration::from_ms(SLOW_START_MS_MAX);
            return Err(bad("spec.slow_start", format!("{over} is too long: at most {most}")));
        }
        let worker =
            Worker { worker: url.clone(), capacity: spec.capacity, protocol: spec.protocol, tls: spec.tls };
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
            Some(true) if record.cordoned.is_none() => record.cordoned = Some(cordon("", act, generation)),
            Some(false) => record.cordoned = None,
            Some(true) | None => {}
        }
        Ok(())
    }

    /// Lets a worker get no further requests. One that is cordoned already is so for another reason, where one is given.
    ///
    /// # Errors
    /// [`Error::UnknownWorker`].
    pub(crate) fn cordon(&mut self, url: &WorkerUrl, reason: &str, act: &Act) -> Result<(), Error> {
        let generation = self.generation;
        let record = self.there_mut(url)?;
        match &record.cordoned {
            Some(before) if reason.is_empty() || before.reason == reason => {}
            before => {
                let since = before.as_ref().map_or(generation, |before| before.since_generation);
                record.cordoned = Some(cordon(reason, act, since));
            }
        }
        Ok(())
    }

    /// Lets a worker get requests again.
    ///
    /// # Errors
    /// [`Error::UnknownWorker`].
    pub(crate) fn uncordon(&mut self, url: &WorkerUrl) -> Result<(), Error> {
        self.there_mut(url)?.cordoned = None;
        Ok(())
    }

    fn there_mut(&mut self, url: &WorkerUrl) -> Result<&mut WorkerRecord, Error> {
        let unknown = self.unknown_worker(url);
        let there = |record: &&mut WorkerRecord| record.standing != Standing::Removed;
        self.records.get_mut(url).filter(there).ok_or(unknown)
    }
}

fn cordon(reason: &str, act: &Act, since_generation: u64) -> Cordon {
    let who = act.who.as_str().to_owned();
    Cordon { reason: reason.to_owned(), who, at_ms: act.at_ms, since_generation }
}

fn bad(field: &str, reason: String) -> Error {
    Error::BadBody { index: None, field: Some(field.to_owned()), reason }
}
