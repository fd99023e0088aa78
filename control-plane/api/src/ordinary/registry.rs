use std::{collections::HashSet, sync::Arc};

use slotway_api_types::ResourceKind;
use slotway_store::{
    Batch, DomainResource, Kind, ResourceChange, ResourceChanges, ResourceView, Resources, Store, StoreError,
    Who, Write,
};
use tokio::sync::Mutex;

use crate::ApiError;

/// How often a change is attempted where other control planes change the same.
pub(crate) const ATTEMPTS_MAX: usize = 32;

/// The domains whose kinds are served in the ordinary way.
pub struct ResourceRegistry {
    store: Arc<dyn Store>,
    domains: Vec<Arc<dyn Resources>>,
    /// One change at a time: changes of this control plane do not compete with each other.
    changing: Mutex<()>,
}

/// A kind with its domain.
#[derive(Clone)]
pub(crate) struct ServedKind {
    pub(crate) domain: Arc<dyn Resources>,
    pub(crate) kind: Kind,
}

/// A view after a commit: resources that it wrote have its revision.
pub(crate) struct StampedView {
    view: Arc<dyn ResourceView>,
    written: HashSet<(Kind, String)>,
    revision: Option<u64>,
}

impl StampedView {
    /// Returns a view after a commit, or as it would be after one where there is none.
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

    /// Returns once this revision is part of what every domain shows.
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

    /// Changes the resources of one domain: `make` says how, on what the store holds now, and is called again where another control
    /// plane was faster. Returns the view before and after. A dry run stores nothing.
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

    /// Takes a commit over. Should the store not be readable now, its watch brings the commit later.
    pub(crate) async fn read_up_to(&self, revision: u64) {
        if let Err(error) = self.caught_up(revision).await {
            tracing::debug!("a change was made and cannot be read yet: {error}");
        }
    }
}
