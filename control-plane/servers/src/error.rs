use slotway_store::{ResourceFieldError, StoreError};

/// The failures of servers, their limits and their profiles.
#[derive(Debug, thiserror::Error)]
pub enum ServersError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A value cannot be.
    #[error("{name}: {error}")]
    Value {
        /// The name of the resource.
        name: String,
        /// The field, and what is wrong with it.
        error: ResourceFieldError,
    },
    /// The limits leave no room for a server.
    #[error("{}", no_room(usage.as_deref(), *servers_max, holders))]
    NoRoom {
        /// The name of the server that was refused.
        name: String,
        /// The usage whose limit is reached; `None` if the limit of all servers is.
        usage: Option<String>,
        /// The limit.
        servers_max: u32,
        /// The names of the servers that count against it.
        holders: Vec<String>,
    },
    /// A server names a worker that does not exist.
    #[error("there is no worker {worker:?}")]
    UnknownWorker {
        /// The name of the server that was refused.
        name: String,
        /// The worker.
        worker: String,
        /// Workers that exist, a bounded number of them.
        known: Vec<String>,
    },
    /// A change contradicts the current state.
    #[error("{reason}")]
    Conflict {
        /// The name of the resource.
        name: String,
        /// What contradicts it.
        reason: String,
    },
}

fn no_room(usage: Option<&str>, servers_max: u32, holders: &[String]) -> String {
    let of = usage.map_or_else(|| "in all".to_owned(), |usage| format!("of usage {usage:?}"));
    let there = if holders.is_empty() {
        "none exists".to_owned()
    } else {
        format!("these exist: {}", holders.join(", "))
    };
    format!(
        "at most {servers_max} servers {of} may run, and {there}; delete a server, or raise the limit (ServerLimits/slotway)"
    )
}
