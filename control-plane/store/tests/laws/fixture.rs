use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use slotway_store::{
    AuditQuery, Batch, Commit, Expected, Kind, Store, StoreError, StoreSettings, Watch, Who, Write,
};
use slotway_test_postgres::Postgres;
use tempfile::TempDir;

/// The time limit for a condition; far more than any condition needs.
pub(crate) const WITHIN: Duration = Duration::from_secs(60);

/// A test's own database and directories.
pub(crate) struct Fixture {
    pub(crate) settings: StoreSettings,
    /// With PostgreSQL each store gets a directory of its own. With SQLite all stores of a test share one, one after
    /// another.
    pub(crate) postgres: Option<Postgres>,
    pub(crate) directory: TempDir,
    opened: AtomicUsize,
}

impl Fixture {
    pub(crate) fn sqlite() -> Self {
        Self::new(StoreSettings::Sqlite, None)
    }

    pub(crate) fn postgres() -> Self {
        Self::with(Postgres::start())
    }

    pub(crate) fn with(postgres: Postgres) -> Self {
        Self::new(postgres.url().parse().unwrap(), Some(postgres))
    }

    fn new(settings: StoreSettings, postgres: Option<Postgres>) -> Self {
        Self { settings, postgres, directory: tempfile::tempdir().unwrap(), opened: AtomicUsize::new(0) }
    }

    pub(crate) fn server(&mut self) -> &mut Postgres {
        self.postgres.as_mut().unwrap()
    }

    /// Opens the store, as a control plane does when it starts.
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        self.try_open().await.unwrap()
    }

    pub(crate) async fn try_open(&self) -> Result<Arc<dyn Store>, StoreError> {
        let number = if self.postgres.is_some() { self.opened.fetch_add(1, Ordering::Relaxed) } else { 0 };
        slotway_store::open(&self.settings, &self.directory.path().join(format!("state-{number}")), &KINDS)
            .await
    }
}

pub(crate) fn put(key: &str, value: &str) -> Write {
    Write::put(WORKER, key, value, Expected::Anything)
}

pub(crate) fn delete(key: &str) -> Write {
    Write::delete(WORKER, key, Expected::Anything)
}

pub(crate) fn batch(writes: Vec<Write>) -> Batch {
    Batch { who: Who::SYSTEM, writes }
}

pub(crate) async fn commit(store: &dyn Store, writes: Vec<Write>) -> u64 {
    store.commit(batch(writes)).await.unwrap()
}

/// Returns the keys and values of all workers.
pub(crate) async fn workers(store: &dyn Store) -> Vec<(String, String)> {
    let listing = store.list(&[WORKER]).await.unwrap();
    listing.documents.into_iter().map(|document| (document.key, document.value)).collect()
}

/// Returns a query for all audit rows that fit into an answer.
pub(crate) fn everything() -> AuditQuery {
    AuditQuery { limit: 1_000, ..AuditQuery::newest() }
}

/// Waits for the next commit.
pub(crate) async fn next(watch: &mut Watch) -> Commit {
    tokio::time::timeout(WITHIN, watch.next()).await.expect("a commit").unwrap()
}

/// Waits until the condition holds.
pub(crate) async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let started = std::time::Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(started.elapsed() < WITHIN, "timed out: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The kinds of documents in these tests.
pub(crate) const WORKER: Kind = Kind::new("worker");
pub(crate) const SETTINGS: Kind = Kind::new("settings");
pub(crate) const KINDS: [Kind; 3] = [WORKER, SETTINGS, Kind::FACT];
