use std::{future::Future, sync::Arc, time::Duration};

use crate::{Catalog, Node, Snapshot};

/// Where a server takes its snapshots from. A server clones its source once for each stream; each clone notices each change.
pub trait Source: Clone + Send + Sync + 'static {
    /// Returns the types that the snapshots have.
    fn catalog(&self) -> Arc<Catalog>;

    /// Waits until [`Self::snapshot`] may return another snapshot than before.
    ///
    /// # Errors
    /// [`SourceEnded`] if there will be no further change because the publisher is gone. The server then ends the stream.
    fn changed(&mut self) -> impl Future<Output = Result<(), SourceEnded>> + Send;

    /// Returns what the node shall have now.
    ///
    /// # Errors
    /// [`SnapshotError`]. The server then ends the stream.
    fn snapshot(&mut self, node: &Node) -> Result<Arc<Snapshot>, SnapshotError>;

    /// Returns how long bounds are kept up after the root that counts on them was replaced.
    fn linger(&self) -> Duration;
}

/// The publisher of a source is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceEnded;

/// The reason for which a node gets no snapshot. The text is sent to the node and tells its operator what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// There is nothing for a node of this group.
    #[error("{0}")]
    UnknownGroup(String),
    /// The snapshot cannot be made.
    #[error("{0}")]
    Failed(String),
}
