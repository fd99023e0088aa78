use std::sync::Arc;

use tokio::sync::watch;
use tracing::Instrument;

use super::{
    AuditQuery, AuditRow, Batch, Commit, Document, Kind, Listing, Store, StoreFuture, Trouble, Watch,
};

/// A store that records its commits as spans.
pub(super) struct Traced(pub(super) Arc<dyn Store>);

impl Store for Traced {
    fn get<'a>(&'a self, kind: Kind, key: &'a str) -> StoreFuture<'a, Option<Document>> {
        self.0.get(kind, key)
    }

    fn list<'a>(&'a self, kinds: &'a [Kind]) -> StoreFuture<'a, Listing> {
        self.0.list(kinds)
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, u64> {
        let span =
            tracing::debug_span!("store commit", writes = batch.writes.len(), who = batch.who.as_str());
        Box::pin(self.0.commit(batch).instrument(span))
    }

    fn changes(&self, after: u64) -> StoreFuture<'_, Vec<Commit>> {
        self.0.changes(after)
    }

    fn watch(&self, after: u64) -> Watch {
        self.0.watch(after)
    }

    fn audit<'a>(&'a self, query: &'a AuditQuery) -> StoreFuture<'a, Vec<AuditRow>> {
        self.0.audit(query)
    }

    fn trouble(&self) -> watch::Receiver<Option<Trouble>> {
        self.0.trouble()
    }
}
