//! LDS: the listener for clients.
//!
//! Nothing in it depends on the pools: a changed listener makes Envoy drain its connections. What a pool decides, its
//! timeouts among it, stands in its route.

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

use super::{
    RESOURCE_NAME, access_log,
    protobuf::{address, duration, http_filter, keepalive, no, number, over_ads, remove_prefix, yes},
    route::SILENCE,
    witness,
};
use crate::{model::ListenerSettings, xds::resource_set::Resource};

const BUFFER_LIMIT_BYTES: u32 = 1 << 20;
const REQUEST_HEADERS_TIMEOUT: Duration = Duration::from_secs(10);
/// HTTP/2: the connection's window is the sum of its streams', so that the unread bodies of requests that wait cannot
/// hold up those that have a slot.
const STREAMS_MAX: u32 = 1_024;
const STREAM_WINDOW_BYTES: u32 = 1 << 16;
const CONNECTION_WINDOW_BYTES: u32 = STREAMS_MAX * STREAM_WINDOW_BYTES;
/// Headers by which a client could direct Envoy's router: retries, timeouts, names of statistics.
const ENVOY_PREFIX: &str = "x-envoy-";

/// The listener.
pub(crate) fn resource(settings: &ListenerSettings) -> Resource {
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
    Resource::new(RESOURCE_NAME.to_owned(), pack_any(listener))
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
        // Until the request has a route, whose own limit then counts.
        stream_idle_timeout: duration(SILENCE),
        request_headers_timeout: duration(REQUEST_HEADERS_TIMEOUT),
        access_log: access_logs(settings),
        use_remote_address: yes(),
        generate_request_id: no(),
        // One path, one pool: what a worker could take for another path is made plain before it is matched, or refused.
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

/// Slotway's filter, whose configuration comes over ECDS.
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

/// Takes away the headers by which a client could direct Envoy's router, before anything reads them.
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
