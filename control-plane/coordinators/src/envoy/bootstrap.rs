//! The bootstrap of an Envoy: its identity and the address of xDS. The rest of its configuration comes over xDS.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use slotway_xds::ProtocolVariant;

use super::reachable;
use crate::{
    CoordinatorsError, NODE_HEADER, NODE_KEY_HEADER, NodeKey,
    types::{RESOURCE_NAME, XDS_CLUSTER},
};

/// The node id of the Envoy that `slotway up` runs, and so the name of the coordinator in reports.
pub const NODE_ID: &str = "local";

/// The names of the static secrets.
const NODE_KEY_SECRET: &str = "slotway_node_key";
const TOKEN_SECRET: &str = "slotway_group_token";

/// Longest node id, in bytes.
const NODE_ID_BYTES_MAX: usize = 256;

/// The settings of an Envoy that are in its bootstrap. Without `Debug`, because of the token.
#[derive(Clone)]
pub struct BootstrapSettings {
    /// Its node id.
    pub node: String,
    /// Its group.
    pub group: String,
    /// The address of xDS.
    pub xds: SocketAddr,
    /// The variant of xDS that it speaks.
    pub variant: ProtocolVariant,
    /// The address of its admin port.
    pub admin: SocketAddr,
    /// The key of the node, which its reports need.
    pub key: NodeKey,
    /// The token of its group, if the group requires one.
    pub token: Option<String>,
    /// TLS to the control plane.
    pub tls: Option<BootstrapTls>,
}

/// TLS to the control plane: files on Envoy's machine.
#[derive(Debug, Clone)]
pub struct BootstrapTls {
    /// The authorities that may have signed the control plane's certificate, a PEM file.
    pub ca_file: PathBuf,
    /// The name that the control plane's certificate must have.
    pub server_name: String,
    /// Envoy's own certificate chain and its key, PEM files, if the control plane requires a certificate.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Returns the bootstrap of an Envoy. It contains the key of the node and the token of the group, both as static secrets: Envoy shows
/// neither in `/config_dump`.
///
/// # Errors
/// [`CoordinatorsError::NodeName`].
pub fn bootstrap(settings: &BootstrapSettings) -> Result<Value, CoordinatorsError> {
    let BootstrapSettings { node, group, variant, admin, key, token, .. } = settings;
    if node.is_empty() || node.len() > NODE_ID_BYTES_MAX || !node.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err(CoordinatorsError::NodeName { bytes_max: NODE_ID_BYTES_MAX });
    }
    // Without it, an Envoy without an answer would start without listeners after 15 s, and in a hot restart end its parent then.
    let source = json!({ "ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s" });
    // Envoy's own bound is 30 s: too long without a control plane that is back.
    let reconnect = json!({ "retry_back_off": { "base_interval": "0.25s", "max_interval": "5s" } });
    let api_type = match variant {
        ProtocolVariant::StateOfTheWorld => "GRPC",
        ProtocolVariant::Incremental => "DELTA_GRPC",
    };
    Ok(json!({
        "node": { "id": node, "cluster": group },
        "admin": { "address": address(*admin) },
        "dynamic_resources": {
            "ads_config": {
                "api_type": api_type,
                "transport_api_version": "V3",
                "set_node_on_first_message_only": true,
                "grpc_services": [{ "envoy_grpc": { "cluster_name": XDS_CLUSTER, "retry_policy": reconnect } }],
            },
            "cds_config": source,
            "lds_config": source,
        },
        "static_resources": {
            "clusters": [control_plane_cluster(settings)],
            "secrets": secrets(key, token.as_deref()),
        },
        "layered_runtime": {
            "layers": [
                { "name": RESOURCE_NAME, "rtds_layer": { "name": RESOURCE_NAME, "rtds_config": source } },
                // The last layer wins: values that an operator sets on the admin port.
                { "name": "admin", "admin_layer": {} },
            ],
        },
        "stats_config": { "stats_tags": stats_tags() },
    }))
}

fn secrets(key: &NodeKey, token: Option<&str>) -> Vec<Value> {
    let secret = |name: &str, value: &str| json!({ "name": name, "generic_secret": { "secret": { "inline_string": value } } });
    let token = token.map(|token| secret(TOKEN_SECRET, &format!("Bearer {token}")));
    [secret(NODE_KEY_SECRET, key.header_value())].into_iter().chain(token).collect()
}

/// Returns the filters of all requests to the control plane: xDS and the filter's reports.
fn control_plane_filters(node: &str, has_token: bool) -> Vec<Value> {
    let filter = |name: &str, config: Value| json!({ "name": name, "typed_config": config });
    let inject = |header: &str, secret: &str| {
        let credential = json!({
            "@type": "type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic",
            "credential": { "name": secret },
            "header": header,
        });
        let injector = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
            "overwrite": true,
            "credential": { "name": "envoy.http.injected_credentials.generic", "typed_config": credential },
        });
        filter("envoy.filters.http.credential_injector", injector)
    };
    let mutation = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        "mutations": { "request_mutations": [{ "append": {
            // `%` begins a command of Envoy's format.
            "header": { "key": NODE_HEADER, "value": node.replace('%', "%%") },
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        } }] },
    });
    let codec = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec",
    });
    let token = has_token.then(|| inject("authorization", TOKEN_SECRET));
    let mut filters = vec![
        filter("envoy.filters.http.header_mutation", mutation),
        inject(NODE_KEY_HEADER, NODE_KEY_SECRET),
    ];
    filters.extend(token);
    filters.push(filter("envoy.filters.http.upstream_codec", codec));
    filters
}

fn control_plane_cluster(settings: &BootstrapSettings) -> Value {
    let xds = reachable(settings.xds);
    let http2 = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {
            // Envoy notices a control plane that has vanished, and connects again.
            "http2_protocol_options": { "connection_keepalive": { "interval": "10s", "timeout": "5s" } },
        },
        "http_filters": control_plane_filters(&settings.node, settings.token.is_some()),
    });
    let mut cluster = json!({
        "name": XDS_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2,
        },
        "load_assignment": {
            "cluster_name": XDS_CLUSTER,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(xds) } }] }],
        },
    });
    if let Some(tls) = &settings.tls {
        cluster["transport_socket"] = transport_socket(tls);
    }
    cluster
}

fn transport_socket(tls: &BootstrapTls) -> Value {
    let file = |file: &Path| json!({ "filename": file });
    let certificates: Vec<_> = tls
        .certificate
        .iter()
        .map(|(chain, key)| json!({ "certificate_chain": file(chain), "private_key": file(key) }))
        .collect();
    let san_type = if tls.server_name.parse::<IpAddr>().is_ok() { "IP_ADDRESS" } else { "DNS" };
    let mut context = json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {
            "alpn_protocols": ["h2"],
            "tls_certificates": certificates,
            "validation_context": {
                "trusted_ca": file(&tls.ca_file),
                "match_typed_subject_alt_names": [
                    { "san_type": san_type, "matcher": { "exact": tls.server_name } },
                ],
            },
        },
    });
    // An address cannot stand in SNI (RFC 6066, section 3).
    if san_type == "DNS" {
        context["sni"] = json!(tls.server_name);
    }
    json!({ "name": "envoy.transport_sockets.tls", "typed_config": context })
}

/// Returns the rules that extract tags from names of statistics, which Envoy takes from the bootstrap alone. The filter writes a
/// label as `.label=value` into the name. The rules begin with the prefix of a filter's own statistics, so that Envoy skips them for
/// all others.
fn stats_tags() -> Value {
    let label =
        |name| json!({ "tag_name": name, "regex": format!(r"^wasmcustom\.slotway_.*?(\.{name}=([^.]+))") });
    json!([label("pool"), label("outcome"), label("state")])
}

fn address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(node: &str) -> BootstrapSettings {
        let directory = tempfile::tempdir().unwrap();
        let keys = crate::NodeKeys::load_or_create(&directory.path().join("node-key")).unwrap();
        BootstrapSettings {
            node: node.to_owned(),
            group: "slotway".to_owned(),
            xds: "0.0.0.0:18000".parse().unwrap(),
            variant: ProtocolVariant::default(),
            admin: "127.0.0.1:9901".parse().unwrap(),
            key: keys.of(node),
            token: None,
            tls: None,
        }
    }

    #[test]
    fn a_bootstrap_names_the_node_and_the_way_to_xds_and_nothing_else() {
        let bootstrap = bootstrap(&settings("edge-1")).unwrap();
        assert_eq!(bootstrap["node"]["id"], "edge-1");
        let clusters = bootstrap["static_resources"]["clusters"].as_array().unwrap();
        let endpoint = &clusters[0]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"];
        assert_eq!(clusters.len(), 1);
        assert_eq!(
            endpoint["address"]["socket_address"],
            json!({ "address": "127.0.0.1", "port_value": 18000 })
        );
        assert!(bootstrap["static_resources"].get("listeners").is_none());
    }

    #[test]
    fn the_node_key_and_the_token_are_static_secrets_and_stand_nowhere_else() {
        let settings = BootstrapSettings { token: Some("token-0123456789".to_owned()), ..settings("edge%1") };
        let mut bootstrap = bootstrap(&settings).unwrap();
        let secrets = bootstrap["static_resources"]["secrets"].take();
        let value = |at: usize| secrets[at]["generic_secret"]["secret"]["inline_string"].as_str().unwrap();
        assert_eq!((value(0), value(1)), (settings.key.header_value(), "Bearer token-0123456789"));
        let rest = bootstrap.to_string();
        assert!(!rest.contains(settings.key.header_value()) && !rest.contains("token-0123456789"), "{rest}");
        assert!(rest.contains("edge%%1"), "{rest}");
    }

    #[test]
    fn an_envoy_without_a_token_sends_none() {
        let bootstrap = bootstrap(&settings("edge-1")).unwrap();
        assert_eq!(bootstrap["static_resources"]["secrets"].as_array().unwrap().len(), 1);
        assert!(!bootstrap.to_string().contains("authorization"));
    }

    #[test]
    fn an_envoy_waits_for_its_first_configuration_without_a_time_limit() {
        let bootstrap = bootstrap(&settings("edge-1")).unwrap();
        let dynamic = &bootstrap["dynamic_resources"];
        let runtime = &bootstrap["layered_runtime"]["layers"][0]["rtds_layer"]["rtds_config"];
        for source in [&dynamic["cds_config"], &dynamic["lds_config"], runtime] {
            assert_eq!(source["initial_fetch_timeout"], "0s");
        }
    }

    #[test]
    fn a_node_without_a_valid_name_is_refused() {
        for name in ["", "two words", &"n".repeat(257)] {
            assert!(bootstrap(&settings(name)).is_err(), "{name:?}");
        }
    }
}
