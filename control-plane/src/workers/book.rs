use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::{SystemTime, UNIX_EPOCH},
};

use slotway_config::{Pool, WorkerUrl};
use tokio::sync::watch;

use super::{record::WorkerRecord, roster::Roster};
use crate::{
    error::Error,
    model::{Desired, ListenerSettings},
    store::{Batch, Change, Expected, Kind, Store, StoreError, Who, Write},
};

/// The fact in the store that tells the generation.
const GENERATION: &str = "generation";
/// The key of what the configuration file last said.
const SETTINGS: &str = "file";
/// How often a change is tried where others are faster each time.
pub(super) const TRIES_MAX: usize = 32;

/// The roster in force, in memory and in the store.
pub(super) struct Book {
    pub(super) store: Arc<dyn Store>,
    /// One change at a time. Held while the store writes; whoever reads does not wait for it.
    changing: tokio::sync::Mutex<()>,
    roster: RwLock<Arc<Roster>>,
    pub(super) desired: watch::Sender<Arc<Desired>>,
}

/// The stored workers and the generation, as they were at one moment.
struct Stored {
    revision: u64,
    records: BTreeMap<WorkerUrl, WorkerRecord>,
    generation: u64,
    generation_revision: u64,
    settings: Option<String>,
}

impl Book {
    /// Brings the stored workers and those of the file together, and stores what that changes.
    pub(super) async fn open(
        store: Arc<dyn Store>,
        declared: &[Pool],
        listener: ListenerSettings,
    ) -> Result<Self, Error> {
        for _ in 0..TRIES_MAX {
            let stored = load(&*store).await?;
            let generation = next_generation(stored.generation);
            let mut roster = Roster::new(declared, listener.clone(), stored.records.clone(), generation)?;
            let settings = settings_of(&roster)?;
            let mut writes = differences(&stored.records, &roster.records)?;
            (roster.revision, roster.generation_revision) = (stored.revision, stored.generation_revision);
            let known = stored.settings.as_ref() == Some(&settings);
            if stored.generation != 0 && known && writes.is_empty() {
                roster.generation = stored.generation;
            } else {
                if !known {
                    writes.push(Write::put(Kind::Settings, SETTINGS, settings, Expected::Anything));
                }
                writes.push(generation_of(&roster)?);
                match store.commit(Batch { who: Who::CONFIG_FILE, writes }).await {
                    Ok(revision) => (roster.revision, roster.generation_revision) = (revision, revision),
                    // Another control plane starts, too.
                    Err(StoreError::Conflict { .. }) => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            for record in roster.without_pool() {
                let (url, pool) = (&record.entry.worker.worker, &record.entry.pool);
                tracing::warn!(
                    "worker {url} was added over REST to pool {pool}, which the file no longer has: it gets no requests"
                );
            }
            return Ok(Self {
                store,
                changing: tokio::sync::Mutex::new(()),
                desired: watch::Sender::new(Arc::new(roster.desired())),
                roster: RwLock::new(Arc::new(roster)),
            });
        }
        Err(Error::Busy)
    }

    pub(super) fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.roster.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes a change under a new generation, stores it, then puts it in force. Nothing happens where it
    /// changes nothing. Where another control plane is faster, it is made anew on what that one has left.
    pub(super) async fn change(
        &self,
        who: Who,
        make: impl Fn(&mut Roster) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let _one_at_a_time = self.changing.lock().await;
        for _ in 0..TRIES_MAX {
            // Whoever asks for a change asks for it after all that others were told is done.
            self.catch_up().await?;
            let roster = self.roster();
            let mut next = Roster::clone(&roster);
            next.generation = next_generation(roster.generation);
            make(&mut next)?;
            let mut writes = differences(&roster.records, &next.records)?;
            // To let go of what was held changes no document, but Envoy has to be told, and that is what a generation is.
            if writes.is_empty() && roster.held == next.held {
                return Ok(());
            }
            writes.push(generation_of(&next)?);
            match self.store.commit(Batch { who: who.clone(), writes }).await {
                Ok(revision) => {
                    // What others committed in between was not about workers, since the generation was as expected.
                    (next.revision, next.generation_revision) = (revision, revision);
                    self.put_in_force(next);
                    return Ok(());
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy)
    }

    /// Brings the workers of a changed file together with those that are there, and stores what that changes, under a new generation.
    pub(super) async fn redeclare(
        &self,
        declared: &[Pool],
        listener: &ListenerSettings,
    ) -> Result<(), Error> {
        let _one_at_a_time = self.changing.lock().await;
        for _ in 0..TRIES_MAX {
            self.catch_up().await?;
            let roster = self.roster();
            let generation = next_generation(roster.generation);
            let records = roster.records.clone();
            let mut next = Roster::new(declared, listener.clone(), records, generation)?;
            next.held.clone_from(&roster.held);
            let settings = settings_of(&next)?;
            let mut writes = differences(&roster.records, &next.records)?;
            if writes.is_empty() && settings == settings_of(&roster)? {
                return Ok(());
            }
            next.generation_revision = roster.generation_revision;
            writes.push(Write::put(Kind::Settings, SETTINGS, settings, Expected::Anything));
            writes.push(generation_of(&next)?);
            match self.store.commit(Batch { who: Who::CONFIG_FILE, writes }).await {
                Ok(revision) => {
                    (next.revision, next.generation_revision) = (revision, revision);
                    self.put_in_force(next);
                    return Ok(());
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy)
    }

    /// Takes in what others have committed.
    pub(super) async fn follow_up(&self) -> Result<(), Error> {
        let _one_at_a_time = self.changing.lock().await;
        self.catch_up().await
    }

    /// Only with `changing` held.
    async fn catch_up(&self) -> Result<(), Error> {
        loop {
            let roster = self.roster();
            let commits = match self.store.changes(roster.revision).await {
                Ok(commits) if commits.is_empty() => return Ok(()),
                Ok(commits) => commits,
                Err(StoreError::Forgotten { .. }) => return self.reload().await,
                Err(error) => return Err(error.into()),
            };
            let mut next = Roster::clone(&roster);
            for commit in commits {
                next.take_over(commit.revision, &commit.changes)?;
            }
            self.put_in_force(next);
        }
    }

    /// Reads everything anew, having missed more than the store remembers.
    async fn reload(&self) -> Result<(), Error> {
        let stored = load(&*self.store).await?;
        let mut next = Roster::clone(&self.roster());
        next.generation = stored.generation;
        next.generation_revision = stored.generation_revision;
        next.revision = stored.revision;
        let gone: Vec<_> =
            next.records.keys().filter(|url| !stored.records.contains_key(*url)).cloned().collect();
        gone.iter().for_each(|url| next.replace(url, None));
        for (url, record) in stored.records {
            if next.records.get(&url) != Some(&record) {
                next.replace(&url, Some(record));
            }
        }
        self.put_in_force(next);
        Ok(())
    }

    fn put_in_force(&self, mut next: Roster) {
        next.release_returned();
        let desired = Arc::new(next.desired());
        *self.roster.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        // A commit that was not about workers is nothing to Envoy.
        self.desired.send_if_modified(|before| {
            let differs = *before != desired;
            if differs {
                *before = desired;
            }
            differs
        });
    }
}

impl Roster {
    /// Takes over one commit of another control plane.
    fn take_over(&mut self, revision: u64, changes: &[Change]) -> Result<(), Error> {
        // The generation first: what the commit lets go of is gone with it.
        for change in changes {
            if let (Kind::Fact, GENERATION, Some(value)) = (change.kind, change.key.as_str(), &change.value) {
                self.generation = read("fact", GENERATION, value)?;
                self.generation_revision = revision;
            }
        }
        for change in changes.iter().filter(|change| change.kind == Kind::Worker) {
            let record: Option<WorkerRecord> =
                change.value.as_ref().map(|value| read("worker", &change.key, value)).transpose()?;
            self.replace(&url_of(&change.key)?, record);
        }
        self.revision = revision;
        Ok(())
    }
}

async fn load(store: &dyn Store) -> Result<Stored, Error> {
    let listing = store.list(&[Kind::Worker, Kind::Settings, Kind::Fact]).await?;
    let mut stored = Stored {
        revision: listing.revision,
        records: BTreeMap::new(),
        generation: 0,
        generation_revision: 0,
        settings: None,
    };
    for document in listing.documents {
        match (document.kind, document.key.as_str()) {
            (Kind::Worker, key) => {
                let record: WorkerRecord = read("worker", key, &document.value)?;
                stored.records.insert(url_of(key)?, record);
            }
            (Kind::Fact, GENERATION) => {
                stored.generation = read("fact", GENERATION, &document.value)?;
                stored.generation_revision = document.revision;
            }
            (Kind::Settings, SETTINGS) => stored.settings = Some(document.value),
            _ => {}
        }
    }
    Ok(stored)
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
    // What is believed of each stands in what is believed of the generation.
    let believed = Expected::Anything;
    let gone = old.keys().filter(|url| !new.contains_key(*url));
    let mut writes: Vec<_> = gone.map(|url| Write::delete(Kind::Worker, url.to_string(), believed)).collect();
    for (url, record) in new.iter().filter(|(url, record)| old.get(*url) != Some(*record)) {
        writes.push(Write::put(Kind::Worker, url.to_string(), json(record)?, believed));
    }
    Ok(writes)
}

/// Stores the generation of a roster over the one that it has seen.
fn generation_of(roster: &Roster) -> Result<Write, Error> {
    let seen = Expected::seen(roster.generation_revision);
    Ok(Write::put(Kind::Fact, GENERATION, json(&roster.generation)?, seen))
}

/// What the file says beside workers, as it is kept to tell a changed file from the same.
fn settings_of(roster: &Roster) -> Result<String, Error> {
    json(&(&roster.pools, format!("{:?}", roster.listener)))
}

fn url_of(key: &str) -> Result<WorkerUrl, Error> {
    key.parse().map_err(|error: slotway_config::ConfigError| unreadable("worker", key, &error))
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value)
        .map_err(|error| Error::System { doing: "writing a document", reason: error.to_string() })
}

fn read<T: serde::de::DeserializeOwned>(kind: &'static str, key: &str, value: &str) -> Result<T, Error> {
    serde_json::from_str(value).map_err(|error| unreadable(kind, key, &error))
}

fn unreadable(kind: &'static str, key: &str, reason: &dyn ToString) -> Error {
    StoreError::Document { kind, key: key.to_owned(), reason: reason.to_string() }.into()
}
