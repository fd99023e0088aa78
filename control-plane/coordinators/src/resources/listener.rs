//! LDS: the listener for clients.
//!
//! It does not depend on the pools, since a changed listener makes Envoy drain its connections. The settings of a pool, such as its
//! timeouts, are in its route.

use std::time::Duration;

use envoy_types::{
    pb::envoy::{
        config::{
            accesslog::v3::AccessLog,
            core::v3::{ExtensionConfigSource, Http2ProtocolOptions, TypedExtensionConfig},
            listener::v3::{Filter, FilterChain, Listener, filter},
        },
        extensions::{
            filters::{
                http::{router::v3::Router, wasm::v3::Wasm},
                network::http_connection_manager::v3::{
                    HttpConnectionManager, HttpFilter, Rds,
                    http_connection_manager::{
                        CodecType, PathWithEscapedSlashesAction, RouteSpecifier, ServerHeaderTransformation,
                    },
                    http_filter::ConfigType,
                },
            },
            http::early_header_mutation::header_mutation::v3::HeaderMutation as EarlyHeaderMutation,
        },
    },
    util::pack_any,
};
use prost::Name;
use slotway_pools::ListenerSettings;
use slotway_xds::XdsResource;

use super::{
    access_log,
    protobuf::{address, duration, http_filter, keepalive, no, number, over_ads, remove_prefix, yes},
    route::SILENCE,
    witness,
};
use crate::types::RESOURCE_NAME;

const BUFFER_LIMIT_BYTES: u32 = 1 << 20;
const REQUEST_HEADERS_TIMEOUT: Duration = Duration::from_secs(10);
/// HTTP/2: the window of the connection is the sum of the windows of its streams, so that unread bodies of waiting requests cannot
/// block requests that have a slot.
const STREAMS_MAX: u32 = 1_024;
const STREAM_WINDOW_BYTES: u32 = 1 << 16;
const CONNECTION_WINDOW_BYTES: u32 = STREAMS_MAX * STREAM_WINDOW_BYTES;
/// Prefix of headers by which a client could control Envoy's router: retries, timeouts, names of statistics.
const ENVOY_PREFIX: &str = "x-envoy-";

/// Returns the listener.
pub(crate) fn resource(settings: &ListenerSettings) -> XdsResource {
    let listener = Listener {
        name: RESOURCE_NAME.to_owned(),
        address: address(&settings.listen.ip().to_string(), settings.listen.port()),
        per_connection_buffer_limit_bytes: number(BUFFER_LIMIT_BYTES),
        filter_chains: vec![FilterChain {
            filters: vec![Filter {
                name: "envoy.filters.network.http_connection_manager".to_owned(),
                config_type: Some(filter::ConfigType::TypedConfig(pack_any(connection_manager(settings)))),
            }],
            ..FilterChain::default()
        }],
        tcp_keepalive: keepalive(),
        ..Listener::default()
    };
    XdsResource::new(RESOURCE_NAME.to_owned(), pack_any(listener))
}

fn connection_manager(settings: &ListenerSettings) -> HttpConnectionManager {
    HttpConnectionManager {
        codec_type: CodecType::Auto.into(),
        stat_prefix: RESOURCE_NAME.to_owned(),
        http_filters: vec![slots(), router()],
        early_header_mutation_extensions: vec![strip()],
        http2_protocol_options: Some(Http2ProtocolOptions {
            max_concurrent_streams: number(STREAMS_MAX),
            initial_stream_window_size: number(STREAM_WINDOW_BYTES),
            initial_connection_window_size: number(CONNECTION_WINDOW_BYTES),
            ..Http2ProtocolOptions::default()
        }),
        server_header_transformation: ServerHeaderTransformation::PassThrough.into(),
        // Until the request has a route, which has a limit of its own.
        stream_idle_timeout: duration(SILENCE),
        request_headers_timeout: duration(REQUEST_HEADERS_TIMEOUT),
        access_log: access_logs(settings),
        use_remote_address: yes(),
        generate_request_id: no(),
        // Each path belongs to exactly one pool: a path that a worker could interpret as another one is normalized
        // before it is matched, or rejected.
        normalize_path: yes(),
        path_with_escaped_slashes_action: PathWithEscapedSlashesAction::RejectRequest.into(),
        route_specifier: Some(RouteSpecifier::Rds(Rds {
            config_source: over_ads(),
            route_config_name: RESOURCE_NAME.to_owned(),
        })),
        ..HttpConnectionManager::default()
    }
}

fn access_logs(settings: &ListenerSettings) -> Vec<AccessLog> {
    let file = settings.access_log.as_deref().map(access_log::to_file);
    file.into_iter().chain([witness::access_log(settings)]).collect()
}

/// Returns Slotway's filter, whose configuration comes over ECDS.
fn slots() -> HttpFilter {
    let source = ExtensionConfigSource {
        config_source: over_ads(),
        type_urls: vec![Wasm::type_url()],
        ..ExtensionConfigSource::default()
    };
    HttpFilter {
        name: RESOURCE_NAME.to_owned(),
        config_type: Some(ConfigType::ConfigDiscovery(source)),
        ..HttpFilter::default()
    }
}

/// Returns the extension that removes [`ENVOY_PREFIX`] headers of clients before the filters read them.
fn strip() -> TypedExtensionConfig {
    let config = EarlyHeaderMutation { mutations: vec![remove_prefix(ENVOY_PREFIX)] };
    TypedExtensionConfig {
        name: "envoy.http.early_header_mutation.header_mutation".to_owned(),
        typed_config: Some(pack_any(config)),
    }
}

fn router() -> HttpFilter {
    let config = Router { suppress_envoy_headers: true, ..Router::default() };
    http_filter("envoy.filters.http.router", pack_any(config))
}
