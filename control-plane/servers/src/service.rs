use std::sync::Arc;

use slotway_agents_proto::AgentResources;
use slotway_store::{Kind, Replica, ResourceView, Resources, Store, StoreFuture, Who};
use tokio::sync::watch;

use crate::{
    ServersError, WorkerDirectory,
    state::{RESOURCES, State},
    view::ServersView,
};

/// The servers of a site with their limits and profiles, kept in the store. Several control planes may share it.
pub struct Servers {
    replica: Replica<State>,
    workers: Arc<dyn WorkerDirectory>,
}

impl Servers {
    /// Loads the servers, and replaces documents of before by those of today.
    ///
    /// # Errors
    /// [`ServersError::Store`].
    pub async fn open(
        store: Arc<dyn Store>,
        workers: Arc<dyn WorkerDirectory>,
    ) -> Result<Self, ServersError> {
        let replica = Replica::open(store, State::empty()).await?;
        if !replica.current().legacy.is_empty() {
            replica.change::<_, ServersError>(Who::SYSTEM, |state| Ok(state.migrate()?)).await?;
        }
        Ok(Self { replica, workers })
    }

    /// Returns the limits and profiles as resources for agents, now and after each change.
    #[must_use]
    pub fn published(&self) -> watch::Receiver<Arc<AgentResources>> {
        self.replica.published()
    }

    /// Takes over the changes of other control planes for as long as it is polled.
    pub async fn follow(&self) {
        self.replica.follow().await;
    }

    fn view(&self) -> Arc<dyn ResourceView> {
        Arc::new(ServersView::new(self.replica.current(), Arc::clone(&self.workers)))
    }
}

impl Resources for Servers {
    fn kinds(&self) -> &'static [Kind] {
        RESOURCES
    }

    fn current(&self) -> Arc<dyn ResourceView> {
        self.view()
    }

    fn fresh(&self) -> StoreFuture<'_, Arc<dyn ResourceView>> {
        Box::pin(async {
            self.replica.catch_up().await?;
            Ok(self.view())
        })
    }

    fn caught_up(&self, revision: u64) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            if self.replica.current().revision < revision {
                self.replica.catch_up().await?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
