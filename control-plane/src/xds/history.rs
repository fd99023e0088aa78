use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
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
    /// Nodes whose clusters are another set than the version that they state.
    pub(crate) doubts: Doubts,
}

/// Nodes that rejected their clusters last: such a node has taken a part of them and still states the version before, also
/// on its next stream.
#[derive(Debug, Default)]
pub(crate) struct Doubts(Mutex<BTreeSet<String>>);

impl Doubts {
    pub(crate) fn contains(&self, node_id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(node_id)
    }

    pub(crate) fn set(&self, node_id: &str, is_doubtful: bool) {
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_doubtful {
            nodes.remove(node_id);
        } else if nodes.len() < DOUBTS_MAX {
            nodes.insert(node_id.to_owned());
        }
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
