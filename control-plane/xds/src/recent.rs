use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{limits::HISTORY_MAX, version::Version};

/// The last contents by version, at most [`HISTORY_MAX`].
#[derive(Debug)]
pub(crate) struct Recent<T>(Mutex<VecDeque<(Version, Arc<T>)>>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Recent<T> {
    /// Keeps a content, and drops the oldest one if there are too many.
    pub(crate) fn remember(&self, version: &Version, content: Arc<T>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(old, _)| old != version);
        known.truncate(HISTORY_MAX - 1);
        known.push_front((version.clone(), content));
    }

    /// Returns the content of a version, if it is kept.
    pub(crate) fn recall(&self, version: &Version) -> Option<Arc<T>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(own, _)| own == version).map(|(_, content)| content.clone())
    }
}
