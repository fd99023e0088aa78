//! LDS: the listener for clients.
//!
//! It does not depend on the pools, since a changed listener makes Envoy drain its connections. The settings of a pool, such as its
//! timeouts, are in its route.

use std::time::Duration;

use envoy_types::{
    pb::envoy::{
        config::{
            accesslog::v3::AccessLog,
            core::v3::{
                ExtensionConfigSource, Http1ProtocolOptions, Http2ProtocolOptions, TypedExtensionConfig,
            },
            listener::v3::{Filter, FilterChain, Listener, filter},
            route::v3::{HeaderMatcher, header_matcher::HeaderMatchSpecifier},
        },
        extensions::{
            filters::{
                http::{health_check::v3::HealthCheck, router::v3::Router, wasm::v3::Wasm},
                network::http_connection_manager::v3::{
                    HttpConnectionManager, HttpFilter, Rds,
                    http_connection_manager::{
                        CodecType, PathWithEscapedSlashesAction, RouteSpecifier, ServerHeaderTransformation,
                        UpgradeConfig,
                    },
                    http_filter::ConfigType,
                },
            },
            http::early_header_mutation::header_mutation::v3::HeaderMutation as EarlyHeaderMutation,
        },
        r#type::matcher::v3::{RegexMatcher, StringMatcher, string_matcher::MatchPattern},
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
/// The one protocol that a client may switch to.
const WEBSOCKET: &str = "websocket";
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
        http_filters: vec![ready(&settings.ready_path), slots(), router()],
        early_header_mutation_extensions: vec![strip()],
        http_protocol_options: Some(http1()),
        upgrade_configs: vec![UpgradeConfig {
            upgrade_type: WEBSOCKET.to_owned(),
            ..UpgradeConfig::default()
        }],
        // The worker's own 100 or refusal reaches the client, once the request has its slot. Otherwise Envoy would ask for the
        // body before anything is decided (RFC 9110, section 10.1.1).
        proxy_100_continue: true,
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
        // Dot segments and double escapes are resolved before the path is matched. An escaped slash is part of a segment: names
        // with a slash are common in paths, and the worker gets them as the client has sent them.
        normalize_path: yes(),
        path_with_escaped_slashes_action: PathWithEscapedSlashesAction::KeepUnchanged.into(),
        route_specifier: Some(RouteSpecifier::Rds(Rds {
            config_source: over_ads(),
            route_config_name: RESOURCE_NAME.to_owned(),
        })),
        ..HttpConnectionManager::default()
    }
}

/// Returns how clients may speak HTTP/1: also HTTP/1.0, which nginx's `proxy_pass` speaks by default before 1.29, and without a
/// `host`; and with methods that Envoy does not know (QUERY).
fn http1() -> Http1ProtocolOptions {
    Http1ProtocolOptions {
        accept_http_10: true,
        default_host_for_http_10: RESOURCE_NAME.to_owned(),
        allow_custom_methods: true,
        // A server may ignore an offer to switch the protocol (RFC 9110, section 7.8). Apache HttpClient offers TLS/1.2.
        ignore_http_11_upgrade: vec![StringMatcher {
            match_pattern: Some(MatchPattern::SafeRegex(RegexMatcher {
                regex: every_text_but(WEBSOCKET),
                ..RegexMatcher::default()
            })),
            ..StringMatcher::default()
        }],
        ..Http1ProtocolOptions::default()
    }
}

/// Returns a regular expression for every text but a word of ASCII letters, in any case. RE2 has no negation.
fn every_text_but(word: &str) -> String {
    let letters: Vec<String> =
        word.chars().map(|letter| format!("{letter}{}", letter.to_ascii_uppercase())).collect();
    let differs_at = |at: usize| {
        let same: String = letters[..at].iter().map(|letter| format!("[{letter}]")).collect();
        // The text ends here, or has another letter here.
        format!("{same}(?:[^{}].*)?", letters[at])
    };
    let longer: String = letters.iter().map(|letter| format!("[{letter}]")).collect();
    let alternatives: Vec<_> = (0..letters.len()).map(differs_at).chain([format!("{longer}.+")]).collect();
    alternatives.join("|")
}

fn access_logs(settings: &ListenerSettings) -> Vec<AccessLog> {
    let file = settings.access_log.as_deref().map(access_log::to_file);
    file.into_iter().chain([witness::access_log(settings)]).collect()
}

/// Returns the filter that answers a health check for the path, before Slotway's filter: 200, or 503 while Envoy is drained. A
/// queue that is full says nothing about the coordinator.
fn ready(path: &str) -> HttpFilter {
    let is_path = HeaderMatcher {
        name: ":path".to_owned(),
        header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(StringMatcher {
            match_pattern: Some(MatchPattern::Exact(path.to_owned())),
            ..StringMatcher::default()
        })),
        ..HeaderMatcher::default()
    };
    let config = HealthCheck { pass_through_mode: no(), headers: vec![is_path], ..HealthCheck::default() };
    http_filter("envoy.filters.http.health_check", pack_any(config))
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

#[cfg(test)]
mod tests {
    use super::every_text_but;

    #[test]
    fn an_expression_for_every_text_but_a_word_lists_where_a_text_can_differ() {
        assert_eq!(every_text_but("ab"), "(?:[^aA].*)?|[aA](?:[^bB].*)?|[aA][bB].+");
    }
}
