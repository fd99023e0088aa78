use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{bounds::Bounds, limits::UNCONFIRMED_MAX, recent::Recent, resource_set::ResourceSet};

/// The referenced resources and bounds that nodes were sent last. A node that connects again states versions; with the content
/// behind them, the server keeps what the node's root still counts on until the node has a newer root.
#[derive(Debug, Default)]
pub(crate) struct SentHistory {
    pub(crate) referenced: Recent<ResourceSet>,
    pub(crate) bounds: Recent<Bounds>,
    pub(crate) unconfirmed: Unconfirmed,
}

/// Nodes that were sent referenced resources and have not acknowledged them. Such a node may have taken a part of them, and states
/// the version before on its next stream. What it was sent is kept until it acknowledges a later response.
#[derive(Debug, Default)]
pub(crate) struct Unconfirmed(Mutex<BTreeMap<String, Arc<ResourceSet>>>);

impl Unconfirmed {
    /// Returns all resources of which the node may have a part.
    pub(crate) fn of(&self, node_id: &str) -> Option<Arc<ResourceSet>> {
        self.lock().get(node_id).cloned()
    }

    /// Records that the node was sent `set`.
    pub(crate) fn sent(&self, node_id: &str, set: &Arc<ResourceSet>) {
        let mut nodes = self.lock();
        if let Some(earlier) = nodes.get_mut(node_id) {
            *earlier = ResourceSet::union([set, earlier]);
        } else if nodes.len() < UNCONFIRMED_MAX {
            nodes.insert(node_id.to_owned(), set.clone());
        }
    }

    /// Records that the node has acknowledged all that it was sent.
    pub(crate) fn acked(&self, node_id: &str) {
        self.lock().remove(node_id);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<ResourceSet>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
