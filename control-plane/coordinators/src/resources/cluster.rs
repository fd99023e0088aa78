//! CDS: one cluster for each worker, named by its base URL.
//!
//! Nothing in it depends on the worker's capacity: a changed threshold would make Envoy replace the cluster together with
//! its connections. The live limit is a runtime value, see [`super::limits`].

use std::{net::IpAddr, time::Duration};

use envoy_types::{
    pb::{
        envoy::{
            config::{
                cluster::v3::{
                    CircuitBreakers, Cluster, UpstreamConnectionOptions,
                    circuit_breakers::Thresholds,
                    cluster::{ClusterDiscoveryType, DiscoveryType, DnsLookupFamily},
                },
                core::v3::{DataSource, Metadata, TransportSocket, data_source, transport_socket},
                endpoint::v3::{
                    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
                    lb_endpoint::HostIdentifier,
                },
            },
            extensions::transport_sockets::tls::v3::{
                CertificateValidationContext, CommonTlsContext, SubjectAltNameMatcher, UpstreamTlsContext,
                common_tls_context::ValidationContextType, subject_alt_name_matcher::SanType,
            },
            r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern},
        },
        google::protobuf::{Struct, Value, value::Kind},
    },
    util::pack_any,
};
use slotway_config::{Protocol, SYSTEM_CA_FILE, Scheme, Worker, WorkerUrl};
use slotway_xds::XdsResource;

use super::{
    protobuf::{address, duration, keepalive, number},
    upstream_http,
};
use crate::types::RESOURCE_NAME;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const BUFFER_LIMIT_BYTES: u32 = 1 << 20;
/// The limit of requests at a worker without a runtime value: above every possible capacity, and constant.
pub(super) const MAX_REQUESTS: u32 = 1 << 17;

/// The key in the cluster's metadata, under [`RESOURCE_NAME`], of the prefix for a request's path.
pub(super) const PATH_PREFIX: &str = "path_prefix";

/// Returns whether both workers have the same cluster: they differ in the capacity at most.
pub(crate) fn is_same(a: &Worker, b: &Worker) -> bool {
    a.worker == b.worker && a.protocol == b.protocol && a.connections() == b.connections() && a.tls == b.tls
}

/// Returns the cluster of a worker.
pub(crate) fn resource(worker: &Worker) -> XdsResource {
    let cluster = cluster(worker);
    XdsResource::new(cluster.name.clone(), pack_any(cluster))
}

fn cluster(worker: &Worker) -> Cluster {
    let url = &worker.worker;
    // A worker is one host. For a name with several addresses, LOGICAL_DNS tries one after the other (RFC 8305) and stays one
    // host; STRICT_DNS would make each address a host, and send every second request for `localhost` to `::1`.
    let discovery = if url.ip().is_some() { DiscoveryType::Static } else { DiscoveryType::LogicalDns };
    Cluster {
        name: url.as_str().to_owned(),
        alt_stat_name: stat_name(url),
        connect_timeout: duration(CONNECT_TIMEOUT),
        per_connection_buffer_limit_bytes: number(BUFFER_LIMIT_BYTES),
        load_assignment: Some(endpoint(url)),
        circuit_breakers: Some(CircuitBreakers {
            thresholds: vec![Thresholds {
                max_connections: number(u32::MAX),
                max_pending_requests: number(u32::MAX),
                max_requests: number(MAX_REQUESTS),
                ..Thresholds::default()
            }],
            ..CircuitBreakers::default()
        }),
        typed_extension_protocol_options: [(
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions".to_owned(),
            pack_any(upstream_http::options(worker)),
        )]
        .into(),
        metadata: path_prefix(url),
        dns_lookup_family: DnsLookupFamily::All.into(),
        transport_socket: tls(worker),
        upstream_connection_options: Some(UpstreamConnectionOptions {
            tcp_keepalive: keepalive(),
            ..UpstreamConnectionOptions::default()
        }),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(discovery.into())),
        ..Cluster::default()
    }
}

/// Returns the name for statistics. Envoy ends a cluster's name at the first dot when it extracts tags.
fn stat_name(url: &WorkerUrl) -> String {
    url.as_str().replace('.', "_")
}

/// Returns the path of the base URL as metadata, where the routes read it.
fn path_prefix(url: &WorkerUrl) -> Option<Metadata> {
    let prefix = Some(url.path_prefix()).filter(|prefix| !prefix.is_empty())?;
    let value = Value { kind: Some(Kind::StringValue(prefix.to_owned())) };
    let fields = Struct { fields: [(PATH_PREFIX.to_owned(), value)].into() };
    Some(Metadata { filter_metadata: [(RESOURCE_NAME.to_owned(), fields)].into(), ..Metadata::default() })
}

fn endpoint(url: &WorkerUrl) -> ClusterLoadAssignment {
    let endpoint = Endpoint {
        address: address(url.host(), url.port()),
        // The route's auto_host_rewrite makes this the request's authority.
        hostname: url.authority().to_owned(),
        ..Endpoint::default()
    };
    ClusterLoadAssignment {
        cluster_name: url.as_str().to_owned(),
        endpoints: vec![LocalityLbEndpoints {
            lb_endpoints: vec![LbEndpoint {
                host_identifier: Some(HostIdentifier::Endpoint(endpoint)),
                ..LbEndpoint::default()
            }],
            ..LocalityLbEndpoints::default()
        }],
        ..ClusterLoadAssignment::default()
    }
}

/// Returns TLS that verifies both the chain and the name.
fn tls(worker: &Worker) -> Option<TransportSocket> {
    if worker.worker.scheme() == Scheme::Http {
        return None;
    }
    let settings = worker.tls.clone().unwrap_or_default();
    let name = settings.sni.unwrap_or_else(|| worker.worker.host().to_owned());
    let is_address = name.parse::<IpAddr>().is_ok();
    let file = settings.ca_file.unwrap_or_else(|| SYSTEM_CA_FILE.to_owned());
    let validation = CertificateValidationContext {
        trusted_ca: Some(DataSource {
            specifier: Some(data_source::Specifier::Filename(file)),
            ..DataSource::default()
        }),
        match_typed_subject_alt_names: vec![SubjectAltNameMatcher {
            san_type: if is_address { SanType::IpAddress } else { SanType::Dns }.into(),
            matcher: Some(StringMatcher {
                match_pattern: Some(MatchPattern::Exact(name.clone())),
                ..StringMatcher::default()
            }),
            ..SubjectAltNameMatcher::default()
        }],
        ..CertificateValidationContext::default()
    };
    let alpn = match worker.protocol {
        Protocol::Http1 => "http/1.1",
        Protocol::Http2 => "h2",
    };
    let context = UpstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            alpn_protocols: vec![alpn.to_owned()],
            validation_context_type: Some(ValidationContextType::ValidationContext(validation)),
            ..CommonTlsContext::default()
        }),
        // An address cannot stand in SNI (RFC 6066, section 3).
        sni: if is_address { String::new() } else { name },
        ..UpstreamTlsContext::default()
    };
    Some(TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(pack_any(context))),
    })
}
