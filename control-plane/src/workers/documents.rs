//! The roster as documents in the store.

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};
use slotway_config::WorkerUrl;

use super::{
    pool_record::{PolicyRecord, PoolRecord},
    pools::Pools,
    record::WorkerRecord,
    roster::Roster,
};
use crate::kinds;
use crate::{
    error::Error,
    store::{Change, Document, Expected, Kind, Listing, Store, StoreError, Write},
};

/// The fact in the store that tells the generation.
pub(crate) const GENERATION: &str = "generation";
/// The key of what the configuration file last said beside pools and workers.
const SETTINGS: &str = "file";

/// What is stored as one document, and knows the revision that wrote it.
pub(super) trait Record: PartialEq + Serialize + DeserializeOwned {
    /// What its documents are about.
    const KIND: Kind;

    /// The store's revision that wrote it.
    fn revision_mut(&mut self) -> &mut u64;
}

impl Record for WorkerRecord {
    const KIND: Kind = kinds::WORKER;

    fn revision_mut(&mut self) -> &mut u64 {
        &mut self.revision
    }
}

impl Record for PoolRecord {
    const KIND: Kind = kinds::POOL;

    fn revision_mut(&mut self) -> &mut u64 {
        &mut self.revision
    }
}

impl Record for PolicyRecord {
    const KIND: Kind = kinds::POLICY;

    fn revision_mut(&mut self) -> &mut u64 {
        &mut self.revision
    }
}

/// All of it, as it was at one moment.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) revision: u64,
    pub(super) records: BTreeMap<WorkerUrl, WorkerRecord>,
    pub(super) pools: Pools,
    pub(super) generation: u64,
    pub(super) generation_revision: u64,
    pub(super) settings: Option<String>,
}

impl Stored {
    /// Reads everything.
    pub(super) async fn load(store: &dyn Store) -> Result<Self, Error> {
        let kinds = [kinds::WORKER, kinds::POOL, kinds::POLICY, kinds::SETTINGS, Kind::FACT];
        Self::of(store.list(&kinds).await?)
    }

    /// What a listing holds of it.
    pub(super) fn of(listing: Listing) -> Result<Self, Error> {
        let mut stored = Self { revision: listing.revision, ..Self::default() };
        for document in listing.documents {
            let Document { kind, key, revision, value } = document;
            match (kind, key.as_str()) {
                (kinds::WORKER, key) => {
                    stored.records.insert(key_of(kind, key)?, record(key, &value, revision)?);
                }
                (kinds::POOL, key) => {
                    stored.pools.pools.insert(key_of(kind, key)?, record(key, &value, revision)?);
                }
                (kinds::POLICY, key) => {
                    stored.pools.policies.insert(key_of(kind, key)?, record(key, &value, revision)?);
                }
                (Kind::FACT, GENERATION) => {
                    stored.generation = read(Kind::FACT, GENERATION, &value)?;
                    stored.generation_revision = revision;
                }
                (kinds::SETTINGS, SETTINGS) => stored.settings = Some(value),
                _ => {}
            }
        }
        Ok(stored)
    }

    /// The writes that make this into a roster, without its generation.
    pub(super) fn until(&self, new: &Roster) -> Result<Vec<Write>, Error> {
        writes((&self.records, &self.pools), new)
    }

    /// Puts the revision of a commit on what it wrote.
    pub(super) fn stamp(&self, new: &mut Roster, revision: u64) {
        stamp((&self.records, &self.pools), new, revision);
    }
}

impl Roster {
    /// The writes that make this into another one, without its generation.
    pub(super) fn until(&self, new: &Self) -> Result<Vec<Write>, Error> {
        writes((&self.records, &self.pools), new)
    }

    /// Puts the revision of the commit that made this into another one on what it wrote.
    pub(super) fn stamp(&self, new: &mut Self, revision: u64) {
        stamp((&self.records, &self.pools), new, revision);
    }

    /// The write of its generation over the one that it has seen.
    pub(super) fn generation_write(&self) -> Result<Write, Error> {
        generation_write(self.generation, self.generation_revision)
    }

    /// The write of what the configuration file says beside pools and workers; none where it is known.
    pub(super) fn settings_write(&self, known: Option<&String>) -> Result<Option<Write>, Error> {
        let settings = json(&format!("{:?}", self.listener))?;
        let write = || Write::put(kinds::SETTINGS, SETTINGS, settings.clone(), Expected::Anything);
        Ok((known != Some(&settings)).then(write))
    }

    /// Takes over one commit of another control plane.
    pub(super) fn take_over(&mut self, revision: u64, changes: &[Change]) -> Result<(), Error> {
        // The generation first: what the commit lets go of is gone with it.
        for change in changes {
            if let (Kind::FACT, GENERATION, Some(value)) = (change.kind, change.key.as_str(), &change.value) {
                self.generation = read(Kind::FACT, GENERATION, value)?;
                self.generation_revision = revision;
            }
        }
        for Change { kind, key, value } in changes {
            match *kind {
                kinds::WORKER => self.replace(&key_of(*kind, key)?, given(key, value.as_ref(), revision)?),
                kinds::POOL => {
                    put(&mut self.pools.pools, key_of(*kind, key)?, given(key, value.as_ref(), revision)?)
                }
                kinds::POLICY => {
                    put(&mut self.pools.policies, key_of(*kind, key)?, given(key, value.as_ref(), revision)?);
                }
                _ => {}
            }
        }
        self.revision = revision;
        Ok(())
    }
}

/// The write of a generation over the one that this revision of the store wrote.
pub(super) fn generation_write(generation: u64, seen: u64) -> Result<Write, Error> {
    Ok(Write::put(Kind::FACT, GENERATION, json(&generation)?, Expected::seen(seen)))
}

type Documents<'a> = (&'a BTreeMap<WorkerUrl, WorkerRecord>, &'a Pools);

fn writes((records, pools): Documents<'_>, new: &Roster) -> Result<Vec<Write>, Error> {
    let mut all = differences(&pools.pools, &new.pools.pools)?;
    all.extend(differences(&pools.policies, &new.pools.policies)?);
    all.extend(differences(records, &new.records)?);
    Ok(all)
}

/// The writes that make one set of documents into another.
pub(super) fn differences<K: Ord + ToString, R: Record>(
    old: &BTreeMap<K, R>,
    new: &BTreeMap<K, R>,
) -> Result<Vec<Write>, Error> {
    // What is believed of each stands in what is believed of the generation.
    let believed = Expected::Anything;
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    let mut writes: Vec<_> = gone.map(|key| Write::delete(R::KIND, key.to_string(), believed)).collect();
    for (key, record) in new.iter().filter(|(key, record)| old.get(*key) != Some(*record)) {
        writes.push(Write::put(R::KIND, key.to_string(), json(record)?, believed));
    }
    Ok(writes)
}

fn stamp((records, pools): Documents<'_>, new: &mut Roster, revision: u64) {
    stamp_differences(records, &mut new.records, revision);
    stamp_differences(&pools.pools, &mut new.pools.pools, revision);
    stamp_differences(&pools.policies, &mut new.pools.policies, revision);
}

fn stamp_differences<K: Ord, R: Record>(old: &BTreeMap<K, R>, new: &mut BTreeMap<K, R>, revision: u64) {
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

fn given<R: Record>(key: &str, value: Option<&String>, revision: u64) -> Result<Option<R>, Error> {
    value.map(|value| record(key, value, revision)).transpose()
}

fn record<R: Record>(key: &str, value: &str, revision: u64) -> Result<R, Error> {
    let mut record: R = read(R::KIND, key, value)?;
    *record.revision_mut() = revision;
    Ok(record)
}

fn key_of<K: std::str::FromStr<Err = slotway_config::ConfigError>>(
    kind: Kind,
    key: &str,
) -> Result<K, Error> {
    key.parse().map_err(|error| unreadable(kind, key, &error))
}

fn json<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value)
        .map_err(|error| Error::System { doing: "writing a document", reason: error.to_string() })
}

fn read<T: DeserializeOwned>(kind: Kind, key: &str, value: &str) -> Result<T, Error> {
    serde_json::from_str(value).map_err(|error| unreadable(kind, key, &error))
}

fn unreadable(kind: Kind, key: &str, reason: &dyn ToString) -> Error {
    StoreError::Document { kind: kind.as_str(), key: key.to_owned(), reason: reason.to_string() }.into()
}
