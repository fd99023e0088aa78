//! The filter right before the router, which changes headers once the route is known.
//!
//! *How long a worker may take for its whole answer.* A route has a field for that, `timeout`, which Envoy's router ignores where the route also limits the whole stream
//! (`max_stream_duration`). A header tells the router the same, whatever else the route says: `x-envoy-upstream-rq-timeout-ms`, which it takes off again. A client's own is taken
//! off on the way in.
//!
//! *Our own headers* are not the worker's business, and must not be forged by it. The route was chosen by one of them; this filter has looked its configuration up in the route by
//! then, so the route stands, and nothing chooses it anew. A filter of the cluster's own could do the same, and costs more: Envoy makes a chain of filters for it, for each request.

use std::time::Duration;

use envoy_types::{
    pb::{
        envoy::{
            config::{
                common::mutation_rules::v3::{HeaderMutation as Mutation, header_mutation::Action},
                core::v3::{HeaderValue, HeaderValueOption, header_value_option::HeaderAppendAction},
            },
            extensions::filters::{
                http::header_mutation::v3::{HeaderMutation, HeaderMutationPerRoute, Mutations},
                network::http_connection_manager::v3::HttpFilter,
            },
        },
        google::protobuf::Any,
    },
    util::pack_any,
};
use slotway_config::headers;

use super::protobuf::{http_filter, remove_prefix};

/// The filter, and the name of its configuration in a route.
const NAME: &str = "envoy.filters.http.header_mutation";
const HEADER: &str = "x-envoy-upstream-rq-timeout-ms";

/// The filter before the router.
pub(super) fn filter() -> HttpFilter {
    http_filter(NAME, pack_any(HeaderMutation::default()))
}

/// What a route says to the filter: its name, and what it does there.
pub(super) fn of_route(answer_timeout: Duration) -> (String, Any) {
    let header = HeaderValue {
        key: HEADER.to_owned(),
        value: answer_timeout.as_millis().to_string(),
        ..HeaderValue::default()
    };
    let set = HeaderValueOption {
        header: Some(header),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    };
    let mutations = Mutations {
        request_mutations: vec![
            remove_prefix(headers::PREFIX),
            Mutation { action: Some(Action::Append(set)) },
        ],
        response_mutations: vec![remove_prefix(headers::PREFIX)],
        ..Mutations::default()
    };
    (NAME.to_owned(), pack_any(HeaderMutationPerRoute { mutations: Some(mutations) }))
}
