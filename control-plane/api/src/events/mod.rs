//! `GET /api/v1/events`: changes as server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! One task ([`Hub`]) follows the store, the reports and the coordinators, and serializes each event once for all
//! listeners. A listener has a bounded [`outbox`], and is disconnected if it does not read it. When it returns, it receives
//! the missed events from the store ([`changed`]).

mod changed;
mod difference;
mod frame;
mod hub;
mod kinds;
mod outbox;
mod stream;

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderName, HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use slotway_config::WaitDuration;

use super::{ApiState, Problem, ResourceRegistry};
use crate::ApiError;
pub use hub::Hub;
use slotway_coordinators::{Coordinators, Reports};
use slotway_identity::{Identity, Scope};
use slotway_pools::Pools;
use slotway_store::Store;

use kinds::Kinds;

/// The components whose changes become events.
#[derive(Clone)]
pub struct EventSources {
    /// Pools and workers.
    pub workers: Arc<Pools>,
    /// The other domains.
    pub resources: Arc<ResourceRegistry>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The coordinators' reports.
    pub reports: Arc<Reports>,
    /// The coordinators' connections.
    pub coordinators: Arc<Coordinators>,
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The query of a listener.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    kinds: Option<String>,
    after: Option<u64>,
    r#for: Option<String>,
}

/// The longest duration of `for`.
const FOR_MAX: WaitDuration = WaitDuration::from_ms(24 * 60 * 60 * 1_000);

/// Streams changes as server-sent events: `changed` for a created, changed or deleted resource, `figures` for the status of
/// pools and workers, `coordinators` for their connections and states, and `resync` if too much was missed.
#[utoipa::path(get, path = "/api/v1/events", operation_id = "listen", params(
    ("kinds" = Option<String>, Query, description = "Only these kinds, separated by commas: `Worker,Pool`"),
    ("after" = Option<u64>, Query, description = "Only events after this `resourceVersion`; `Last-Event-ID` takes precedence"),
    ("for" = Option<String>, Query, description = "Longest duration of the stream: `30s`, up to `24h`; `0s` for the events so far. Unlimited by default"),
    ("last-event-id" = Option<String>, Header, description = "The `id` of the last received event; empty before the first", pattern = "^[0-9]{0,19}$"),
), responses(
    (status = 200, description = "Events until the client disconnects", body = Object, content_type = "text/event-stream"),
    (status = 400, description = "Invalid kind, version or duration", body = Problem),
    (status = 401, description = "Authentication required", body = Problem),
    (status = 503, description = "The limit of listeners is reached, or this control plane is stopping", body = Problem),
))]
pub(super) async fn listen(
    State(state): State<ApiState>,
    Extension(identity): Extension<Identity>,
    query: Result<Query<EventsQuery>, QueryRejection>,
    parts: Parts,
) -> Result<Response, ApiError> {
    let bad = |field: Option<&str>, reason: String| ApiError::BadBody {
        index: None,
        field: field.map(str::to_owned),
        reason,
    };
    let Query(wanted) = query.map_err(|rejection| {
        bad(None, format!("{}; there is kinds, after and for", rejection.body_text()))
    })?;
    let kinds = match &wanted.kinds {
        Some(list) => Kinds::parse(list).map_err(|reason| bad(Some("kinds"), reason))?,
        None => Kinds::ALL,
    };
    let kinds = if identity.scope >= Scope::Admin { kinds } else { kinds.without_those_of_admins() };
    // Revisions are at most an `int64`, as the description says.
    if wanted.after.is_some_and(|after| i64::try_from(after).is_err()) {
        return Err(bad(Some("after"), format!("a version is at most {}", i64::MAX)));
    }
    let within = wanted.r#for.as_deref().map(|text| {
        let within = text.parse::<WaitDuration>().map_err(|error| bad(Some("for"), error.to_string()))?;
        if within > FOR_MAX {
            let reason =
                format!("{within} is too long: at most {FOR_MAX}, or leave it out to listen until you go");
            return Err(bad(Some("for"), reason));
        }
        Ok(within.as_duration())
    });
    let within = within.transpose()?;
    let after = match parts.headers.get(LAST_EVENT_ID) {
        // A browser sends this before the first event with an id.
        Some(id) if id.is_empty() => wanted.after,
        Some(id) => Some(id.to_str().ok().and_then(|id| id.parse().ok()).ok_or_else(|| {
            let reason = "must be the `id` of an event. Leave it out to receive only new events";
            bad(Some("last-event-id"), reason.to_owned())
        })?),
        None => wanted.after,
    };
    let listener = state.events.subscribe(kinds, after)?;
    let body = Body::from_stream(stream::of(state, listener, within, identity, parts));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // Proxies such as nginx must not buffer the stream.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, body).into_response())
}
