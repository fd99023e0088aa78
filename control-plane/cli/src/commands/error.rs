use std::net::SocketAddr;

use slotway_backups::BackupsError;
use slotway_config::WaitDuration;
use slotway_identity::IdentityError;
use slotway_pools::PoolsError;
use slotway_runtime::RuntimeError;
use slotway_servers::ServersError;
use slotway_store::StoreError;
use slotway_watchdog::WatchdogError;

use super::rejected_request::RejectedRequest;
use crate::config::ConfigFileError;
use slotway_api::ApiError;
use slotway_coordinators::CoordinatorsError;

/// The failure of a command. Its text is the message, [`CliError::exit_code`] its exit code.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The arguments, or what they name, cannot be used.
    #[error("{0}")]
    Usage(String),
    /// A flag or an environment variable has a wrong value.
    #[error("{setting}: {reason}")]
    Setting {
        /// The flag or variable.
        setting: &'static str,
        /// Why it is invalid, and what would be valid.
        reason: String,
    },
    /// A configuration or manifest file has an error at a place.
    #[error(transparent)]
    ConfigFile(#[from] ConfigFileError),
    /// A file cannot be read or written, or the operating system refused a call.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The control plane answered with a problem.
    #[error("{0}")]
    Rejected(Box<RejectedRequest>),
    /// The control plane cannot be reached.
    #[error("{url}: {reason}")]
    Unreachable {
        /// Its address.
        url: String,
        /// The failure and its remedy.
        reason: String,
    },
    /// The request cannot be sent, or its answer is not that of a control plane.
    #[error("{url}: {reason}")]
    Request {
        /// The URL of the request.
        url: String,
        /// The failure.
        reason: String,
    },
    /// A state was not reached in time.
    #[error("{what} after {}", WaitDuration::from_ms(*.within_ms))]
    TooLate {
        /// The condition that was not reached.
        what: String,
        /// The time limit.
        within_ms: u64,
    },
    /// A difference was found, and has been printed.
    #[error("something differs")]
    Differs,
    /// Several operations failed.
    #[error("{}", lines(.0))]
    Several(Vec<CliError>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Users, sessions, tokens or the OIDC provider's settings cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The stored pools and workers cannot be loaded, or do not go with the configuration file.
    #[error(transparent)]
    Pools(#[from] PoolsError),
    /// The watchdog cannot run.
    #[error(transparent)]
    Watchdog(#[from] WatchdogError),
    /// An address is already in use.
    #[error(
        "{setting}: {address} is already in use. Stop what listens there, or set `{setting}` to another address"
    )]
    AddressTaken {
        /// The setting that names the address.
        setting: String,
        /// The address.
        address: SocketAddr,
    },
    /// An address cannot be listened on for another reason.
    #[error("{setting}: cannot listen on {address}: {reason}")]
    Address {
        /// The setting that names the address.
        setting: String,
        /// The address.
        address: SocketAddr,
        /// The operating system's reason.
        reason: String,
    },
    /// A program or file that `slotway up` needs is missing.
    #[error("{what} was not found ({looked}); {remedy}")]
    Missing {
        /// The program or file.
        what: &'static str,
        /// The places where it was looked for.
        looked: String,
        /// The remedy.
        remedy: &'static str,
    },
    /// The Envoy of `slotway up` or the xDS server failed.
    #[error(transparent)]
    Coordinators(#[from] CoordinatorsError),
    /// A backup of the store, or its restore, failed.
    #[error(transparent)]
    Backups(#[from] BackupsError),
    /// Servers failed.
    #[error(transparent)]
    Servers(#[from] ServersError),
    /// The REST API failed.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A backup would replace the content of the store, without `--replace`.
    #[error(
        "the store is not empty: {holds}; nothing was changed. --dry-run shows the differences, and --replace replaces its content"
    )]
    StoreNotEmpty {
        /// The content, in words.
        holds: String,
    },
}

impl CliError {
    /// Returns the error of a file.
    pub fn file(path: impl Into<std::path::PathBuf>, reason: impl ToString) -> Self {
        RuntimeError::file(path, reason).into()
    }

    /// Returns the error of a call that the operating system refused.
    pub fn system(doing: &'static str, reason: impl ToString) -> Self {
        RuntimeError::system(doing, reason).into()
    }

    /// Returns success for no error, the only one, or all of them.
    ///
    /// # Errors
    /// If the list is not empty.
    pub(crate) fn all(mut errors: Vec<Self>) -> Result<(), Self> {
        match errors.pop() {
            None => Ok(()),
            Some(only) if errors.is_empty() => Err(only),
            Some(last) => {
                errors.push(last);
                Err(Self::Several(errors))
            }
        }
    }

    /// Returns the stable exit code, as docs/CLI.md lists it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::ConfigFile(_) | Self::Setting { .. } | Self::Usage(_) => 2,
            Self::Rejected(rejected) => rejected.exit_code(),
            Self::Unreachable { .. } => 6,
            Self::Differs => 7,
            Self::TooLate { .. } => 8,
            Self::Several(errors) => errors.first().map_or(1, Self::exit_code),
            Self::StoreNotEmpty { .. } => 5,
            Self::Runtime(_)
            | Self::Request { .. }
            | Self::Store(_)
            | Self::Identity(_)
            | Self::Missing { .. }
            | Self::Coordinators(_)
            | Self::Pools(_)
            | Self::Watchdog(_)
            | Self::Backups(_)
            | Self::Servers(_)
            | Self::Api(_)
            | Self::Address { .. }
            | Self::AddressTaken { .. } => 1,
        }
    }
}

fn lines(errors: &[CliError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\nslotway: ")
}
