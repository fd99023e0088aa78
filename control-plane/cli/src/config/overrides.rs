use std::{net::SocketAddr, path::PathBuf};

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};

use super::Config;
use crate::commands::CliError;
use slotway_api_types::Variant;
use slotway_runtime::telemetry::{LogFormat, LogLevel};
use slotway_store::StoreSettings;

/// Settings of flags and the environment. A flag overrides the environment, which overrides the file.
#[derive(Debug, Clone, Default, Args)]
pub struct Overrides {
    /// The address on which Envoy listens to clients
    #[arg(long, env = "SLOTWAY_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// The address of the REST API
    #[arg(long, env = "SLOTWAY_API", value_name = "ADDRESS")]
    pub api: Option<SocketAddr>,
    /// The address of xDS
    #[arg(long, env = "SLOTWAY_XDS", value_name = "ADDRESS")]
    pub xds: Option<SocketAddr>,
    /// The address of Envoy's admin port
    #[arg(long, env = "SLOTWAY_ENVOY_ADMIN", value_name = "ADDRESS")]
    pub envoy_admin: Option<SocketAddr>,
    /// The number of Envoy's worker threads
    #[arg(long, env = "SLOTWAY_CONCURRENCY", value_name = "NUMBER",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(super::CONCURRENCY_MAX)))]
    pub concurrency: Option<u32>,
    /// The variant of xDS that Envoy is configured to use
    #[arg(long, env = "SLOTWAY_XDS_VARIANT", value_name = "VARIANT",
          value_parser = PossibleValuesParser::new(Variant::NAMES).try_map(|name| name.parse::<Variant>()))]
    pub xds_variant: Option<Variant>,
    /// The directory of the database, the admin token and Envoy's log
    #[arg(long, env = "SLOTWAY_STATE", value_name = "DIRECTORY")]
    pub state: Option<PathBuf>,
    /// The store: sqlite, or postgres://USER@HOST:PORT/DATABASE
    // Text, since clap prints a rejected value, which may contain a password.
    #[arg(long, env = "SLOTWAY_STORE", value_name = "STORE", hide_env_values = true)]
    pub store: Option<String>,
    /// The log level: error, warn, info, debug, trace, or directives such as `warn,slotway_xds=debug`
    #[arg(long, env = "SLOTWAY_LOG", value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,
    /// The format of log lines: text, or one JSON object per line (json)
    #[arg(long, env = "SLOTWAY_LOG_FORMAT", value_name = "FORMAT",
          value_parser = PossibleValuesParser::new(LogFormat::NAMES).try_map(|name| name.parse::<LogFormat>()))]
    pub log_format: Option<LogFormat>,
}

/// The environment variable with the password of the PostgreSQL database.
const STORE_PASSWORD: &str = "SLOTWAY_STORE_PASSWORD";

impl Overrides {
    /// Applies the overrides to `config`.
    ///
    /// # Errors
    /// [`CliError::Setting`] if the store's URL is not valid.
    pub fn apply(&self, config: &mut Config) -> Result<(), CliError> {
        config.listen = self.listen.unwrap_or(config.listen);
        config.api = self.api.unwrap_or(config.api);
        config.xds = self.xds.unwrap_or(config.xds);
        config.envoy.admin = self.envoy_admin.unwrap_or(config.envoy.admin);
        config.envoy.concurrency = self.concurrency.unwrap_or(config.envoy.concurrency);
        config.envoy.xds_variant = self.xds_variant.unwrap_or(config.envoy.xds_variant);
        if let Some(state) = &self.state {
            config.state.clone_from(state);
        }
        if let Some(level) = &self.log_level {
            config.log.level.clone_from(level);
        }
        config.log.format = self.log_format.unwrap_or(config.log.format);
        if let Some(store) = &self.store {
            config.store = store.parse().map_err(|reason| CliError::Setting { setting: "store", reason })?;
        }
        if let (StoreSettings::Postgres(url), Ok(password)) = (&config.store, std::env::var(STORE_PASSWORD)) {
            config.store = StoreSettings::Postgres(url.clone().with_password(password));
        }
        Ok(())
    }
}
