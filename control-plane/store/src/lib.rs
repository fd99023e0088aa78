//! The persistent state of the control plane: documents (JSON text) by kind and key.
//!
//! The trait is small, so that support for a database is one folder: read, commit a batch of writes atomically, watch.
//! The store does not interpret documents; the domains do.
//!
//! Each batch that changes something increments the store's *revision*, and each document that the batch writes gets
//! this revision. A writer may pass the revision that it has seen as a precondition, and so never overwrites a
//! concurrent change. A watcher passes a revision and receives all later changes.
//!
//! Domains do not use the store directly. [`Replica`] is a typed view of documents that follows the store. [`Lease`]
//! elects one of several control planes for a task.
//!
//! * [`SqliteStore`]: one file, one control plane. The default.
//! * [`PostgresStore`]: one database for several control planes.

mod audit;
mod batch;
mod change;
mod document;
mod documents;
mod error;
mod health;
mod lease;
mod metrics;
mod postgres;
mod replica;
mod resource;
mod settings;
mod sqlite;
mod state_directory;
mod traced;

use std::{future::Future, path::Path, pin::Pin, sync::Arc};

use tokio::sync::watch;

pub use audit::{
    AUDIT_PAGE_MAX, AUDIT_ROWS_MAX, AuditQuery, AuditRow, HIDDEN, WHO_BYTES_MAX, Who, names_a_secret,
    without_secrets,
};
pub use batch::{BATCH_BYTES_MAX, Batch, Expected, WRITES_MAX, Write};
pub use change::{Change, Commit, Watch};
pub use document::{Document, KEY_BYTES_MAX, Kind, Listing, VALUE_BYTES_MAX, kind_named};
pub use documents::{Documents, Turn, Versioned, from_json, to_json};
pub use error::StoreError;
pub use health::Trouble;
pub use lease::Lease;
pub use metrics::register_metrics;
pub use postgres::PostgresStore;
pub use replica::{Prepared, Replica, Replicated};
pub use resource::{
    ChangedResources, DomainResource, ResourceChange, ResourceChanges, ResourceError, ResourceFieldError,
    ResourceName, ResourceView, Resources, read_spec,
};
pub use settings::{PostgresUrl, StoreSettings};
pub use sqlite::SqliteStore;

/// The maximum number of change rows that a store keeps for watchers. A watcher that misses more must list all
/// documents again.
pub const CHANGES_MAX: u64 = 100_000;

/// The result of a store's methods: a boxed future, so that a store can be used as `dyn Store`.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A database of documents.
pub trait Store: Send + Sync {
    /// Returns one document.
    fn get<'a>(&'a self, kind: Kind, key: &'a str) -> StoreFuture<'a, Option<Document>>;

    /// Returns a consistent listing of all documents of some kinds.
    fn list<'a>(&'a self, kinds: &'a [Kind]) -> StoreFuture<'a, Listing>;

    /// Commits all writes with their audit rows, or none, and returns the store's revision. When it returns, the commit
    /// is durable. If it fails with [`StoreError::Unavailable`] during the commit, the whole batch may have been
    /// committed nevertheless.
    fn commit(&self, batch: Batch) -> StoreFuture<'_, u64>;

    /// Returns the commits after a revision, in order and up to a limit; none if there are no newer commits.
    fn changes(&self, after: u64) -> StoreFuture<'_, Vec<Commit>>;

    /// Returns a watch of the commits after a revision, present and future, of all writers.
    fn watch(&self, after: u64) -> Watch;

    /// Returns audit rows, newest first.
    fn audit<'a>(&'a self, query: &'a AuditQuery) -> StoreFuture<'a, Vec<AuditRow>>;

    /// Returns whether the database accepts changes, as far as is known.
    fn trouble(&self) -> watch::Receiver<Option<Trouble>>;

    /// Creates or replaces one document, and returns its revision.
    fn put(&self, who: Who, kind: Kind, key: &str, value: &str, expected: Expected) -> StoreFuture<'_, u64> {
        self.commit(Batch { who, writes: vec![Write::put(kind, key, value, expected)] })
    }

    /// Removes one document, and returns the store's revision.
    fn delete(&self, who: Who, kind: Kind, key: &str, expected: Expected) -> StoreFuture<'_, u64> {
        self.commit(Batch { who, writes: vec![Write::delete(kind, key, expected)] })
    }
}

/// Opens the store that the settings name. Always creates and locks the state directory, because two control planes
/// must not share one.
///
/// # Errors
/// [`StoreError`]. A database that is damaged or newer is not changed.
pub async fn open(
    settings: &StoreSettings,
    state: &Path,
    kinds: &'static [Kind],
) -> Result<Arc<dyn Store>, StoreError> {
    let store: Arc<dyn Store> = match settings {
        StoreSettings::Sqlite => Arc::new(SqliteStore::open(state, kinds).await?),
        StoreSettings::Postgres(url) => Arc::new(PostgresStore::open(url, state, kinds).await?),
    };
    Ok(Arc::new(traced::Traced(store)))
}

/// Returns a consistent listing of all documents of the database that the settings name; `None` if there is no
/// database. Control planes may be using it: this call locks and changes nothing.
///
/// # Errors
/// [`StoreError`]. A database that is damaged, newer or older is not changed.
pub async fn read(
    settings: &StoreSettings,
    state: &Path,
    kinds: &'static [Kind],
) -> Result<Option<Listing>, StoreError> {
    match settings {
        StoreSettings::Sqlite => SqliteStore::read(state, kinds).await,
        StoreSettings::Postgres(url) => PostgresStore::read(url, kinds).await,
    }
}
