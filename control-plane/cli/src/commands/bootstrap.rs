use std::net::SocketAddr;

use clap::Args;
use serde_json::Value;

use super::{Configured, output::say};
use crate::commands::CliError;
use crate::config::{Config, EnvoyTls, GroupSettings};
use slotway_coordinators::{
    CoordinatorsError,
    envoy::bootstrap::{self, BootstrapSettings, BootstrapTls},
};
use slotway_pools::DEFAULT_GROUP;

/// `slotway bootstrap`
#[derive(Debug, Args)]
pub(super) struct Bootstrap {
    #[command(flatten)]
    configured: Configured,
    /// The node id of that Envoy, unique among all Envoys
    #[arg(long, value_name = "NAME", default_value = bootstrap::NODE_ID)]
    node: String,
    /// The group of that Envoy, whose pools it receives. The bootstrap contains the group's token, if it has one, and the node's key
    #[arg(long, value_name = "NAME", default_value = DEFAULT_GROUP)]
    group: String,
}

impl Bootstrap {
    pub(super) fn run(&self) -> Result<(), CliError> {
        let config = self.configured.load()?;
        let is_new = !config.node_key_path().exists();
        let bootstrap = of_config(&config, config.xds, &self.node, &self.group)?;
        if is_new {
            let file = config.node_key_path();
            eprintln!(
                "slotway: warning: {} is new. The control plane must use the same file, or it refuses the reports of this Envoy",
                file.display()
            );
        }
        say(format_args!("{bootstrap:#}"));
        Ok(())
    }
}

/// Returns the bootstrap of an Envoy named `node`, of a group, that gets its configuration from `xds`. It contains the key of the node
/// and the token of the group.
///
/// # Errors
/// [`CliError::Setting`] for a wrong name or a group without pools; the token of the group or the node key cannot be read.
pub(super) fn of_config(
    config: &Config,
    xds: SocketAddr,
    node: &str,
    group: &str,
) -> Result<Value, CliError> {
    let groups = config.groups();
    if config.pools.iter().all(|pool| groups.of(&pool.name) != group) {
        let reason = format!("no pool belongs to the group {group:?}; `groups` in the file lists the groups");
        return Err(CliError::Setting { setting: "group", reason });
    }
    let settings = config.groups.iter().find(|settings| settings.name == group);
    let settings = BootstrapSettings {
        node: node.to_owned(),
        group: group.to_owned(),
        xds,
        variant: slotway_api::protocol_variant(config.envoy.xds_variant),
        admin: config.envoy.admin,
        key: config.node_keys()?.of(node),
        token: settings.map(GroupSettings::token).transpose()?.flatten(),
        tls: config.envoy.tls.as_ref().map(tls),
    };
    bootstrap::bootstrap(&settings).map_err(|error| match error {
        CoordinatorsError::NodeName { .. } => {
            CliError::Setting { setting: "node", reason: error.to_string() }
        }
        error => error.into(),
    })
}

fn tls(tls: &EnvoyTls) -> BootstrapTls {
    BootstrapTls {
        ca_file: tls.ca_file.clone(),
        server_name: tls.server_name.clone(),
        certificate: tls.certificate_file.clone().zip(tls.key_file.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn bootstrap(node: &str, group: &str) -> Result<Value, CliError> {
        let directory = tempfile::tempdir().unwrap();
        let pool = "pools: [{ name: p, workers: [] }]";
        let mut config = crate::config::parse(Path::new("f.yaml"), pool).unwrap();
        config.state = directory.path().join("state");
        of_config(&config, config.xds, node, group)
    }

    #[test]
    fn a_wrong_node_and_a_group_without_pools_are_refused_as_settings() {
        assert!(bootstrap("edge-1", DEFAULT_GROUP).is_ok());
        let refused = bootstrap("edge-1", "gpu").unwrap_err();
        assert!(refused.to_string().contains("\"gpu\""), "{refused}");
        for refused in [refused, bootstrap("two words", DEFAULT_GROUP).unwrap_err()] {
            assert_eq!(refused.exit_code(), 2, "{refused}");
        }
    }
}
