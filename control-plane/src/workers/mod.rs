//! The workers: who there is, who changed it, and what Envoy shall have because of it.
//!
//! Workers come from two sides, the configuration file and REST, and the newer word counts:
//!
//! * A worker of the file is declared at every start. What REST changed since stays changed: its capacity,
//!   and that it was removed.
//! * Once the file's entry for a worker changes (also: appears, or goes), that is the newer word. It takes
//!   effect at the next start, over whatever REST said before. A worker that the file moves to another pool
//!   drains from the old one first.
//! * A worker that only REST named stays until REST removes it.
//!
//! To tell an edited entry from one that says what it always said, the store keeps what the file last
//! declared.
//!
//! A removed worker leaves its pool at once, but its cluster stays in Envoy while requests are under way:
//! until every connected coordinator has reported that it has the change and no request there
//! ([`Workers::settle`]).

mod overview;
mod record;
mod roster;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;
use slotway_config::{Capacity, Pool, PoolName, Protocol, WorkerTls, WorkerUrl};
use tokio::sync::watch;

use crate::{
    error::Error,
    model::{Desired, ListenerSettings},
    reports::Reports,
    store::{Kind, Store, StoreError, Write},
};
pub use overview::{WorkerRow, WorkerStanding};
use record::WorkerRecord;
use roster::Roster;

/// How long nobody may be connected before a removed worker counts as drained: longer than an Envoy takes to
/// connect again.
pub const NOBODY_GRACE: Duration = Duration::from_secs(60);

/// One entry of `POST /coordinator/workers`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerEntry {
    /// The base URL.
    pub worker: WorkerUrl,
    /// How many requests it may have at once.
    pub capacity: Capacity,
    /// Its pool; if absent the one that it is in, for a new worker the first pool of the file.
    #[serde(default)]
    pub pool: Option<PoolName>,
    /// The protocol towards it; if absent as it was, for a new worker HTTP/1.1.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// How its certificate is checked; if absent as it was.
    #[serde(default)]
    pub tls: Option<WorkerTls>,
}

/// What became of a worker that was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It has requests under way, or may have.
    Draining,
    /// It is gone.
    Removed,
}

/// The workers that are known, kept in the store, and what Envoy shall have, on a watch channel.
pub struct Workers {
    book: Arc<Book>,
    reports: Arc<Reports>,
    presence: Mutex<Presence>,
    nobody_grace: Duration,
}

/// The roster in force, in memory and in the store.
struct Book {
    store: Arc<dyn Store>,
    /// One change at a time. Held while the store writes; whoever reads does not wait for it.
    changing: tokio::sync::Mutex<()>,
    roster: RwLock<Arc<Roster>>,
    desired: watch::Sender<Arc<Desired>>,
}

/// Which coordinators are connected.
struct Presence {
    connected: Vec<String>,
    nobody_since: Option<Instant>,
}

/// The names of facts in the store.
const GENERATION: &str = "generation";
const SETTINGS: &str = "settings";

impl Workers {
    /// Loads the stored workers and brings them together with those that the file declares. Where nothing has
    /// changed since the last start, the generation stays, and so does everything in Envoy.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Roster`].
    pub async fn open(
        store: Arc<dyn Store>,
        reports: Arc<Reports>,
        declared: &[Pool],
        listener: ListenerSettings,
        nobody_grace: Duration,
    ) -> Result<Self, Error> {
        let mut records = BTreeMap::new();
        for document in store.list(Kind::Worker).await? {
            let record: WorkerRecord = read("worker", &document.key, &document.value)?;
            records.insert(record.entry.worker.worker.clone(), record);
        }
        let generation = match store.get(Kind::Fact, GENERATION).await? {
            Some(fact) => read("fact", GENERATION, &fact.value)?,
            None => 0,
        };
        let mut roster = Roster::new(declared, listener, records.clone(), next_generation(generation))?;
        for record in roster.without_pool() {
            let (url, pool) = (&record.entry.worker.worker, &record.entry.pool);
            tracing::warn!(
                "worker {url} was added over REST to pool {pool}, which the file no longer has: it gets no requests"
            );
        }

        let settings = json(&(&roster.pools, format!("{:?}", roster.listener)))?;
        let known = store.get(Kind::Fact, SETTINGS).await?.is_some_and(|fact| fact.value == settings);
        let mut writes = differences(&records, &roster.records)?;
        if generation == 0 || !known || !writes.is_empty() {
            writes.push(fact(SETTINGS, settings));
            writes.push(fact(GENERATION, roster.generation.to_string()));
            store.commit(writes).await?;
        } else {
            roster.generation = generation;
        }
        let book = Book {
            store,
            changing: tokio::sync::Mutex::new(()),
            desired: watch::Sender::new(Arc::new(roster.desired())),
            roster: RwLock::new(Arc::new(roster)),
        };
        let presence = Presence { connected: Vec::new(), nobody_since: Some(Instant::now()) };
        Ok(Self { book: Arc::new(book), reports, presence: Mutex::new(presence), nobody_grace })
    }

    /// What Envoy shall have, now and after each change.
    #[must_use]
    pub fn desired(&self) -> watch::Receiver<Arc<Desired>> {
        self.book.desired.subscribe()
    }

    /// Adds the workers, or changes those that are there: all of them, or none. One that drains takes
    /// requests again.
    ///
    /// # Errors
    /// [`Error::BadBody`], [`Error::Conflict`], [`Error::Store`].
    pub async fn upsert(&self, entries: Vec<WorkerEntry>) -> Result<(), Error> {
        self.change(move |next| next.upsert(&entries)).await
    }

    /// Takes a worker out of its pool. It gets no further requests; those under way end as they would.
    ///
    /// # Errors
    /// [`Error::UnknownWorker`], [`Error::Store`].
    pub async fn remove(&self, url: &WorkerUrl) -> Result<Removal, Error> {
        let removed = url.clone();
        self.change(move |next| next.remove(&removed)).await?;
        self.settle(Instant::now()).await?;
        let draining = self.book.roster().draining().any(|(other, _)| other == url);
        Ok(if draining { Removal::Draining } else { Removal::Removed })
    }

    /// Says which coordinators are connected, so that a drain waits for each of them.
    pub fn set_connected(&self, connected: Vec<String>, now: Instant) {
        let mut presence = self.presence();
        presence.nobody_since = match (connected.is_empty(), presence.nobody_since) {
            (true, since) => Some(since.unwrap_or(now)),
            (false, _) => None,
        };
        presence.connected = connected;
    }

    /// Lets go of the removed workers that have drained: every connected coordinator has the change and no
    /// request of the worker's, or nobody has been connected for a while.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn settle(&self, now: Instant) -> Result<(), Error> {
        let roster = self.book.roster();
        let over: Vec<_> = {
            let presence = self.presence();
            let over = |url: &WorkerUrl, since_generation| match presence.nobody_since {
                Some(since) => now.saturating_duration_since(since) >= self.nobody_grace,
                None => {
                    let drained = |name: &String| self.reports.drained(name, url, since_generation);
                    presence.connected.iter().all(drained)
                }
            };
            let over = roster.draining().filter(|(url, since)| over(url, *since));
            over.map(|(url, since)| (url.clone(), since)).collect()
        };
        if over.is_empty() {
            return Ok(());
        }
        let drained = move |next: &mut Roster| {
            over.iter().for_each(|(url, since_generation)| next.drained(url, *since_generation));
            Ok(())
        };
        self.change(drained).await
    }

    /// All workers, with the figures that the coordinators last reported.
    #[must_use]
    pub fn overview(&self, now: Instant) -> Vec<WorkerRow> {
        overview::rows(&self.book.roster(), &self.reports.latest(now))
    }

    fn presence(&self) -> MutexGuard<'_, Presence> {
        self.presence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change in a task of its own: a caller that goes away half-way (its client did) must not leave
    /// the store with a change that memory lacks.
    async fn change(
        &self,
        make: impl FnOnce(&mut Roster) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        let book = Arc::clone(&self.book);
        let task = tokio::spawn(async move { book.change(make).await });
        task.await.map_err(|error| Error::System { doing: "making a change", reason: error.to_string() })?
    }
}

impl Book {
    fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.roster.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes a change under a new generation, stores it, then puts it in force. Nothing happens where it
    /// changes nothing.
    async fn change(&self, make: impl FnOnce(&mut Roster) -> Result<(), Error>) -> Result<(), Error> {
        let _one_at_a_time = self.changing.lock().await;
        let roster = self.roster();
        let mut next = Roster::clone(&roster);
        next.generation = next_generation(roster.generation);
        make(&mut next)?;
        let mut writes = differences(&roster.records, &next.records)?;
        if writes.is_empty() {
            return Ok(());
        }
        writes.push(fact(GENERATION, next.generation.to_string()));
        self.store.commit(writes).await?;
        let desired = Arc::new(next.desired());
        *self.roster.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        self.desired.send_replace(desired);
        Ok(())
    }
}

/// The generation after `generation`. The clock has a part in it so that a lost database does not take it
/// back.
fn next_generation(generation: u64) -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_us = u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX);
    now_us.max(generation.saturating_add(1))
}

/// The writes that make one set of workers into another.
fn differences(
    old: &BTreeMap<WorkerUrl, WorkerRecord>,
    new: &BTreeMap<WorkerUrl, WorkerRecord>,
) -> Result<Vec<Write>, Error> {
    let gone = old.keys().filter(|url| !new.contains_key(*url));
    let mut writes: Vec<_> =
        gone.map(|url| Write::Delete { kind: Kind::Worker, key: url.to_string() }).collect();
    for (url, record) in new.iter().filter(|(url, record)| old.get(*url) != Some(*record)) {
        writes.push(Write::Put { kind: Kind::Worker, key: url.to_string(), value: json(record)? });
    }
    Ok(writes)
}

fn fact(name: &str, value: String) -> Write {
    Write::Put { kind: Kind::Fact, key: name.to_owned(), value }
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value)
        .map_err(|error| Error::System { doing: "writing a document", reason: error.to_string() })
}

fn read<T: serde::de::DeserializeOwned>(kind: &'static str, key: &str, value: &str) -> Result<T, Error> {
    serde_json::from_str(value)
        .map_err(|error| StoreError::Document { kind, key: key.to_owned(), reason: error.to_string() }.into())
}

#[cfg(test)]
mod tests;
