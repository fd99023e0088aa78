use std::path::PathBuf;

use slotway_api_types::ResourceKind;
use slotway_backups::BackupsError;
use slotway_servers::ServersError;
use slotway_store::ResourceError;

use crate::{coordinators::CoordinatorsError, store::StoreError};

/// Everything that can go wrong in the control plane, in words for the person who has to mend it. `api::problem` turns
/// it into an answer, `cli` into a line and an exit code.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A flag or an environment variable does not go with the rest of the configuration.
    #[error("{setting}: {reason}")]
    Setting {
        /// The setting, as the file names it.
        setting: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
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
    /// Other control planes were faster each time that a change was tried.
    #[error("other control planes change the same all the time; nothing was changed, try again")]
    Busy,
    /// A body is not what was asked for.
    #[error("{reason}")]
    BadBody {
        /// Which entry of the list, from 0.
        index: Option<usize>,
        /// Which field of it.
        field: Option<String>,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A body is right in itself but contradicts what is there.
    #[error("{reason}")]
    Conflict {
        /// Which entry of the list, from 0.
        index: Option<usize>,
        /// Which field of it.
        field: Option<&'static str>,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// Somebody else has changed it since, or there is one where none was expected.
    #[error("{}", stale(*found))]
    Stale {
        /// The version that is there; none where there is nothing.
        found: Option<u64>,
    },
    /// There is no such worker.
    #[error("there is no worker {worker:?}")]
    UnknownWorker {
        /// What was asked for.
        worker: String,
        /// What there is, a bounded number of them.
        known: Vec<String>,
    },
    /// There is no such pool.
    #[error("there is no pool {pool:?}")]
    UnknownPool {
        /// What was asked for.
        pool: String,
        /// What there is.
        known: Vec<String>,
    },
    /// What is wrong with one of several that were sent.
    #[error("{error}")]
    Item {
        /// Which one, from 0.
        index: usize,
        /// What is wrong with it.
        error: Box<Self>,
    },
    /// There is no such coordinator.
    #[error("no Envoy with the node id {name:?} is connected here")]
    UnknownCoordinator {
        /// What was asked for.
        name: String,
        /// What there is, a bounded number of them.
        known: Vec<String>,
    },
    /// Nobody can listen to events now.
    #[error("{0}")]
    NoEvents(&'static str),
    /// There is no such resource.
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
    /// Backups failed.
    #[error(transparent)]
    Backups(#[from] BackupsError),
    /// Servers failed.
    #[error(transparent)]
    Servers(#[from] ServersError),
    /// It is not known who asks: credentials are needed and did not come, or wrong ones did.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// An address asks too much.
    #[error(
        "this address sends more requests than it may (`api_limits` in the configuration); wait {wait_s} s"
    )]
    TooManyRequests {
        /// How long, in seconds.
        wait_s: u64,
    },
    /// A report of nobody who may connect to xDS.
    #[error("reports need the token or the certificate of a group, as xDS does")]
    NotANode,
    /// A report that speaks for a node of a group that its sender is not let into.
    #[error("{}", not_its_node(*connected))]
    NotItsNode {
        /// Whether the node is connected, and so its group known.
        connected: bool,
    },
    /// A body of another type than JSON.
    #[error("the body must be JSON: send it with `content-type: application/json`")]
    NotJson,
    /// A body above the limit.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// A file or directory cannot be used.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// A backup was to be restored where there is something already.
    #[error(
        "there is something in the store already: {holds}; nothing was changed. --dry-run shows what the backup would change, and \
         --replace puts it in the place of what is there"
    )]
    NotEmpty {
        /// What is there, in words.
        holds: String,
    },
    /// The system refused something that always works.
    #[error("{doing}: {reason}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// The system's reason.
        reason: String,
    },
}

fn stale(found: Option<u64>) -> String {
    match found {
        Some(version) => format!(
            "it is at version {version} now, which is not what was expected; read it again and decide anew"
        ),
        None => "there is none, or no longer; read the list again and decide anew".to_owned(),
    }
}

fn not_its_node(connected: bool) -> &'static str {
    if connected {
        "the report speaks for a coordinator of a group that its token or certificate does not let into; each group's Envoys \
         send their own group's (`slotway bootstrap --group NAME`)"
    } else {
        "the report speaks for a coordinator that is not connected, so that its group is not known, and its token or \
         certificate does not let into every group: report again once xDS is connected"
    }
}

impl From<ResourceError> for Error {
    fn from(error: ResourceError) -> Self {
        match error {
            ResourceError::Store(error) => Self::Store(error),
            error => Self::Resource(error),
        }
    }
}

impl Error {
    /// A problem with a file, in the system's words.
    pub fn file(path: impl Into<PathBuf>, reason: impl ToString) -> Self {
        Self::File { path: path.into(), reason: reason.to_string() }
    }

    /// How long whoever asked should wait before they ask again, in seconds.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::Identity(error) => error.retry_after_s(),
            Self::TooManyRequests { wait_s } => Some(*wait_s),
            _ => None,
        }
    }

    /// The stable exit code of a command that failed with this, as docs/CLI.md has it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Setting { .. } => 2,
            Self::NotEmpty { .. } => 5,
            _ => 1,
        }
    }
}
