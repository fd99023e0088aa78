//! Where the control plane keeps what it must not forget: documents (JSON text) by kind and key.
//!
//! The trait is small on purpose, so that a database is one folder: read, commit a batch of writes whole or not at all,
//! watch. What the documents mean is a domain's business, not the store's.
//!
//! Each batch that changes something gives the store its next *revision*, and every document that it writes has that
//! revision. A writer may say which revision it has seen, and loses nothing that others wrote since; a watcher says
//! from which revision on it wants the changes, and misses none.
//!
//! Domains do not use the store directly: [`Replica`] is a typed view of documents that follows the store, and [`Lease`] makes one of
//! several control planes the holder of a task.
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

/// Most rows of changes that a store remembers for watchers. One that has missed more reads everything anew.
pub const CHANGES_MAX: u64 = 100_000;

/// What a store's methods return: a future that the caller may box, so that a store can stand behind `dyn`.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A database of documents.
pub trait Store: Send + Sync {
    /// One document.
    fn get<'a>(&'a self, kind: Kind, key: &'a str) -> StoreFuture<'a, Option<Document>>;

    /// All documents of some kinds, as they were at one moment.
    fn list<'a>(&'a self, kinds: &'a [Kind]) -> StoreFuture<'a, Listing>;

    /// Makes all the writes with their audit rows, or none, and returns the store's revision. It returns once they would
    /// survive a power cut. Where it fails with [`StoreError::Unavailable`] while it commits, the batch may have been
    /// made all the same, whole.
    fn commit(&self, batch: Batch) -> StoreFuture<'_, u64>;

    /// The commits after a revision, in order, a bounded number of them; none where there is nothing new.
    fn changes(&self, after: u64) -> StoreFuture<'_, Vec<Commit>>;

    /// The commits after a revision, and those that are yet to come, whoever makes them.
    fn watch(&self, after: u64) -> Watch;

    /// Audit rows, newest first.
    fn audit<'a>(&'a self, query: &'a AuditQuery) -> StoreFuture<'a, Vec<AuditRow>>;

    /// Whether the database takes changes, as far as is known.
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

/// Opens the store that the settings name. The state directory is made and locked in any case: two control planes must
/// not share one.
///
/// # Errors
/// [`StoreError`]; a database that is damaged or newer is left as it is.
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

/// All documents of the database that the settings name, as they were at one moment, while control planes may be using it;
/// `None` where there is none yet. Nothing is locked, and nothing is changed.
///
/// # Errors
/// [`StoreError`]; a database that is damaged, newer or older is left as it is.
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
