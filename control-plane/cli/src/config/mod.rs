//! The configuration of `slotway up` and `slotway serve`: a YAML file, overridden by the environment and flags.

mod api;
mod exposure;
mod file;
mod groups;
mod locate;
mod oidc;
mod overrides;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, de};
use slotway_config::{Pool, WaitDuration, default_lane_lease};
use slotway_coordinators::NodeKeys;
use slotway_identity::IdentitySettings;
use slotway_runtime::{RuntimeError, file::create_private_directory};
use slotway_xds::{GroupRequirement, NodeAccess};

pub use api::{ApiLimits, ApiTls};
pub use file::{ConfigFileError, FILE_BYTES_MAX, load, parse};
pub use groups::{EnvoyTls, GroupSettings, XdsTls};
pub use oidc::OidcSettings;
pub use overrides::Overrides;

use slotway_api_types::Variant;
use slotway_pools::{CaDirectories, DEFAULT_GROUP, DEFAULT_READY_PATH, Groups, ListenerSettings};
use slotway_runtime::ShutdownSettings;
use slotway_runtime::telemetry::LogSettings;
use slotway_store::StoreSettings;

/// The largest number of Envoy's worker threads.
pub const CONCURRENCY_MAX: u32 = 256;

/// The warning about a store for several control planes without a common node key.
const NODE_KEY_OF_SEVERAL: &str = "node_key_file: not set, so this control plane has a node key of its own. Control planes on one PostgreSQL \
     database need the same file: without it, a control plane refuses the reports of Envoys whose bootstrap another one has printed";

/// The settings of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The address on which Envoy listens to clients.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// The address of the REST API, health and metrics.
    #[serde(default = "default_api")]
    pub api: SocketAddr,
    /// TLS of the REST port. Without it, REST is served unencrypted, and only to this machine.
    #[serde(default)]
    pub api_tls: Option<ApiTls>,
    /// Permits unencrypted REST for other machines. Tokens and passwords can then be intercepted.
    #[serde(default)]
    pub api_insecure: bool,
    /// Limits of requests per address, and of connections.
    #[serde(default)]
    pub api_limits: ApiLimits,
    /// Whether requests from this machine that address it as such may read without credentials.
    #[serde(default = "yes")]
    pub anonymous_reads: bool,
    /// The OpenID Connect provider for signing in.
    #[serde(default)]
    pub oidc: Option<OidcSettings>,
    /// The address of xDS and of the filter's reports.
    #[serde(default = "default_xds")]
    pub xds: SocketAddr,
    /// The supervised Envoy.
    #[serde(default)]
    pub envoy: EnvoySettings,
    /// The directory of the database, the admin token and Envoy's log, relative to the working directory.
    #[serde(default = "default_state")]
    pub state: PathBuf,
    /// The store: `sqlite`, in the state directory, or the URL of a PostgreSQL database, which several control planes can
    /// share.
    #[serde(default)]
    pub store: StoreSettings,
    /// The file of the key from which the keys of all nodes are derived. It must exist, and be the same for all control planes of one
    /// store. By default it is `node-key` in the state directory, made at the first need.
    #[serde(default)]
    pub node_key_file: Option<PathBuf>,
    /// Whether responses get the headers `x-slotway-worker` and `x-slotway-wait-ms`.
    #[serde(default)]
    pub debug_headers: bool,
    /// The time without a sign of life after which a lane is considered dead and its slots are recovered.
    #[serde(default = "default_lane_lease")]
    pub lane_lease: WaitDuration,
    /// Envoy's access log, relative to the working directory; none by default.
    #[serde(default)]
    pub access_log: Option<PathBuf>,
    /// The path that Envoy answers itself on the port for clients, for health checks of load balancers.
    #[serde(default = "default_ready_path", deserialize_with = "ready_path")]
    pub ready_path: String,
    /// TLS of the xDS port. Without it, xDS is served unencrypted.
    #[serde(default)]
    pub xds_tls: Option<XdsTls>,
    /// Permits xDS for other machines without TLS or without credentials of the Envoys.
    #[serde(default)]
    pub xds_insecure: bool,
    /// Groups of Envoys beside the default group, with their pools and credentials.
    #[serde(default)]
    pub groups: Vec<GroupSettings>,
    /// The directories below which a worker's `tls.ca_file` has to be that is set over REST. Files that this file names may be
    /// anywhere.
    #[serde(default)]
    pub worker_ca_directories: CaDirectories,
    /// The ordered shutdown.
    #[serde(default)]
    pub shutdown: ShutdownSettings,
    /// The log.
    #[serde(default)]
    pub log: LogSettings,
    /// The pools, in the order in which their matches are tried.
    pub pools: Vec<Pool>,
}

/// The largest `ready_path`, in bytes.
const READY_PATH_BYTES_MAX: usize = 256;

/// The supervised Envoy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvoySettings {
    /// The address of Envoy's admin port.
    #[serde(default = "default_admin")]
    pub admin: SocketAddr,
    /// Permits an admin port that other machines can reach.
    #[serde(default)]
    pub admin_insecure: bool,
    /// The number of Envoy's worker threads.
    #[serde(default = "default_concurrency", deserialize_with = "concurrency")]
    pub concurrency: u32,
    /// The Envoy binary; searched for if absent.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// How Envoy connects to a control plane that has `xds_tls`.
    #[serde(default)]
    pub tls: Option<EnvoyTls>,
    /// The variant of xDS that Envoy uses; the control plane supports both.
    #[serde(default)]
    pub xds_variant: Variant,
}

impl Default for EnvoySettings {
    fn default() -> Self {
        Self {
            admin: default_admin(),
            admin_insecure: false,
            concurrency: default_concurrency(),
            path: None,
            tls: None,
            xds_variant: Variant::default(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: default_listen(),
            api: default_api(),
            api_tls: None,
            api_insecure: false,
            api_limits: ApiLimits::default(),
            anonymous_reads: true,
            oidc: None,
            xds: default_xds(),
            envoy: EnvoySettings::default(),
            state: default_state(),
            store: StoreSettings::Sqlite,
            node_key_file: None,
            debug_headers: false,
            lane_lease: default_lane_lease(),
            access_log: None,
            ready_path: default_ready_path(),
            xds_tls: None,
            xds_insecure: false,
            groups: Vec::new(),
            worker_ca_directories: CaDirectories::default(),
            shutdown: ShutdownSettings::default(),
            log: LogSettings::default(),
            pools: Vec::new(),
        }
    }
}

impl Config {
    /// Checks that no address is used twice, and that no port is 0.
    ///
    /// # Errors
    /// The setting, and what is wrong with it.
    pub fn check_addresses(&self) -> Result<(), (&'static str, String)> {
        let addresses = self.addresses();
        for (i, (setting, address)) in addresses.iter().enumerate() {
            if let Some((other, _)) = addresses[..i].iter().find(|(_, other)| other == address) {
                return Err((setting, format!("{address} is already the address of `{other}`")));
            }
            if address.port() == 0 {
                return Err((setting, "port 0 is not allowed".to_owned()));
            }
        }
        Ok(())
    }

    /// Checks that no port can be reached from other machines without protection, unless `api_insecure`, `xds_insecure` or
    /// `envoy.admin_insecure` permits it.
    ///
    /// # Errors
    /// The setting, and what is wrong with it.
    pub fn check_exposure(&self) -> Result<(), (&'static str, String)> {
        exposure::check(self)
    }

    /// Returns the scheme of the REST API: `https` with TLS, else `http`.
    #[must_use]
    pub fn api_scheme(&self) -> &'static str {
        if self.api_tls.is_some() { "https" } else { "http" }
    }

    /// Returns the settings of authentication.
    #[must_use]
    pub fn identity_settings(&self) -> IdentitySettings {
        let is_provider_redirect_tls =
            self.oidc.as_ref().is_some_and(|oidc| oidc.redirect_url.starts_with("https://"));
        IdentitySettings {
            anonymous_reads: self.anonymous_reads,
            secure_cookies: self.api_tls.is_some() || is_provider_redirect_tls,
        }
    }

    /// Returns the group of each pool.
    #[must_use]
    pub fn groups(&self) -> Groups {
        groups::of(&self.groups)
    }

    /// Returns the credentials that each group requires of its Envoys, with the tokens of their files.
    ///
    /// # Errors
    /// [`RuntimeError::File`] for a file that cannot be read or holds no token.
    pub fn access(&self) -> Result<NodeAccess, RuntimeError> {
        let requirement = |group: &GroupSettings| {
            let token = group.token()?;
            let names = group.certificate_names.clone();
            Ok((group.name.clone(), GroupRequirement::new(token.as_deref(), names)))
        };
        let requirements: Vec<_> =
            self.groups.iter().map(requirement).collect::<Result<_, RuntimeError>>()?;
        Ok(NodeAccess::new(DEFAULT_GROUP, requirements))
    }

    /// Returns the file of the key of the cluster.
    #[must_use]
    pub fn node_key_path(&self) -> PathBuf {
        self.node_key_file.clone().unwrap_or_else(|| self.state.join("node-key"))
    }

    /// Reads the keys of the nodes. Without `node_key_file`, creates the key of the cluster if there is none, and the state directory
    /// with it.
    ///
    /// # Errors
    /// [`RuntimeError::File`] for a file that cannot be read or made, or that holds no key.
    pub fn node_keys(&self) -> Result<NodeKeys, RuntimeError> {
        let path = self.node_key_path();
        if self.node_key_file.is_some() {
            // Not made here: each machine would have another one.
            return NodeKeys::load(&path);
        }
        create_private_directory(&self.state).map_err(|error| RuntimeError::file(&self.state, error))?;
        NodeKeys::load_or_create(&path)
    }

    /// Reads the keys of the nodes if there are any, and creates none.
    #[must_use]
    pub fn made_node_keys(&self) -> Option<NodeKeys> {
        NodeKeys::load(&self.node_key_path()).ok()
    }

    /// Returns the warnings about settings that are valid and probably not what is meant.
    #[must_use]
    pub fn warnings(&self) -> Vec<&'static str> {
        let is_own_key_of_several = self.store != StoreSettings::Sqlite && self.node_key_file.is_none();
        is_own_key_of_several.then_some(NODE_KEY_OF_SEVERAL).into_iter().collect()
    }

    /// Returns how Envoy listens, with the filter's module.
    ///
    /// # Errors
    /// [`RuntimeError::File`] if the working directory cannot be read.
    pub fn listener_settings(&self, filter_wasm: PathBuf) -> Result<ListenerSettings, RuntimeError> {
        let access_log = self.access_log.as_ref().map(std::path::absolute).transpose();
        Ok(ListenerSettings {
            listen: self.listen,
            debug_headers: self.debug_headers,
            lane_lease: self.lane_lease,
            access_log: access_log.map_err(|error| RuntimeError::file("access_log", error))?,
            filter_wasm,
            ready_path: self.ready_path.clone(),
            groups: self.groups(),
            lanes: self.envoy.concurrency,
        })
    }

    /// Returns the addresses on which Slotway or its Envoy listens, with the names of their settings.
    #[must_use]
    pub fn addresses(&self) -> [(&'static str, SocketAddr); 4] {
        [("listen", self.listen), ("api", self.api), ("xds", self.xds), ("envoy.admin", self.envoy.admin)]
    }

    /// Returns the state directory as an absolute path, which Envoy needs.
    ///
    /// # Errors
    /// If the working directory cannot be read.
    pub fn state_absolute(&self) -> std::io::Result<PathBuf> {
        std::path::absolute(&self.state)
    }

    /// Returns the file of the admin token.
    #[must_use]
    pub fn token_path(&self) -> PathBuf {
        token_path(&self.state)
    }
}

/// Returns the file of the admin token in a state directory.
#[must_use]
pub fn token_path(state: &Path) -> PathBuf {
    state.join("admin-token")
}

fn yes() -> bool {
    true
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn default_listen() -> SocketAddr {
    loopback(10_000)
}

fn default_api() -> SocketAddr {
    loopback(8_080)
}

fn default_xds() -> SocketAddr {
    loopback(18_000)
}

fn default_ready_path() -> String {
    DEFAULT_READY_PATH.to_owned()
}

/// Reads a path without a query.
fn ready_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let path = String::deserialize(deserializer)?;
    let is_right = path.len() > 1
        && path.starts_with('/')
        && path.len() <= READY_PATH_BYTES_MAX
        && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#%".contains(&byte));
    if is_right {
        return Ok(path);
    }
    Err(de::Error::custom(format!(
        "{path:?} is not a path such as {DEFAULT_READY_PATH}: at most {READY_PATH_BYTES_MAX} bytes, without ?, # and %"
    )))
}

fn default_admin() -> SocketAddr {
    loopback(9_901)
}

fn default_concurrency() -> u32 {
    2
}

fn default_state() -> PathBuf {
    PathBuf::from(".slotway")
}

fn concurrency<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = u32::deserialize(deserializer)?;
    if (1..=CONCURRENCY_MAX).contains(&number) {
        Ok(number)
    } else {
        let reason = format!("concurrency {number} is out of range: it must be from 1 to {CONCURRENCY_MAX}");
        Err(serde::de::Error::custom(reason))
    }
}
