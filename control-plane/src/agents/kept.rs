//! What agents are told, as documents in the store.

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};

use super::{ForAgents, Servers};
use crate::kinds;
use crate::{
    error::Error,
    store::{Batch, Document, Expected, Kind, Listing, Store, StoreError, Who, Write},
};

/// The key of a document of which there is one.
const THE_ONE: &str = "slotway";
/// The fact that every change writes, so that of two control planes that change something at once one has to look again.
const TURN: &str = "agents";
const KINDS: [Kind; 5] =
    [kinds::SERVER_LIMITS, kinds::RESOURCE_PROFILES, kinds::BACKUP_JOB, kinds::SERVER, Kind::FACT];

/// All that is kept for agents, as it was at one revision of the store.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) told: Arc<ForAgents>,
    pub(super) servers: Servers,
    /// The store's revision, to watch from.
    pub(super) revision: u64,
    turn: u64,
}

impl Known {
    /// Reads everything; what is not there is as it is without a word of anybody's.
    pub(super) async fn read(store: &dyn Store) -> Result<Self, Error> {
        Self::of(&store.list(&KINDS).await?)
    }

    /// What a listing holds of it.
    pub(super) fn of(listing: &Listing) -> Result<Self, Error> {
        let mut known = Self { revision: listing.revision, ..Self::default() };
        let mut told = ForAgents::default();
        for document in &listing.documents {
            match document.kind {
                kinds::SERVER_LIMITS => told.server_limits = meaning(document)?,
                kinds::RESOURCE_PROFILES => told.resource_profiles = meaning(document)?,
                kinds::BACKUP_JOB => drop(told.backup_jobs.insert(document.key.clone(), meaning(document)?)),
                kinds::SERVER => known.servers.add(document.key.clone(), meaning(document)?),
                Kind::FACT if document.key == TURN => known.turn = document.revision,
                _ => {}
            }
        }
        known.told = Arc::new(told);
        Ok(known)
    }

    fn turn_write(&self) -> Write {
        Write::put(Kind::FACT, TURN, "{}", Expected::seen(self.turn))
    }

    /// Makes the writes if nobody has changed anything for agents since this was read. `false` where somebody has.
    pub(super) async fn commit(
        &self,
        store: &dyn Store,
        who: Who,
        mut writes: Vec<Write>,
    ) -> Result<bool, Error> {
        writes.push(self.turn_write());
        match store.commit(Batch { who, writes }).await {
            Ok(_) => Ok(true),
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// The write that goes with every change of what a listing has for agents.
///
/// # Errors
/// [`Error::Store`] for a document that cannot be read.
pub(crate) fn turn_write(listing: &Listing) -> Result<Write, Error> {
    Known::of(listing).map(|known| known.turn_write())
}

/// Writes a document of which there is one.
pub(super) fn put_the_one(kind: Kind, value: &impl Serialize) -> Result<Write, Error> {
    put(kind, THE_ONE, value)
}

/// Writes a document.
pub(super) fn put(kind: Kind, key: &str, value: &impl Serialize) -> Result<Write, Error> {
    let value = serde_json::to_string(value)
        .map_err(|error| Error::System { doing: "writing a document", reason: error.to_string() })?;
    Ok(Write::put(kind, key, value, Expected::Anything))
}

/// Removes a document.
pub(super) fn delete(kind: Kind, key: &str) -> Write {
    Write::delete(kind, key, Expected::Anything)
}

fn meaning<T: DeserializeOwned>(document: &Document) -> Result<T, Error> {
    serde_json::from_str(&document.value).map_err(|error| {
        let (kind, key, reason) = (document.kind.as_str(), document.key.clone(), error.to_string());
        StoreError::Document { kind, key, reason }.into()
    })
}
