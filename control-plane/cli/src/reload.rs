//! Reloads the configuration file while the control plane runs (SIGHUP). Settings that can be changed are put in force,
//! settings that need a restart are named, and an invalid file changes nothing.

use std::{path::PathBuf, sync::Arc};

use slotway_xds::NodeAccess;
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;

use crate::commands::CliError;
use crate::config::{ApiTls, Config, XdsTls};
use slotway_pools::Pools;
use slotway_runtime::telemetry::LiveLog;
use slotway_runtime::{ReloadOutcome, Reloads};

/// The parts of a running control plane that take a new configuration.
#[derive(Clone)]
pub(crate) struct Reloadable {
    pub(crate) workers: Arc<Pools>,
    pub(crate) reloads: Arc<Reloads>,
    /// The credentials that each group requires of its Envoys.
    pub(crate) access: watch::Sender<Arc<NodeAccess>>,
    /// TLS of the port of xDS, if it has any.
    pub(crate) xds_tls: Option<watch::Sender<Arc<ServerConfig>>>,
    /// TLS of the port of REST, if it has any.
    pub(crate) api_tls: Option<watch::Sender<Arc<ServerConfig>>>,
}

/// Knows what is in force, and puts a new file in force.
pub(crate) struct Reloader {
    /// The configuration in force. Settings that need a restart have their value from the start.
    config: Config,
    filter: PathBuf,
    log: LiveLog,
}

impl Reloader {
    pub(crate) fn new(config: Config, filter: PathBuf, log: LiveLog) -> Self {
        Self { config, filter, log }
    }

    /// The settings in force.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Reads the file again with `load` and puts it in force. Returns the outcome as text for the service manager; the
    /// log and the metrics report it too.
    pub(crate) async fn reload(
        &mut self,
        live: &Reloadable,
        load: impl Fn() -> Result<Config, CliError>,
    ) -> &'static str {
        let outcome = match load() {
            Ok(config) => self.put_in_force(live, config).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(needs_restart) if needs_restart.is_empty() => {
                live.reloads.count(ReloadOutcome::Done);
                tracing::info!("configuration reloaded");
                "serving; the configuration was reloaded"
            }
            Ok(needs_restart) => {
                live.reloads.count(ReloadOutcome::Done);
                let settings = needs_restart.join(", ");
                tracing::warn!(settings, "configuration reloaded, except settings that need a restart");
                "serving; the configuration was reloaded, some of it needs a restart"
            }
            Err(error) => {
                live.reloads.count(ReloadOutcome::Refused);
                tracing::error!(%error, "configuration reload refused, nothing was changed");
                "serving; the changed configuration was refused"
            }
        }
    }

    /// Puts a new configuration in force, or changes nothing. Returns the changed settings that need a restart.
    async fn put_in_force(&mut self, live: &Reloadable, new: Config) -> Result<Vec<&'static str>, CliError> {
        let needs_restart = needs_restart(&self.config, &new);
        let next = with_what_can_change(&self.config, new);
        // Everything that may fail comes first, the store last: no later step can fail.
        let access = next.access()?;
        let xds_tls = next.xds_tls.as_ref().map(XdsTls::server).transpose()?;
        let api_tls = next.api_tls.as_ref().map(ApiTls::server).transpose()?;
        let listener = next.listener_settings(self.filter.clone())?;
        live.workers.redeclare(&next.pools, listener).await?;
        if let (Some(live), Some(tls)) = (&live.xds_tls, xds_tls) {
            live.send_replace(tls);
        }
        if let (Some(live), Some(tls)) = (&live.api_tls, api_tls) {
            live.send_replace(tls);
        }
        live.access.send_if_modified(|now| {
            let differs = **now != access;
            *now = Arc::new(access);
            differs
        });
        if next.log.level != self.config.log.level {
            self.log.set_level(&next.log.level);
        }
        self.config = next;
        Ok(needs_restart)
    }
}

/// The settings that differ and are what they were until a restart, by their names in the file.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let (old_envoy, new_envoy) = (&old.envoy, &new.envoy);
    let settings = [
        ("listen", old.listen != new.listen),
        ("api", old.api != new.api),
        ("api_tls", old.api_tls.is_some() != new.api_tls.is_some()),
        ("api_limits", old.api_limits != new.api_limits),
        ("anonymous_reads", old.anonymous_reads != new.anonymous_reads),
        ("oidc", old.oidc != new.oidc),
        ("xds", old.xds != new.xds),
        ("xds_tls", old.xds_tls.is_some() != new.xds_tls.is_some()),
        ("envoy.admin", old_envoy.admin != new_envoy.admin),
        ("envoy.concurrency", old_envoy.concurrency != new_envoy.concurrency),
        ("envoy.path", old_envoy.path != new_envoy.path),
        ("envoy.tls", old_envoy.tls != new_envoy.tls),
        ("envoy.xds_variant", old_envoy.xds_variant != new_envoy.xds_variant),
        ("state", old.state != new.state),
        ("store", old.store != new.store),
        ("worker_ca_directories", old.worker_ca_directories != new.worker_ca_directories),
        ("node_key_file", old.node_key_file != new.node_key_file),
        ("log.format", old.log.format != new.log.format),
    ];
    settings.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

/// The new configuration, but for what needs a restart.
fn with_what_can_change(old: &Config, new: Config) -> Config {
    let has_tls = old.xds_tls.is_some();
    let mut next = Config {
        listen: old.listen,
        api: old.api,
        api_limits: old.api_limits,
        anonymous_reads: old.anonymous_reads,
        oidc: old.oidc.clone(),
        api_tls: if old.api_tls.is_some() && new.api_tls.is_some() {
            new.api_tls.clone()
        } else {
            old.api_tls.clone()
        },
        xds: old.xds,
        envoy: old.envoy.clone(),
        state: old.state.clone(),
        store: old.store.clone(),
        worker_ca_directories: old.worker_ca_directories.clone(),
        node_key_file: old.node_key_file.clone(),
        // Files can be others, but a port in the clear does not begin to have TLS.
        xds_tls: if has_tls && new.xds_tls.is_some() { new.xds_tls.clone() } else { old.xds_tls.clone() },
        ..new
    };
    next.log.format = old.log.format;
    next
}
