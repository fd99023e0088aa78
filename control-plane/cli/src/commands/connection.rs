use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use slotway_config::Protocol;
use slotway_runtime::tls::{self, ClientConfig, TrustedRoots};

use super::{client::ApiClient, credential::Credential, origin::Origin};
use crate::commands::CliError;
use crate::config::{Config, load};
use slotway_coordinators::envoy::reachable;

/// The environment variable with the token. There is no flag for it, since all users of a machine can read the arguments of its processes.
const TOKEN: &str = "SLOTWAY_TOKEN";

/// The control plane's address and the credential. A flag overrides the environment, which overrides the file.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which control plane, and who asks")]
pub(super) struct Connection {
    /// The control plane: http://HOST:PORT, https://HOST or HOST:PORT [default: 127.0.0.1:8080]
    #[arg(long, env = "SLOTWAY_API", hide_env_values = true, value_name = "URL|ADDRESS")]
    // Text, since clap prints a rejected value, which may contain a secret.
    api: Option<String>,
    /// A file with the token; SLOTWAY_TOKEN holds the token itself
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificate authorities (PEM) to trust instead of the system's
    #[arg(long, env = "SLOTWAY_CA_FILE", hide_env_values = true, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The control plane's configuration file, for its address and the admin token of its state directory
    #[arg(short = 'c', long, env = "SLOTWAY_CONFIG", hide_env_values = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The state directory with the admin token, which is only sent to this machine [default: .slotway]
    #[arg(long, env = "SLOTWAY_STATE", hide_env_values = true, value_name = "DIRECTORY")]
    state_directory: Option<PathBuf>,
}

/// Makes `-f` an alias of `-c`, for verbs that have no other use for it.
pub(super) fn also_by_file(config: clap::Arg) -> clap::Arg {
    config.visible_short_alias('f').visible_alias("file")
}

impl Connection {
    /// Returns the connection of the environment variables alone, for shell completion.
    pub(super) fn of_environment() -> Self {
        let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            api: std::env::var("SLOTWAY_API").ok(),
            token_file: None,
            ca_file: path("SLOTWAY_CA_FILE"),
            config: path("SLOTWAY_CONFIG"),
            state_directory: path("SLOTWAY_STATE"),
        }
    }

    /// Returns the control plane's configuration file, if given.
    pub(super) fn file(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// Returns the state directory, if given apart from the file.
    pub(super) fn state(&self) -> Option<&Path> {
        self.state_directory.as_deref()
    }

    /// Returns the client.
    ///
    /// # Errors
    /// [`CliError::Setting`] or [`CliError::ConfigFile`] for a file that is missing or not valid.
    pub(super) fn client(&self) -> Result<ApiClient, CliError> {
        let mut config = match &self.config {
            Some(file) => load(file)?,
            None => Config::default(),
        };
        if let Some(state) = &self.state_directory {
            config.state.clone_from(state);
        }
        let origin = match &self.api {
            Some(api) => api.parse().map_err(|reason| CliError::Setting { setting: "--api", reason })?,
            None => Origin::of(reachable(config.api), config.api_tls.is_some()),
        };
        let credential = self.credential(&config, &origin)?;
        let roots = if origin.secure { Some(self.roots()?) } else { None };
        if credential.is_some() && !origin.secure && !origin.is_here() {
            eprintln!("slotway: warning: the token is sent to {origin} unencrypted. Use https");
        }
        Ok(ApiClient::new(origin, credential, roots))
    }

    /// Returns the TLS configuration that trusts the named authorities, or those of the system.
    fn roots(&self) -> Result<Arc<ClientConfig>, CliError> {
        let client = tls::client(TrustedRoots::of(self.ca_file.as_deref()), Protocol::Http1);
        client.map_err(|error| CliError::Setting { setting: "--ca-file", reason: error.to_string() })
    }

    fn credential(&self, config: &Config, origin: &Origin) -> Result<Option<Credential>, CliError> {
        if let Some(file) = &self.token_file {
            return Credential::load(file).map(Some);
        }
        if let Ok(token) = std::env::var(TOKEN) {
            let reason = "it holds no token. Unset it, or set it to a token".to_owned();
            let bad = || CliError::Setting { setting: TOKEN, reason };
            return Credential::new(&token).ok_or_else(bad).map(Some);
        }
        // The admin token of this machine is not sent to another one.
        if !origin.is_here() {
            return Ok(None);
        }
        // Reads on this machine need no token, so an unreadable one only matters once a request is refused.
        let token = std::fs::read_to_string(config.token_path()).ok();
        Ok(token.as_deref().and_then(Credential::new))
    }
}
