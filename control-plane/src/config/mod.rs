//! The configuration of `slotway up` and `slotway serve`: a YAML file, over which environment and flags go.

mod api;
mod file;
mod groups;
mod locate;
mod oidc;
mod overrides;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use slotway_config::{Pool, WaitDuration, default_lane_lease};
use slotway_identity::IdentitySettings;
use slotway_runtime::RuntimeError;

pub use api::{ApiLimits, ApiTls};
pub use file::{ConfigFileError, FILE_BYTES_MAX, load, parse};
pub use groups::{EnvoyTls, GroupSettings, XdsTls};
pub(crate) use oidc::CALLBACK as OIDC_CALLBACK;
pub use oidc::OidcSettings;
pub use overrides::Overrides;

use crate::{
    groups::Groups,
    lifecycle::ShutdownSettings,
    store::StoreSettings,
    telemetry::LogSettings,
    xds::{
        Variant,
        access::{Access, Requirement},
    },
};

/// Most worker threads that Envoy may be told to run.
pub const CONCURRENCY_MAX: u32 = 256;

/// Everything that an operator says in the file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where Envoy listens to clients.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Where REST is served, with health and metrics.
    #[serde(default = "default_api")]
    pub api: SocketAddr,
    /// TLS on the port of REST; without it, REST is served in the clear, to this machine alone.
    #[serde(default)]
    pub api_tls: Option<ApiTls>,
    /// Serves REST in the clear to other machines, too: tokens and passwords can then be read on the way.
    #[serde(default)]
    pub api_insecure: bool,
    /// How much one peer may ask, and how many connections there may be.
    #[serde(default)]
    pub api_limits: ApiLimits,
    /// Whether a request from this machine that names it may read without credentials.
    #[serde(default = "yes")]
    pub anonymous_reads: bool,
    /// The provider (OpenID Connect) from which people may come.
    #[serde(default)]
    pub oidc: Option<OidcSettings>,
    /// Where xDS is served, and where the filter's reports arrive.
    #[serde(default = "default_xds")]
    pub xds: SocketAddr,
    /// How Envoy runs.
    #[serde(default)]
    pub envoy: EnvoySettings,
    /// The directory of the database, the admin token and Envoy's log. Relative to the working directory.
    #[serde(default = "default_state")]
    pub state: PathBuf,
    /// Where workers and all other changes are kept: `sqlite`, in the state directory, or the URL of a PostgreSQL
    /// database, which several control planes can share.
    #[serde(default)]
    pub store: StoreSettings,
    /// Adds `x-slotway-worker` and `x-slotway-wait-ms` to answers.
    #[serde(default)]
    pub debug_headers: bool,
    /// How long a lane of Envoy may be silent before it is believed dead, and its slots are looked after.
    #[serde(default = "default_lane_lease")]
    pub lane_lease: WaitDuration,
    /// Envoy's access log; none is written without it. Relative to the working directory.
    #[serde(default)]
    pub access_log: Option<PathBuf>,
    /// TLS on the port of xDS; without it, xDS is served in the clear.
    #[serde(default)]
    pub xds_tls: Option<XdsTls>,
    /// Groups of Envoys beside the one that has every pool, and how their Envoys show that they belong to them.
    #[serde(default)]
    pub groups: Vec<GroupSettings>,
    /// How the end goes once a signal has asked for it.
    #[serde(default)]
    pub shutdown: ShutdownSettings,
    /// What is logged, and how.
    #[serde(default)]
    pub log: LogSettings,
    /// The pools, in the order in which their matches are tried.
    pub pools: Vec<Pool>,
}

/// How Envoy runs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvoySettings {
    /// Envoy's own admin port.
    #[serde(default = "default_admin")]
    pub admin: SocketAddr,
    /// How many worker threads Envoy runs.
    #[serde(default = "default_concurrency", deserialize_with = "concurrency")]
    pub concurrency: u32,
    /// The Envoy to run; searched for if absent.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// How Envoy reaches a control plane that has `xds_tls`.
    #[serde(default)]
    pub tls: Option<EnvoyTls>,
    /// Which variant of xDS Envoy is told to speak; the control plane speaks both.
    #[serde(default)]
    pub xds_variant: Variant,
}

impl Default for EnvoySettings {
    fn default() -> Self {
        Self {
            admin: default_admin(),
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
            debug_headers: false,
            lane_lease: default_lane_lease(),
            access_log: None,
            xds_tls: None,
            groups: Vec::new(),
            shutdown: ShutdownSettings::default(),
            log: LogSettings::default(),
            pools: Vec::new(),
        }
    }
}

impl Config {
    /// Finds two servers on one address, and a port that the system would have yet to choose.
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
                return Err((setting, "port 0 is not a port to be reached at".to_owned()));
            }
        }
        Ok(())
    }

    /// Finds REST that would be served in the clear to other machines without anybody having said so.
    ///
    /// # Errors
    /// The setting, and what is wrong with it.
    pub fn check_api_exposure(&self) -> Result<(), (&'static str, String)> {
        api::check_exposure(self.api, self.api_tls.is_some(), self.api_insecure)
            .map_err(|reason| ("api", reason))
    }

    /// How REST is reached: `https` where it has TLS, else `http`.
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

    /// Which group each pool belongs to.
    #[must_use]
    pub fn groups(&self) -> Groups {
        groups::of(&self.groups)
    }

    /// What each group asks of its Envoys, with the tokens from their files.
    ///
    /// # Errors
    /// [`RuntimeError::File`] for a file that cannot be read or holds no token.
    pub fn access(&self) -> Result<Access, RuntimeError> {
        let requirement = |group: &GroupSettings| {
            let token = group.token()?;
            let names = group.certificate_names.clone();
            Ok((group.name.clone(), Requirement::new(token.as_deref(), names)))
        };
        self.groups.iter().map(requirement).collect()
    }

    /// The addresses that Slotway itself or its Envoy listens on, each with the name of its setting.
    #[must_use]
    pub fn addresses(&self) -> [(&'static str, SocketAddr); 4] {
        [("listen", self.listen), ("api", self.api), ("xds", self.xds), ("envoy.admin", self.envoy.admin)]
    }

    /// The state directory as an absolute path, so that it means the same to Envoy.
    ///
    /// # Errors
    /// Where the working directory cannot be read.
    pub fn state_absolute(&self) -> std::io::Result<PathBuf> {
        std::path::absolute(&self.state)
    }

    /// The file with the admin token.
    #[must_use]
    pub fn token_path(&self) -> PathBuf {
        token_path(&self.state)
    }
}

/// The file with the admin token in a state directory.
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
