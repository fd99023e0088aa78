//! HTTP towards a worker: the protocol, and how many requests a connection serves.

use std::time::Duration;

use envoy_types::{
    pb::envoy::{
        config::{
            common::mutation_rules::v3::{HeaderMutation, header_mutation::Action},
            core::v3::{
                HeaderValue, HeaderValueOption, Http1ProtocolOptions, Http2ProtocolOptions,
                HttpProtocolOptions as CommonHttpProtocolOptions, KeepaliveSettings,
                header_value_option::HeaderAppendAction,
            },
        },
        extensions::{
            filters::{
                http::{
                    header_mutation::v3::{HeaderMutation as HeaderMutationFilter, Mutations},
                    upstream_codec::v3::UpstreamCodec,
                },
                network::http_connection_manager::v3::HttpFilter,
            },
            upstreams::http::v3::{
                HttpProtocolOptions,
                http_protocol_options::{
                    ExplicitHttpConfig, UpstreamProtocolOptions, explicit_http_config::ProtocolConfig,
                },
            },
        },
    },
    util::pack_any,
};
use slotway_config::{Connections, Protocol, Worker};

use super::protobuf::{duration, http_filter, number};

/// Envoy closes an idle connection before the worker does: a request that crosses the worker's close would fail, and Envoy
/// retries nothing. Common servers close after 2 s (gunicorn), 5 s (Node, uvicorn) or later. Compared to an expensive request, a
/// new connection costs nothing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// Returns how Envoy speaks HTTP with a worker.
pub(super) fn options(worker: &Worker) -> HttpProtocolOptions {
    let config = match worker.protocol {
        Protocol::Http1 => ProtocolConfig::HttpProtocolOptions(Http1ProtocolOptions::default()),
        Protocol::Http2 => ProtocolConfig::Http2ProtocolOptions(Http2ProtocolOptions {
            connection_keepalive: Some(KeepaliveSettings {
                interval: duration(Duration::from_secs(30)),
                timeout: duration(Duration::from_secs(10)),
                ..KeepaliveSettings::default()
            }),
            ..Http2ProtocolOptions::default()
        }),
    };
    let is_per_request = worker.connections() == Connections::PerRequest;
    HttpProtocolOptions {
        common_http_protocol_options: Some(CommonHttpProtocolOptions {
            idle_timeout: duration(IDLE_TIMEOUT),
            max_requests_per_connection: is_per_request.then_some(1).and_then(number),
            ..CommonHttpProtocolOptions::default()
        }),
        upstream_protocol_options: Some(UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig {
            protocol_config: Some(config),
        })),
        http_filters: if is_per_request { announce_close() } else { Vec::new() },
        ..HttpProtocolOptions::default()
    }
}

/// Returns the filters that add `connection: close` to a request (RFC 9112, section 9.6), except to one for another protocol
/// (`connection: upgrade`). The worker then usually closes first, so that the port in TIME_WAIT is the worker's and not one of
/// Envoy's ephemeral ports, of which there are about 28,000 for each worker.
fn announce_close() -> Vec<HttpFilter> {
    let close = HeaderValueOption {
        header: Some(HeaderValue {
            key: "connection".to_owned(),
            value: "close".to_owned(),
            ..HeaderValue::default()
        }),
        append_action: HeaderAppendAction::AddIfAbsent.into(),
        ..HeaderValueOption::default()
    };
    let mutations = Mutations {
        request_mutations: vec![HeaderMutation { action: Some(Action::Append(close)) }],
        ..Mutations::default()
    };
    let filter = HeaderMutationFilter { mutations: Some(mutations), ..HeaderMutationFilter::default() };
    vec![
        http_filter("envoy.filters.http.header_mutation", pack_any(filter)),
        http_filter("envoy.filters.http.upstream_codec", pack_any(UpstreamCodec {})),
    ]
}
