use std::{collections::VecDeque, sync::Arc};

use tokio::sync::watch;

use super::{Kind, StoreError, StoreFuture};

/// The change of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The document's kind.
    pub kind: Kind,
    /// The document's key within its kind.
    pub key: String,
    /// JSON text; `None` if the document was deleted.
    pub value: Option<String>,
}

/// The changes of one batch, and the revision of the store after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The revision of the store, and of each document that the batch wrote.
    pub revision: u64,
    /// In the order of the batch.
    pub changes: Vec<Change>,
}

/// The source of a [`Watch`]: the changes that a store still keeps.
pub(crate) trait ReadChanges: Send + Sync {
    /// Returns whole commits after a revision, in order and up to a limit; none if there are no newer commits.
    fn changes(&self, after: u64) -> StoreFuture<'_, Vec<Commit>>;
}

/// The commits after a revision, each once and in order.
pub struct Watch {
    source: Arc<dyn ReadChanges>,
    /// Signals that there may be new commits. It may signal without any, but signals at least once after each commit.
    news: watch::Receiver<u64>,
    after: u64,
    read: VecDeque<Commit>,
    /// Whether a signal was received whose commits are not fully read, for example because the reading future was
    /// dropped.
    has_unread: bool,
}

impl Watch {
    pub(crate) fn new(source: Arc<dyn ReadChanges>, mut news: watch::Receiver<u64>, after: u64) -> Self {
        news.mark_changed();
        Self { source, news, after, read: VecDeque::new(), has_unread: false }
    }

    /// Returns the next commit as soon as there is one. Dropping the future loses no commit, and it may be called again
    /// after an error.
    ///
    /// # Errors
    /// [`StoreError::Forgotten`] if the store no longer keeps the next commit: list all documents again and watch from
    /// there. Other errors as for any read.
    pub async fn next(&mut self) -> Result<Commit, StoreError> {
        loop {
            if let Some(commit) = self.read.pop_front() {
                self.after = commit.revision;
                return Ok(commit);
            }
            // The signal is cleared before the read: a commit during the read signals again.
            if !self.has_unread && self.news.changed().await.is_err() {
                // The store is being dropped: no further commit can arrive.
                std::future::pending::<()>().await;
            }
            self.has_unread = true;
            // One read returns a limited number of commits, so only an empty answer shows that all are read.
            let commits = self.source.changes(self.after).await?;
            self.has_unread = !commits.is_empty();
            self.read = commits.into();
        }
    }
}

/// Groups rows of changes, ordered by revision, into commits.
pub(crate) fn into_commits(rows: Vec<(u64, Change)>) -> Vec<Commit> {
    let mut commits: Vec<Commit> = Vec::new();
    for (revision, change) in rows {
        match commits.last_mut() {
            Some(last) if last.revision == revision => last.changes.push(change),
            _ => commits.push(Commit { revision, changes: vec![change] }),
        }
    }
    commits
}
