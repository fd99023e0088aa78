use std::{collections::VecDeque, sync::Arc};

use tokio::sync::watch;

use super::{Kind, StoreError, StoreFuture};

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it is about.
    pub kind: Kind,
    /// Its key among its kind.
    pub key: String,
    /// JSON text; `None` where it was deleted.
    pub value: Option<String>,
}

/// The changes of one batch, and the revision that they made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The store's revision, and that of each document which the batch wrote.
    pub revision: u64,
    /// In the order of the batch.
    pub changes: Vec<Change>,
}

/// Where a [`Watch`] reads from: the changes that a store remembers.
pub(crate) trait ReadChanges: Send + Sync {
    /// Whole commits after a revision, in order, a bounded number of them; none where there is nothing new.
    fn changes(&self, after: u64) -> StoreFuture<'_, Vec<Commit>>;
}

/// Commits from a revision on: each once, in order.
pub struct Watch {
    source: Arc<dyn ReadChanges>,
    /// Told whenever there may be something to read. That may be too often, and never too seldom.
    news: watch::Receiver<u64>,
    after: u64,
    read: VecDeque<Commit>,
    /// There are news that have not been read to their end: the future that was about to may have been dropped.
    has_unread: bool,
}

impl Watch {
    pub(crate) fn new(source: Arc<dyn ReadChanges>, mut news: watch::Receiver<u64>, after: u64) -> Self {
        news.mark_changed();
        Self { source, news, after, read: VecDeque::new(), has_unread: false }
    }

    /// The next commit, once there is one. Dropping the future loses nothing, and after an error it can be asked again.
    ///
    /// # Errors
    /// [`StoreError::Forgotten`] where the store no longer remembers what comes next: read everything anew and watch
    /// from there. Else as any other read.
    pub async fn next(&mut self) -> Result<Commit, StoreError> {
        loop {
            if let Some(commit) = self.read.pop_front() {
                self.after = commit.revision;
                return Ok(commit);
            }
            // The news are taken before the reading: what comes meanwhile is news again.
            if !self.has_unread && self.news.changed().await.is_err() {
                // The store is being dropped, and nothing comes any more.
                std::future::pending::<()>().await;
            }
            self.has_unread = true;
            // There may be more than are read at once, so only an answer without any says that there are none left.
            let commits = self.source.changes(self.after).await?;
            self.has_unread = !commits.is_empty();
            self.read = commits.into();
        }
    }
}

/// Puts the rows of changes, ordered by revision, together into commits.
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
