//! RDS: two routes for each pool. The filter writes the worker into a header, from which the route takes its cluster. Without the
//! header the first route matches, whose limits are for a waiting request; with the header the second.

use std::time::Duration;

use envoy_types::{
    pb::envoy::config::route::v3::{
        HeaderMatcher, Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost,
        header_matcher::HeaderMatchSpecifier,
        route::Action,
        route_action::{
            ClusterNotFoundResponseCode, ClusterSpecifier, HostRewriteSpecifier, MaxStreamDuration,
        },
        route_match::PathSpecifier,
    },
    util::pack_any,
};
use slotway_config::{Pool, WaitDuration, Worker, headers};
use slotway_xds::XdsResource;

use super::{
    cluster::PATH_PREFIX,
    protobuf::{duration, yes},
};
use crate::types::RESOURCE_NAME;

/// Longest silence of either side while no answer is awaited, and longest time that a client may leave an answer unread.
pub(super) const SILENCE: Duration = Duration::from_secs(300);
/// More than the filter's own deadlines can be late.
const MARGIN: Duration = Duration::from_secs(10);

/// Returns the routes of all pools, in match order.
pub(crate) fn resource(pools: &[Pool], draining: &[Worker]) -> XdsResource {
    let configuration = RouteConfiguration {
        name: RESOURCE_NAME.to_owned(),
        virtual_hosts: vec![VirtualHost {
            name: RESOURCE_NAME.to_owned(),
            domains: vec!["*".to_owned()],
            routes: pools.iter().flat_map(|pool| routes(pool, draining)).collect(),
            // The router removes them when it has chosen the route, which matches one of them. A filter that removes them costs each
            // request several times as much.
            request_headers_to_remove: headers::OURS.map(str::to_owned).into(),
            response_headers_to_remove: headers::OURS.map(str::to_owned).into(),
            ..VirtualHost::default()
        }],
        ..RouteConfiguration::default()
    };
    XdsResource::new(RESOURCE_NAME.to_owned(), pack_any(configuration))
}

/// Returns the route for requests without a worker, and the one for requests with a worker.
fn routes(pool: &Pool, draining: &[Worker]) -> [Route; 2] {
    let no_worker = HeaderMatcher {
        name: headers::WORKER.to_owned(),
        header_match_specifier: Some(HeaderMatchSpecifier::PresentMatch(false)),
        ..HeaderMatcher::default()
    };
    // The filter refuses a request that has waited for too long. If its lane has died, only this limit does.
    let waits_at_most = pool.free_worker_timeout.as_duration() + MARGIN;
    [
        route(pool, draining, vec![no_worker], waits_at_most),
        route(pool, draining, Vec::new(), idle_timeout(pool)),
    ]
}

fn route(pool: &Pool, draining: &[Worker], headers: Vec<HeaderMatcher>, idle: Duration) -> Route {
    let has_path = |worker: &Worker| !worker.worker.path_prefix().is_empty();
    // The path of the worker's base URL is in its cluster's metadata; a cluster without one adds no prefix. Envoy rewrites after it
    // has chosen the route. If the filter rewrote the path, Envoy would choose the route by the new one.
    let path_rewrite = if pool.workers.iter().chain(draining).any(has_path) {
        format!("%CLUSTER_METADATA({RESOURCE_NAME}:{PATH_PREFIX})%%PATH(NQ:PATH)%")
    } else {
        String::new()
    };
    Route {
        name: pool.name.as_str().to_owned(),
        r#match: Some(RouteMatch {
            path_specifier: Some(PathSpecifier::Prefix(pool.matches.prefix.clone())),
            headers,
            ..RouteMatch::default()
        }),
        action: Some(Action::Route(RouteAction {
            cluster_specifier: Some(ClusterSpecifier::ClusterHeader(headers::WORKER.to_owned())),
            cluster_not_found_response_code: ClusterNotFoundResponseCode::ServiceUnavailable.into(),
            host_rewrite_specifier: Some(HostRewriteSpecifier::AutoHostRewrite(yes().unwrap_or_default())),
            // The client's authority, which the rewrite replaces, for workers that make absolute links.
            append_x_forwarded_host: true,
            path_rewrite,
            // It counts for a pool without a time limit for the answer. In other pools the filter sets the router's timeout in a
            // header, since Envoy ignores this field beside a limit of the whole stream (`max_stream_duration`).
            timeout: duration(pool.answer_timeout.as_duration()),
            idle_timeout: duration(idle),
            flush_timeout: duration(SILENCE),
            max_stream_duration: max_stream_duration(pool),
            ..RouteAction::default()
        })),
        ..Route::default()
    }
}

/// Returns the longest duration of a stream. It bounds the time for which a slot is in use, also if a client sends its request very
/// slowly, and if the lane has died.
fn max_stream_duration(pool: &Pool) -> Option<MaxStreamDuration> {
    let longest_ms = pool.stream_ms_max()?;
    Some(MaxStreamDuration {
        max_stream_duration: duration(Duration::from_millis(longest_ms)),
        ..MaxStreamDuration::default()
    })
}

/// Returns the longest silence on a request's stream once it has its slot. The stream is silent while the worker computes, so the
/// limit is longer than the answer may take; it ends streams of stalled clients and workers. Zero, which is no limit, for a pool
/// without a time limit for the answer.
fn idle_timeout(pool: &Pool) -> Duration {
    if pool.answer_timeout == WaitDuration::ZERO {
        return Duration::ZERO;
    }
    pool.answer_timeout.as_duration().max(SILENCE) + MARGIN
}
