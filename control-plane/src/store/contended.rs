//! A store on which somebody else is always faster, for tests.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::watch;

use super::{
    AuditQuery, AuditRow, Batch, Commit, Document, Expected, Kind, Listing, Store, StoreFuture, Trouble,
    Watch, Who, Write,
};

/// A store in which, just before a batch that believes something, somebody else writes what it has beliefs of: so many times.
pub(crate) struct Contended {
    store: Arc<dyn Store>,
    left: AtomicUsize,
}

impl Contended {
    /// Calm at first.
    pub(crate) fn new(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { store, left: AtomicUsize::new(0) })
    }

    /// From now on somebody else is faster, so many times.
    pub(crate) fn others_are_faster(&self, times: usize) {
        self.left.store(times, Ordering::Relaxed);
    }

    /// How many times somebody else has yet to be faster.
    pub(crate) fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }
}

impl Store for Contended {
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
