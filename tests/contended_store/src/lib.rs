//! Test support: a store on which a concurrent writer wins a chosen number of times.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::watch;

use slotway_store::{
    AuditQuery, AuditRow, Batch, Commit, Document, Expected, Kind, Listing, Store, StoreFuture, Trouble,
    Watch, Who, Write,
};

/// A store that overwrites the documents with preconditions in a batch just before it commits the batch. It does so a
/// chosen number of times.
pub struct ContendedStore {
    store: Arc<dyn Store>,
    left: AtomicUsize,
}

impl ContendedStore {
    /// Wraps a store; no writer interferes until [`Self::others_win`].
    pub fn new(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { store, left: AtomicUsize::new(0) })
    }

    /// Lets a concurrent writer win this number of times from now on.
    pub fn others_win(&self, times: usize) {
        self.left.store(times, Ordering::Relaxed);
    }

    /// Returns how many more times the concurrent writer wins.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }
}

impl Store for ContendedStore {
    fn get<'a>(&'a self, kind: Kind, key: &'a str) -> StoreFuture<'a, Option<Document>> {
        self.store.get(kind, key)
    }

    fn list<'a>(&'a self, kinds: &'a [Kind]) -> StoreFuture<'a, Listing> {
        self.store.list(kinds)
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let believed = batch.writes.iter().filter(|write| write.expected != Expected::Anything);
            let theirs: Vec<_> =
                believed.map(|write| Write { expected: Expected::Anything, ..write.clone() }).collect();
            let left = self.left();
            if left > 0 && !theirs.is_empty() {
                self.left.store(left - 1, Ordering::Relaxed);
                self.store.commit(Batch { who: Who::SYSTEM, writes: theirs }).await?;
            }
            self.store.commit(batch).await
        })
    }

    fn changes(&self, after: u64) -> StoreFuture<'_, Vec<Commit>> {
        self.store.changes(after)
    }

    fn watch(&self, after: u64) -> Watch {
        self.store.watch(after)
    }

    fn audit<'a>(&'a self, query: &'a AuditQuery) -> StoreFuture<'a, Vec<AuditRow>> {
        self.store.audit(query)
    }

    fn trouble(&self) -> watch::Receiver<Option<Trouble>> {
        self.store.trouble()
    }
}
