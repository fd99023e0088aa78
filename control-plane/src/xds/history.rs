use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    limits::HISTORY_MAX,
    resource_set::{ResourceSet, Version},
};

/// The last sets of clusters that some node was sent. A node that connects again states a version; with the set behind
/// it, clusters that its configuration still names are kept until it has a newer one.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<VecDeque<Arc<ResourceSet>>>);

impl History {
    pub(crate) fn remember(&self, set: &Arc<ResourceSet>) {
        let mut sets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sets.retain(|known| known.version() != set.version());
        sets.truncate(HISTORY_MAX - 1);
        sets.push_front(set.clone());
    }

    pub(crate) fn recall(&self, version: &Version) -> Option<Arc<ResourceSet>> {
        let sets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sets.iter().find(|set| set.version() == version).cloned()
    }
}
