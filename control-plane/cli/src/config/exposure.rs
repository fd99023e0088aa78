//! Which ports other machines may reach: by default only those that are protected.

use std::net::SocketAddr;

use super::Config;
use slotway_pools::DEFAULT_GROUP;

/// Checks that no port can be reached from other machines without protection, unless a setting permits it.
///
/// # Errors
/// The setting, the problem and its remedy.
pub(super) fn check(config: &Config) -> Result<(), (&'static str, String)> {
    check_api(config)?;
    check_xds(config)?;
    check_envoy_admin(config)
}

fn is_local(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Unencrypted tokens and passwords can be intercepted.
fn check_api(config: &Config) -> Result<(), (&'static str, String)> {
    let api = config.api;
    if config.api_tls.is_some() || config.api_insecure || is_local(api) {
        return Ok(());
    }
    let reason = format!(
        "{api} can be reached from other machines, and without TLS tokens and passwords can be intercepted. \
         Set `api_tls: {{ certificate_file: ..., key_file: ... }}`, listen on 127.0.0.1, or set `api_insecure: true` \
         if a proxy in front terminates TLS"
    );
    Err(("api", reason))
}

/// A foreign node could take the id of an Envoy, and receives the addresses of all workers of its group.
fn check_xds(config: &Config) -> Result<(), (&'static str, String)> {
    let xds = config.xds;
    if config.xds_insecure || is_local(xds) {
        return Ok(());
    }
    let Some(tls) = &config.xds_tls else {
        let reason = format!(
            "{xds} can be reached from other machines, and without TLS any of them can connect as an Envoy. Set \
             `xds_tls: {{ certificate_file: ..., key_file: ..., client_ca_file: ... }}`, listen on 127.0.0.1, or set \
             `xds_insecure: true` if the network admits only Envoys"
        );
        return Err(("xds", reason));
    };
    if tls.client_ca_file.is_some() {
        return Ok(());
    }
    let has_token =
        |name: &str| config.groups.iter().any(|group| group.name == name && group.token_file.is_some());
    let open = config.groups.iter().map(|group| group.name.as_str()).chain([DEFAULT_GROUP]);
    match open.into_iter().find(|name| !has_token(name)) {
        Some(group) => {
            let reason = format!(
                "{xds} can be reached from other machines, and any of them can connect as an Envoy of group {group:?}. \
                 Set `xds_tls.client_ca_file`, give each group a `token_file` (the default group is {DEFAULT_GROUP:?}), or \
                 set `xds_insecure: true`"
            );
            Err(("xds", reason))
        }
        None => Ok(()),
    }
}

/// Envoy's admin port has no credentials, and stops Envoy on request.
fn check_envoy_admin(config: &Config) -> Result<(), (&'static str, String)> {
    let admin = config.envoy.admin;
    if config.envoy.admin_insecure || is_local(admin) {
        return Ok(());
    }
    let reason = format!(
        "{admin} can be reached from other machines, and whoever reaches it can stop Envoy and read its configuration. \
         Listen on 127.0.0.1, or set `envoy: {{ admin_insecure: true }}`"
    );
    Err(("envoy.admin", reason))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn refused(settings: &Value) -> Option<(&'static str, String)> {
        let mut file = json!({ "pools": [{ "name": "ocr" }] });
        for (name, value) in settings.as_object().unwrap() {
            file[name] = value.clone();
        }
        check(&serde_json::from_value::<Config>(file).unwrap()).err()
    }

    #[test]
    fn only_protected_ports_can_be_reached_from_other_machines() {
        let tls = json!({ "certificate_file": "a", "key_file": "b" });
        let client_tls = json!({ "certificate_file": "a", "key_file": "b", "client_ca_file": "c" });
        let tokens = json!([{ "name": "slotway", "token_file": "t" }]);
        for right in [
            json!({}),
            json!({ "api": "[::1]:1", "xds": "[::ffff:127.0.0.1]:2" }),
            json!({ "api": "0.0.0.0:1", "api_tls": tls }),
            json!({ "api": "0.0.0.0:1", "api_insecure": true }),
            json!({ "xds": "0.0.0.0:1", "xds_tls": client_tls }),
            json!({ "xds": "[::]:1", "xds_tls": tls, "groups": tokens }),
            json!({ "xds": "10.0.0.1:1", "xds_insecure": true }),
            json!({ "envoy": { "admin": "0.0.0.0:1", "admin_insecure": true } }),
        ] {
            assert_eq!(refused(&right), None, "{right}");
        }
        for (wrong, setting, remedy) in [
            (json!({ "api": "0.0.0.0:1" }), "api", "api_insecure: true"),
            (json!({ "api": "[::]:1" }), "api", "api_tls"),
            (json!({ "xds": "0.0.0.0:1" }), "xds", "xds_insecure: true"),
            (json!({ "xds": "10.0.0.1:1", "groups": tokens }), "xds", "xds_tls"),
            (json!({ "xds": "0.0.0.0:1", "xds_tls": tls }), "xds", "token_file"),
            (json!({ "envoy": { "admin": "0.0.0.0:1" } }), "envoy.admin", "admin_insecure: true"),
        ] {
            let (found, reason) = refused(&wrong).unwrap_or_else(|| panic!("{wrong} is refused"));
            assert_eq!(found, setting, "{wrong}");
            assert!(reason.contains(remedy), "{reason}");
        }
    }
}
