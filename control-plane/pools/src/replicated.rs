//! Pools, policies and workers as documents of the store.

use std::{collections::BTreeMap, str::FromStr};

use serde::{Serialize, de::DeserializeOwned};
use slotway_config::{ConfigError, WorkerUrl};
use slotway_store::{
    Change, Commit, Document, Expected, Kind, Listing, Replicated, StoreError, Write, from_json, to_json,
};

use crate::{
    Desired, GENERATION, POLICY, POOL, PoolsError, SETTINGS, WORKER,
    listener_record::StoredListener,
    pool_record::{PolicyRecord, PoolRecord},
    pool_set::PoolSet,
    state::PoolsState,
    worker_record::WorkerRecord,
};

/// The key of the document with the settings of the configuration file other than pools and workers.
const SETTINGS_KEY: &str = "file";

/// A value that is stored as one document and has the revision that wrote it.
pub(crate) trait Record: PartialEq + Serialize + DeserializeOwned {
    /// The kind of its documents.
    const KIND: Kind;

    /// Returns the revision that wrote it.
    fn revision_mut(&mut self) -> &mut u64;
}

impl Record for WorkerRecord {
    const KIND: Kind = WORKER;

    fn revision_mut(&mut self) -> &mut u64 {
        &mut self.revision
    }
}

impl Record for PoolRecord {
    const KIND: Kind = POOL;

    fn revision_mut(&mut self) -> &mut u64 {
        &mut self.revision
    }
}

impl Record for PolicyRecord {
    const KIND: Kind = POLICY;

    fn revision_mut(&mut self) -> &mut u64 {
        &mut self.revision
    }
}

/// The documents of a listing.
#[derive(Debug, Default)]
pub(crate) struct StoredPools {
    pub(crate) records: BTreeMap<WorkerUrl, WorkerRecord>,
    pub(crate) pools: PoolSet,
    pub(crate) generation: u64,
    pub(crate) generation_revision: u64,
    pub(crate) listener: Option<StoredListener>,
}

impl StoredPools {
    /// Reads a listing.
    ///
    /// # Errors
    /// [`StoreError::Document`].
    pub(crate) fn read(listing: Listing) -> Result<Self, StoreError> {
        let mut stored = Self::default();
        for document in listing.documents {
            let Document { kind, key, revision, value } = document;
            match (kind, key.as_str()) {
                (WORKER, key) => {
                    stored.records.insert(parse_key(kind, key)?, record(key, &value, revision)?);
                }
                (POOL, key) => {
                    stored.pools.pools.insert(parse_key(kind, key)?, record(key, &value, revision)?);
                }
                (POLICY, key) => {
                    stored.pools.policies.insert(parse_key(kind, key)?, record(key, &value, revision)?);
                }
                (Kind::FACT, GENERATION) => {
                    stored.generation = from_json(Kind::FACT, GENERATION, &value)?;
                    stored.generation_revision = revision;
                }
                // Settings in an unknown form differ from the file's, and are replaced.
                (SETTINGS, SETTINGS_KEY) => stored.listener = serde_json::from_str(&value).ok(),
                _ => {}
            }
        }
        Ok(stored)
    }
}

impl Replicated for PoolsState {
    type Error = PoolsError;
    type Published = Desired;

    const NAME: &'static str = "pools";
    const KINDS: &'static [Kind] = &[WORKER, POOL, POLICY, SETTINGS, Kind::FACT];

    fn revision(&self) -> u64 {
        self.revision
    }

    fn set_revision(&mut self, revision: u64) {
        self.revision = revision;
    }

    fn load(&mut self, listing: Listing) -> Result<(), StoreError> {
        let stored = StoredPools::read(listing)?;
        let is_first = self.revision == 0;
        if is_first {
            // After the first load, the settings are those of this control plane, even if another one has read a
            // different file.
            self.stored_listener = stored.listener;
        }
        self.generation = stored.generation;
        self.generation_revision = stored.generation_revision;
        self.pools = stored.pools;
        let is_gone = |url: &&WorkerUrl| !stored.records.contains_key(*url);
        for url in self.records.keys().filter(is_gone).cloned().collect::<Vec<_>>() {
            self.take_over_worker(&url, None);
        }
        for (url, record) in stored.records {
            if self.records.get(&url) != Some(&record) {
                self.take_over_worker(&url, Some(record));
            }
        }
        self.release_returned();
        Ok(())
    }

    fn apply(&mut self, commit: &Commit) -> Result<(), StoreError> {
        let Commit { revision, changes } = commit;
        // The generation is applied first: a worker that the commit releases counts from it.
        for change in changes {
            if let (Kind::FACT, GENERATION, Some(value)) = (change.kind, change.key.as_str(), &change.value) {
                self.generation = from_json(Kind::FACT, GENERATION, value)?;
                self.generation_revision = *revision;
            }
        }
        for Change { kind, key, value } in changes {
            let value = value.as_deref();
            match *kind {
                WORKER => self.take_over_worker(&parse_key(*kind, key)?, read(key, value, *revision)?),
                POOL => put(&mut self.pools.pools, parse_key(*kind, key)?, read(key, value, *revision)?),
                POLICY => put(&mut self.pools.policies, parse_key(*kind, key)?, read(key, value, *revision)?),
                _ => {}
            }
        }
        self.release_returned();
        Ok(())
    }

    fn check(&self) -> Result<(), PoolsError> {
        Ok(self.check_rules()?)
    }

    fn writes_to(&self, next: &Self) -> Result<Vec<Write>, PoolsError> {
        let mut writes = differences(&self.pools.pools, &next.pools.pools)?;
        writes.extend(differences(&self.pools.policies, &next.pools.policies)?);
        writes.extend(differences(&self.records, &next.records)?);
        if self.stored_listener != next.stored_listener {
            let value = to_json(SETTINGS, SETTINGS_KEY, &next.stored_listener)?;
            writes.push(Write::put(SETTINGS, SETTINGS_KEY, value, Expected::Anything));
        }
        // Releasing a retained worker changes no document, but Envoy must get a new configuration, and so a new
        // generation.
        let is_changed = !writes.is_empty() || self.retained != next.retained;
        if is_changed || self.generation != next.generation {
            writes.push(generation_write(next.generation, self.generation_revision)?);
        }
        Ok(writes)
    }

    fn stamp(&mut self, before: &Self, revision: u64) {
        self.generation_revision = revision;
        stamp(&before.records, &mut self.records, revision);
        stamp(&before.pools.pools, &mut self.pools.pools, revision);
        stamp(&before.pools.policies, &mut self.pools.policies, revision);
    }

    fn publish(&self) -> Desired {
        self.desired()
    }
}

/// Returns the write of a generation, which expects that the revision `seen` of the store wrote the previous one.
pub(crate) fn generation_write(generation: u64, seen: u64) -> Result<Write, StoreError> {
    let value = to_json(Kind::FACT, GENERATION, &generation)?;
    Ok(Write::put(Kind::FACT, GENERATION, value, Expected::seen(seen)))
}

/// Returns the writes that turn one set of documents into another. They have no preconditions: the write of the
/// generation in the same batch has one.
pub(crate) fn differences<K: Ord + ToString, R: Record>(
    old: &BTreeMap<K, R>,
    new: &BTreeMap<K, R>,
) -> Result<Vec<Write>, StoreError> {
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    let mut writes: Vec<_> =
        gone.map(|key| Write::delete(R::KIND, key.to_string(), Expected::Anything)).collect();
    for (key, record) in new.iter().filter(|(key, record)| old.get(*key) != Some(*record)) {
        let key = key.to_string();
        let value = to_json(R::KIND, &key, record)?;
        writes.push(Write::put(R::KIND, key, value, Expected::Anything));
    }
    Ok(writes)
}

fn stamp<K: Ord, R: Record>(old: &BTreeMap<K, R>, new: &mut BTreeMap<K, R>, revision: u64) {
    for (key, record) in new.iter_mut() {
        if old.get(key) != Some(&*record) {
            *record.revision_mut() = revision;
        }
    }
}

fn put<K: Ord, R>(all: &mut BTreeMap<K, R>, key: K, record: Option<R>) {
    match record {
        Some(record) => drop(all.insert(key, record)),
        None => drop(all.remove(&key)),
    }
}

fn read<R: Record>(key: &str, value: Option<&str>, revision: u64) -> Result<Option<R>, StoreError> {
    value.map(|value| record(key, value, revision)).transpose()
}

fn record<R: Record>(key: &str, value: &str, revision: u64) -> Result<R, StoreError> {
    let mut record: R = from_json(R::KIND, key, value)?;
    *record.revision_mut() = revision;
    Ok(record)
}

fn parse_key<K: FromStr<Err = ConfigError>>(kind: Kind, key: &str) -> Result<K, StoreError> {
    key.parse().map_err(|error: ConfigError| StoreError::Document {
        kind: kind.as_str(),
        key: key.to_owned(),
        reason: error.to_string(),
    })
}
