use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    limits::{DOUBTS_MAX, HISTORY_MAX},
    resource_set::{ResourceSet, Version},
    resources::runtime::Limits,
};

/// The last clusters and limits that some node was sent. A node that connects again states versions; with the content
/// behind them, what its configuration still counts on is kept until it has a newer one.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) clusters: Recent<ResourceSet>,
    pub(crate) limits: Recent<Limits>,
    /// Nodes whose clusters may be another set than the version that they state.
    pub(crate) doubts: Doubts,
}

/// Nodes that were sent clusters and have not acknowledged them: such a node may have taken a part of them, and states the version
/// before on its next stream. What it was sent is kept until it acknowledges something.
#[derive(Debug, Default)]
pub(crate) struct Doubts(Mutex<BTreeMap<String, Arc<ResourceSet>>>);

impl Doubts {
    /// All that the node may have a part of.
    pub(crate) fn of(&self, node_id: &str) -> Option<Arc<ResourceSet>> {
        self.lock().get(node_id).cloned()
    }

    pub(crate) fn offered(&self, node_id: &str, set: &Arc<ResourceSet>) {
        let mut nodes = self.lock();
        if let Some(doubtful) = nodes.get_mut(node_id) {
            *doubtful = ResourceSet::union([set, doubtful]);
        } else if nodes.len() < DOUBTS_MAX {
            nodes.insert(node_id.to_owned(), set.clone());
        }
    }

    pub(crate) fn settle(&self, node_id: &str) {
        self.lock().remove(node_id);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<ResourceSet>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A bounded number of contents by version, the newest first.
#[derive(Debug)]
pub(crate) struct Recent<T>(Mutex<VecDeque<(Version, Arc<T>)>>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Recent<T> {
    pub(crate) fn remember(&self, version: &Version, content: Arc<T>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(old, _)| old != version);
        known.truncate(HISTORY_MAX - 1);
        known.push_front((version.clone(), content));
    }

    pub(crate) fn recall(&self, version: &Version) -> Option<Arc<T>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(own, _)| own == version).map(|(_, content)| content.clone())
    }
}
