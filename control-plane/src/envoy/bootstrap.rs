//! What an Envoy is told at its start: who it is and how to reach xDS. All else comes from there.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
};

use serde_json::{Value, json};
use slotway_config::WorkerUrl;

use crate::{
    config::{Config, EnvoyTls, GroupSettings},
    error::Error,
    xds::{RESOURCE_NAME, Variant, XDS_CLUSTER},
};

/// The name of the Envoy that `slotway up` runs, and so of the coordinator in reports.
pub const NODE_ID: &str = "local";

/// Longest name of a node, in bytes.
const NODE_ID_BYTES_MAX: usize = 256;

/// The bootstrap of an Envoy named `node`, of a group, that gets its configuration from `xds`. It holds the group's token, if there is
/// one.
///
/// # Errors
/// [`Error::Setting`] for a name that is empty or too long, or a group without pools; [`Error::File`] for its token.
pub fn bootstrap(config: &Config, xds: SocketAddr, node: &str, group: &str) -> Result<Value, Error> {
    if node.is_empty() || node.len() > NODE_ID_BYTES_MAX || !node.bytes().all(|byte| byte.is_ascii_graphic())
    {
        let reason = format!("a node's name has 1 to {NODE_ID_BYTES_MAX} visible ASCII characters");
        return Err(Error::Setting { setting: "node", reason });
    }
    let groups = config.groups();
    if config.pools.iter().all(|pool| groups.of(&pool.name) != group) {
        let reason =
            format!("no pool belongs to the group {group:?}; the file's `groups` say which has which pools");
        return Err(Error::Setting { setting: "group", reason });
    }
    let settings = config.groups.iter().find(|settings| settings.name == group);
    let token = settings.map(GroupSettings::token).transpose()?.flatten();
    // An Envoy that gets no answer would start without listeners after 15 s, and in a hot restart it would end its parent then.
    let source = json!({ "ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s" });
    // Envoy's own bound is 30 s, far too long to be without a control plane that is back.
    let reconnect = json!({ "retry_back_off": { "base_interval": "0.25s", "max_interval": "5s" } });
    let api_type = match config.envoy.xds_variant {
        Variant::StateOfTheWorld => "GRPC",
        Variant::Incremental => "DELTA_GRPC",
    };
    Ok(json!({
        "node": { "id": node, "cluster": group },
        "admin": { "address": address(config.envoy.admin) },
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
        "static_resources": { "clusters": [control_plane_cluster(reachable(xds), token.as_deref(), config.envoy.tls.as_ref())] },
        "layered_runtime": {
            "layers": [
                { "name": RESOURCE_NAME, "rtds_layer": { "name": RESOURCE_NAME, "rtds_config": source } },
                // The last one wins: an operator's word on the admin port.
                { "name": "admin", "admin_layer": {} },
            ],
        },
        "stats_config": { "stats_tags": stats_tags() },
    }))
}

fn control_plane_cluster(xds: SocketAddr, token: Option<&str>, tls: Option<&EnvoyTls>) -> Value {
    let mut http2 = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {
            // A control plane that is gone without a word is noticed, and another connection made.
            "http2_protocol_options": { "connection_keepalive": { "interval": "10s", "timeout": "5s" } },
        },
    });
    if let Some(token) = token {
        // On all that goes there: xDS and the filter's reports.
        let mutation = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
            "mutations": { "request_mutations": [{ "append": {
                "header": { "key": "authorization", "value": format!("Bearer {token}") },
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            } }] },
        });
        let codec = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec",
        });
        http2["http_filters"] = json!([
            { "name": "envoy.filters.http.header_mutation", "typed_config": mutation },
            { "name": "envoy.filters.http.upstream_codec", "typed_config": codec },
        ]);
    }
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
    if let Some(tls) = tls {
        cluster["transport_socket"] = transport_socket(tls);
    }
    cluster
}

fn transport_socket(tls: &EnvoyTls) -> Value {
    let file = |file: &Path| json!({ "filename": file });
    let own = tls.certificate_file.iter().zip(&tls.key_file);
    let certificates: Vec<_> = own
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

/// Tags can be cut out of a stat's name only by rules in the bootstrap. The filter writes a label as `.label=value` into
/// the name. The rules begin with the prefix of a filter's own stats, so that Envoy tries them on no other.
fn stats_tags() -> Value {
    let label =
        |name| json!({ "tag_name": name, "regex": format!(r"^wasmcustom\.slotway_.*?(\.{name}=([^.]+))") });
    json!([label("pool"), label("outcome"), label("state")])
}

fn address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

/// The address at which a client on this machine reaches a server that listens on `address`.
#[must_use]
pub fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => {
            SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, v4.port()))
        }
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, v6.port()))
        }
        other => other,
    }
}

/// The address of a worker on this machine.
#[must_use]
pub fn local_worker(worker: &WorkerUrl) -> Option<SocketAddr> {
    let ip = worker.ip().filter(std::net::IpAddr::is_loopback)?;
    Some(SocketAddr::from((ip, worker.port())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::DEFAULT_GROUP;

    fn config() -> Config {
        let pool = "pools: [{ name: p, workers: [] }]";
        crate::config::parse(Path::new("f.yaml"), pool).unwrap()
    }

    #[test]
    fn a_bootstrap_names_the_node_and_the_way_to_xds_and_nothing_else() {
        let xds: SocketAddr = "0.0.0.0:18000".parse().unwrap();
        let bootstrap = bootstrap(&config(), xds, "edge-1", DEFAULT_GROUP).unwrap();
        assert_eq!(bootstrap["node"]["id"], "edge-1");
        let clusters = bootstrap["static_resources"]["clusters"].as_array().unwrap();
        let endpoint = &clusters[0]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"];
        assert_eq!(clusters.len(), 1);
        assert_eq!(
            endpoint["address"]["socket_address"],
            json!({ "address": "127.0.0.1", "port_value": 18000 })
        );
        assert_eq!(bootstrap["static_resources"].as_object().unwrap().len(), 1, "no listener");
    }

    #[test]
    fn an_envoy_waits_for_its_first_configuration_however_long_that_takes() {
        let bootstrap =
            bootstrap(&config(), "127.0.0.1:1".parse().unwrap(), "edge-1", DEFAULT_GROUP).unwrap();
        let dynamic = &bootstrap["dynamic_resources"];
        let runtime = &bootstrap["layered_runtime"]["layers"][0]["rtds_layer"]["rtds_config"];
        for source in [&dynamic["cds_config"], &dynamic["lds_config"], runtime] {
            assert_eq!(source["initial_fetch_timeout"], "0s");
        }
    }

    #[test]
    fn a_node_without_a_name_is_refused() {
        let xds = "127.0.0.1:1".parse().unwrap();
        for name in ["", "two words", &"n".repeat(257)] {
            assert!(bootstrap(&config(), xds, name, DEFAULT_GROUP).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_group_without_pools_is_refused() {
        let refused = bootstrap(&config(), "127.0.0.1:1".parse().unwrap(), "edge-1", "gpu").unwrap_err();
        assert!(refused.to_string().contains("\"gpu\""), "{refused}");
    }
}
