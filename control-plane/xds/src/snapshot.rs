use std::{collections::BTreeMap, sync::Arc};

use tokio::time::Instant;

use crate::{LingeringBounds, PushRole, ResourceSet, ResourceType};

/// All that one node shall have: a value that a [`Source`](crate::Source) makes and never alters.
#[derive(Debug)]
pub struct Snapshot {
    /// The number of the root: the server reports it as the node's generation once the node has acknowledged the root.
    pub generation: u64,
    /// The source's revision behind the snapshot. The server reports between which revisions a refused change stands.
    pub revision: u64,
    /// The resources of the type with [`PushRole::Referenced`].
    pub referenced: Arc<ResourceSet>,
    /// The part of [`Self::referenced`] that the root names. The node needs the rest where it has it already, but no change waits
    /// for it.
    pub named: Arc<ResourceSet>,
    /// The bounds that the root counts on: the type with [`PushRole::Bound`].
    pub bounds: LingeringBounds,
    /// The resources of all other types, by type URL. A missing type has no resources.
    pub others: BTreeMap<&'static str, Arc<ResourceSet>>,
}

impl Snapshot {
    /// Returns the resources of a type.
    pub(crate) fn set(&self, ty: ResourceType) -> Arc<ResourceSet> {
        match ty.role() {
            PushRole::Bound => self.bounds.in_force().resources().clone(),
            PushRole::Referenced => self.referenced.clone(),
            PushRole::Dependent | PushRole::Root | PushRole::Independent => {
                self.others.get(ty.type_url()).cloned().unwrap_or_else(ResourceSet::empty)
            }
        }
    }

    /// Returns when the source has another snapshot although nothing changes; `None` for never.
    pub(crate) fn expires_at(&self) -> Option<Instant> {
        self.bounds.until()
    }
}
