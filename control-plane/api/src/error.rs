use slotway_api_types::ResourceKind;
use slotway_servers::ServersError;
use slotway_store::ResourceError;

use slotway_coordinators::CoordinatorsError;
use slotway_store::StoreError;

/// The failure of a request. [`Problem`](super::Problem) maps it to `application/problem+json`.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The process's surroundings failed.
    #[error(transparent)]
    Runtime(#[from] slotway_runtime::RuntimeError),
    /// Authentication failed, or a change of users, sessions or tokens.
    #[error(transparent)]
    Identity(#[from] slotway_identity::IdentityError),
    /// Envoys, their reports, or the Envoy of `slotway up` failed.
    #[error(transparent)]
    Coordinators(#[from] CoordinatorsError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A change of pools or workers failed.
    #[error(transparent)]
    Pools(#[from] slotway_pools::PoolsError),
    /// Concurrent changes won each attempt.
    #[error("concurrent changes by other control planes; nothing was changed, try again")]
    Busy,
    /// A body, header or query is not valid.
    #[error("{reason}")]
    BadBody {
        /// The index of the entry, from 0.
        index: Option<usize>,
        /// The path of the field.
        field: Option<String>,
        /// What is wrong, and what would be valid.
        reason: String,
    },
    /// A valid body conflicts with the current state.
    #[error("{reason}")]
    Conflict {
        /// The index of the entry, from 0.
        index: Option<usize>,
        /// The path of the field.
        field: Option<&'static str>,
        /// What is wrong, and what would be valid.
        reason: String,
    },
    /// The precondition on the version does not hold.
    #[error("{}", stale(*found))]
    Stale {
        /// The current version; none if the resource does not exist.
        found: Option<u64>,
    },
    /// The worker does not exist.
    #[error("there is no worker {worker:?}")]
    UnknownWorker {
        /// The requested name.
        worker: String,
        /// Known names, a bounded number of them.
        known: Vec<String>,
    },
    /// The pool does not exist.
    #[error("there is no pool {pool:?}")]
    UnknownPool {
        /// The requested name.
        pool: String,
        /// Known names.
        known: Vec<String>,
    },
    /// One item of a list failed.
    #[error("{error}")]
    Item {
        /// Its index, from 0.
        index: usize,
        /// Its failure.
        error: Box<Self>,
    },
    /// The coordinator is not connected.
    #[error("no Envoy with the node id {name:?} is connected here")]
    UnknownCoordinator {
        /// The requested name.
        name: String,
        /// Known names, a bounded number of them.
        known: Vec<String>,
    },
    /// Events are not available.
    #[error("{0}")]
    NoEvents(&'static str),
    /// The resource does not exist.
    #[error("there is no {} {name:?}", kind.title)]
    UnknownResource {
        /// The kind.
        kind: &'static ResourceKind,
        /// The name that was asked for.
        name: String,
        /// Names that exist, a bounded number of them.
        known: Vec<String>,
    },
    /// A domain refused a change of its resources.
    #[error(transparent)]
    Resource(ResourceError),
    /// Servers failed.
    #[error(transparent)]
    Servers(#[from] ServersError),
    /// The request has no credentials.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// The address exceeds its rate limit.
    #[error(
        "the rate limit of this address is exceeded (`api_limits` in the configuration). Wait {wait_s} s"
    )]
    TooManyRequests {
        /// The time to wait, in seconds.
        wait_s: u64,
    },
    /// A report without credentials for xDS.
    #[error("a report needs the token or the certificate of a group, as xDS does")]
    NotANode,
    /// A report for a node of another group than its sender's credentials.
    #[error("{}", not_its_node(*connected))]
    NotItsNode {
        /// Whether the node is connected, so that its group is known.
        connected: bool,
    },
    /// A report that a browser sends for a page.
    #[error(
        "reports come from the filter in Envoy, and this request comes from a page in a browser (`origin`, `sec-fetch-site`)"
    )]
    ReportOfAPage,
    /// A report without the key of its coordinator.
    #[error("{}", no_node_key(*given))]
    NoNodeKey {
        /// Whether the report has a key.
        given: bool,
    },
    /// A coordinator sends more reports than a filter does.
    #[error("more reports of this coordinator than a filter sends. Report again in {wait_s} s")]
    TooManyReports {
        /// The time to wait, in seconds.
        wait_s: u64,
    },
    /// A body of another media type than JSON.
    #[error("the body must be JSON. Send `content-type: application/json`")]
    NotJson,
    /// A body above the limit.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// A defect, or the operating system refused a call.
    #[error("{doing}: {reason}")]
    System {
        /// The operation.
        doing: &'static str,
        /// The reason.
        reason: String,
    },
}

fn stale(found: Option<u64>) -> String {
    match found {
        Some(version) => {
            format!("the current version is {version}, not the expected one. Read it again and decide anew")
        }
        None => "it does not exist. Read the list again and decide anew".to_owned(),
    }
}

fn not_its_node(connected: bool) -> &'static str {
    if connected {
        "the report is for a coordinator of another group than that of its token or certificate. Each group's Envoys \
         use the credentials of their own group (`slotway bootstrap --group NAME`)"
    } else {
        "the report is for a coordinator that is not connected, so its group is unknown, and its token or \
         certificate is not valid for every group. Report again once xDS is connected"
    }
}

fn no_node_key(given: bool) -> &'static str {
    if given {
        "`x-slotway-node-key` is not the key of the coordinator that `x-slotway-node` and the report name. Print the bootstrap of \
         that Envoy again, where the control plane keeps its node key, and restart it: \
         slotway bootstrap -f FILE --node NAME --group GROUP"
    } else {
        "the report has no key of its coordinator (`x-slotway-node`, `x-slotway-node-key`). The bootstrap of that Envoy is of an \
         earlier version: print the bootstrap again and restart Envoy: slotway bootstrap -f FILE --node NAME --group GROUP"
    }
}

impl From<ResourceError> for ApiError {
    fn from(error: ResourceError) -> Self {
        match error {
            ResourceError::Store(error) => Self::Store(error),
            error => Self::Resource(error),
        }
    }
}

impl ApiError {
    /// Returns the time to wait before a retry, in seconds.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::Identity(error) => error.retry_after_s(),
            Self::TooManyRequests { wait_s } | Self::TooManyReports { wait_s } => Some(*wait_s),
            _ => None,
        }
    }
}
