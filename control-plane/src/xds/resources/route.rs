//! RDS: two routes for each pool. The filter writes the worker into a header, and the route reads its cluster there. Until the header is
//! there, the first route counts, whose limits are for a request that waits; from then on the second.

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

use super::{
    RESOURCE_NAME,
    cluster::PATH_PREFIX,
    protobuf::{duration, yes},
};
use crate::xds::resource_set::Resource;

/// How long either side may be silent where no answer is awaited, and how long a client may leave an answer unread.
pub(super) const SILENCE: Duration = Duration::from_secs(300);
/// What the filter's own deadlines may be late by, and more.
const MARGIN: Duration = Duration::from_secs(10);

/// The routes of all pools, in match order.
pub(crate) fn resource(pools: &[Pool], draining: &[Worker]) -> Resource {
    let configuration = RouteConfiguration {
        name: RESOURCE_NAME.to_owned(),
        virtual_hosts: vec![VirtualHost {
            name: RESOURCE_NAME.to_owned(),
            domains: vec!["*".to_owned()],
            routes: pools.iter().flat_map(|pool| routes(pool, draining)).collect(),
            // The router takes them off when it has chosen the route, one of them being what it is chosen by. A filter that does it costs each request
            // several times as much.
            request_headers_to_remove: headers::OURS.map(str::to_owned).into(),
            response_headers_to_remove: headers::OURS.map(str::to_owned).into(),
            ..VirtualHost::default()
        }],
        ..RouteConfiguration::default()
    };
    Resource::new(RESOURCE_NAME.to_owned(), pack_any(configuration))
}

/// The route while the request has no worker, and the one from then on.
fn routes(pool: &Pool, draining: &[Worker]) -> [Route; 2] {
    let no_worker = HeaderMatcher {
        name: headers::WORKER.to_owned(),
        header_match_specifier: Some(HeaderMatchSpecifier::PresentMatch(false)),
        ..HeaderMatcher::default()
    };
    // The filter itself refuses a request that has waited for too long; where its lane has died nobody else does.
    let waits_at_most = pool.free_worker_timeout.as_duration() + MARGIN;
    [
        route(pool, draining, vec![no_worker], waits_at_most),
        route(pool, draining, Vec::new(), idle_timeout(pool)),
    ]
}

fn route(pool: &Pool, draining: &[Worker], headers: Vec<HeaderMatcher>, idle: Duration) -> Route {
    let has_path = |worker: &Worker| !worker.worker.path_prefix().is_empty();
    // The path of the worker's base URL stands in its cluster's metadata; a cluster without one puts nothing in front. Envoy
    // rewrites after it chose the route: were the filter to do it, the route would be chosen by the new path.
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
            path_rewrite,
            // What counts where the answer may take for ever; else the filter tells the router in a header, since beside a limit of the whole stream
            // (`max_stream_duration`) this does not count.
            timeout: duration(pool.answer_timeout.as_duration()),
            idle_timeout: duration(idle),
            flush_timeout: duration(SILENCE),
            max_stream_duration: max_stream_duration(pool),
            ..RouteAction::default()
        })),
        ..Route::default()
    }
}

/// How long a stream may last in all, so that a slot is out for a bounded time, also where a client sends its request drop
/// by drop, and where nobody but Envoy watches it any more.
fn max_stream_duration(pool: &Pool) -> Option<MaxStreamDuration> {
    let longest_ms = pool.stream_ms_max()?;
    Some(MaxStreamDuration {
        max_stream_duration: duration(Duration::from_millis(longest_ms)),
        ..MaxStreamDuration::default()
    })
}

/// How long nothing may move on a request's stream once it has its slot. It is silent while its worker computes; no client or
/// worker within that limit is cut off, and one that stalls is in the end. Zero, which is no limit, where the answer may take for ever.
fn idle_timeout(pool: &Pool) -> Duration {
    if pool.answer_timeout == WaitDuration::ZERO {
        return Duration::ZERO;
    }
    pool.answer_timeout.as_duration().max(SILENCE) + MARGIN
}
