use std::{sync::Arc, time::Duration};

use slotway_agents_proto::AgentResources;
use slotway_pools::Desired;
use slotway_xds::{Catalog, Node, Snapshot, SnapshotError, Source, SourceEnded, XdsError};
use tokio::sync::watch;

use super::{
    snapshots::{LINGER, Snapshots},
    types::{OF_AGENTS, OF_ENVOY},
};

/// The source of the xDS server: the published pools and the resources for agents, as snapshots.
#[derive(Debug, Clone)]
pub struct CoordinatorSource {
    desired: watch::Receiver<Arc<Desired>>,
    agents: watch::Receiver<Arc<AgentResources>>,
    snapshots: Arc<Snapshots>,
    catalog: Arc<Catalog>,
}

impl CoordinatorSource {
    /// Returns a source of these pools and resources.
    ///
    /// # Errors
    /// [`XdsError::Catalog`].
    pub fn new(
        desired: watch::Receiver<Arc<Desired>>,
        agents: watch::Receiver<Arc<AgentResources>>,
    ) -> Result<Self, XdsError> {
        let catalog = Arc::new(Catalog::new(OF_ENVOY.into_iter().chain(OF_AGENTS))?);
        Ok(Self { desired, agents, snapshots: Arc::new(Snapshots::lingering(LINGER)), catalog })
    }
}

impl Source for CoordinatorSource {
    fn catalog(&self) -> Arc<Catalog> {
        self.catalog.clone()
    }

    async fn changed(&mut self) -> Result<(), SourceEnded> {
        tokio::select! {
            changed = self.desired.changed() => changed,
            changed = self.agents.changed() => changed,
        }
        .map_err(|_| SourceEnded)
    }

    fn snapshot(&mut self, node: &Node) -> Result<Arc<Snapshot>, SnapshotError> {
        let desired = self.desired.borrow_and_update().clone();
        let agents = self.agents.borrow_and_update().clone();
        let snapshot = self.snapshots.of(&desired, &agents, &node.group, &node.id);
        let snapshot = snapshot.map_err(|error| SnapshotError::Failed(error.to_string()))?;
        snapshot.ok_or_else(|| {
            SnapshotError::UnknownGroup(format!(
                "no pool belongs to the group {:?}, which this Envoy states as its node.cluster: `slotway bootstrap --group NAME` \
                 states another one; `groups` in the control plane's configuration lists the groups",
                node.group
            ))
        })
    }

    fn linger(&self) -> Duration {
        self.snapshots.linger()
    }
}
