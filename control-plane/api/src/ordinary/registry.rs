use std::{collections::HashSet, sync::Arc};

use slotway_api_types::ResourceKind;
use slotway_store::{
    Batch, DomainResource, Kind, ResourceChange, ResourceChanges, ResourceView, Resources, Store, StoreError,
    Who, Write,
};
use tokio::sync::Mutex;

use crate::ApiError;

/// The number of attempts at a change before it fails with a conflict.
pub(crate) const ATTEMPTS_MAX: usize = 32;

/// The domains of the ordinary kinds.
pub struct ResourceRegistry {
    store: Arc<dyn Store>,
    domains: Vec<Arc<dyn Resources>>,
    /// Serialises the changes of this control plane, so that they do not conflict with each other.
    changing: Mutex<()>,
}

/// A kind with its domain.
#[derive(Clone)]
pub(crate) struct ServedKind {
    pub(crate) domain: Arc<dyn Resources>,
    pub(crate) kind: Kind,
}

/// A view after a commit. The written resources have the commit's revision.
pub(crate) struct StampedView {
    view: Arc<dyn ResourceView>,
    written: HashSet<(Kind, String)>,
    revision: Option<u64>,
}

impl StampedView {
    /// Returns a view after a commit; without a revision, the view that a dry run would leave.
    pub(crate) fn new(view: Arc<dyn ResourceView>, writes: &[Write], revision: Option<u64>) -> Self {
        let written = writes.iter().map(|write| (write.kind, write.key.clone())).collect();
        Self { view, written, revision }
    }

    /// Returns a resource.
    pub(crate) fn get(&self, kind: Kind, name: &str) -> Option<DomainResource> {
        let mut found = self.view.get(kind, name)?;
        if let Some(revision) = self.revision
            && self.written.contains(&(kind, name.to_owned()))
        {
            found.revision = revision;
        }
        Some(found)
    }
}

impl ResourceRegistry {
    /// Returns a registry of some domains on one store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, domains: Vec<Arc<dyn Resources>>) -> Self {
        Self { store, domains, changing: Mutex::default() }
    }

    /// Returns the domain of a kind.
    pub(crate) fn served(&self, kind: &ResourceKind) -> Option<ServedKind> {
        self.domains.iter().find_map(|domain| {
            let found = domain.kinds().iter().copied().find(|known| kind.stored == Some(known.as_str()))?;
            Some(ServedKind { domain: Arc::clone(domain), kind: found })
        })
    }

    /// Returns when the views of all domains contain this revision.
    ///
    /// # Errors
    /// [`ApiError::Store`].
    pub(crate) async fn caught_up(&self, revision: u64) -> Result<(), ApiError> {
        for domain in &self.domains {
            domain.caught_up(revision).await?;
        }
        Ok(())
    }

    /// Waits until no other change of this control plane is under way.
    pub(crate) async fn alone(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changing.lock().await
    }

    /// Changes the resources of one domain. `make` computes the change from the state in the store, and is called again
    /// after a conflict with another control plane. Returns the view before and after. A dry run stores nothing.
    ///
    /// # Errors
    /// Those of `make` and of the domain; [`StoreError::Contended`].
    pub(crate) async fn change(
        &self,
        who: Who,
        dry_run: bool,
        served: &ServedKind,
        make: &(impl Fn(&dyn ResourceView) -> Result<Vec<ResourceChange>, ApiError> + Sync),
    ) -> Result<(Arc<dyn ResourceView>, StampedView), ApiError> {
        let _alone = self.alone().await;
        for _ in 0..ATTEMPTS_MAX {
            let before = served.domain.fresh().await?;
            let own = make(&*before)?;
            let changed = before.changed(ResourceChanges { own: &own, created_beside: &[] })?;
            if dry_run || changed.writes.is_empty() {
                return Ok((before, StampedView::new(changed.view, &[], None)));
            }
            let writes = changed.writes.clone();
            match self.store.commit(Batch { who: who.clone(), writes }).await {
                Ok(revision) => {
                    self.read_up_to(revision).await;
                    return Ok((before, StampedView::new(changed.view, &changed.writes, Some(revision))));
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Contended.into())
    }

    /// Reads the store up to a commit. If the store cannot be read, its watch delivers the commit later.
    pub(crate) async fn read_up_to(&self, revision: u64) {
        if let Err(error) = self.caught_up(revision).await {
            tracing::debug!("a change was made and cannot be read yet: {error}");
        }
    }
}
