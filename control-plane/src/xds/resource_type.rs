use serde::Serialize;

/// A kind of resource, in the order in which changes are made: what others need comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceType {
    /// RTDS: Envoy's own limits on the requests at each worker.
    Runtime,
    /// CDS: one cluster for each worker.
    Cluster,
    /// LDS: how Envoy listens to clients.
    Listener,
    /// RDS: one route for each pool.
    Route,
    /// ECDS: the filter and its configuration.
    Filter,
    /// For agents: how many servers may run.
    ServerLimits,
    /// For agents: what servers may use.
    ResourceProfiles,
    /// For agents: what is backed up when.
    BackupJob,
}

impl ResourceType {
    /// All of them, in the order in which changes are made.
    pub const ALL: [Self; 8] = [
        Self::Runtime,
        Self::Cluster,
        Self::Listener,
        Self::Route,
        Self::Filter,
        Self::ServerLimits,
        Self::ResourceProfiles,
        Self::BackupJob,
    ];

    /// The type URL that the protocol knows it by.
    #[must_use]
    pub const fn type_url(self) -> &'static str {
        match self {
            Self::Runtime => "type.googleapis.com/envoy.service.runtime.v3.Runtime",
            Self::Cluster => "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            Self::Listener => "type.googleapis.com/envoy.config.listener.v3.Listener",
            Self::Route => "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
            Self::ServerLimits => "type.googleapis.com/slotway.agents.v1.ServerLimits",
            Self::ResourceProfiles => "type.googleapis.com/slotway.agents.v1.ResourceProfiles",
            Self::BackupJob => "type.googleapis.com/slotway.agents.v1.BackupJob",
            Self::Filter => "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        }
    }

    /// The type of a URL, if we serve it.
    #[must_use]
    pub fn from_type_url(type_url: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ty| ty.type_url() == type_url)
    }

    /// Whether an empty list of names at first asks for every resource of the type.
    /// <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#how-the-client-specifies-what-resources-to-return>
    #[must_use]
    pub const fn is_wildcard(self) -> bool {
        matches!(self, Self::Cluster | Self::Listener) || self.is_for_agents()
    }

    /// Whether it is for agents and not for Envoy.
    #[must_use]
    pub const fn is_for_agents(self) -> bool {
        matches!(self, Self::ServerLimits | Self::ResourceProfiles | Self::BackupJob)
    }
}
