use std::time::Duration;

use axum::http::Method;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

/// The requests that were answered, by method, route and status. All three are bounded: the methods that HTTP knows, the paths that the
/// router has, the statuses that we send.
#[derive(Debug)]
pub struct RequestMetrics {
    answered: Family<AnsweredLabels, Counter>,
    seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnsweredLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

/// Up to how many seconds each bucket counts: reads come from memory, commits take milliseconds, a database in trouble seconds.
const BUCKETS_S: [f64; 10] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];

fn histogram() -> Histogram {
    Histogram::new(BUCKETS_S)
}

impl Default for RequestMetrics {
    fn default() -> Self {
        Self { answered: Family::default(), seconds: Family::new_with_constructor(histogram) }
    }
}

impl RequestMetrics {
    /// Counts an answer; `route` is a path as the router has it, never one that a client made up.
    pub fn count(&self, method: &Method, route: &str, status: u16, took: Duration) {
        let (method, route) = (known(method), route.to_owned());
        self.answered.get_or_create(&AnsweredLabels { method, route: route.clone(), status }).inc();
        self.seconds.get_or_create(&RouteLabels { method, route }).observe(took.as_secs_f64());
    }

    /// Adds them to what `/metrics` tells.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("api_requests", "Requests to REST that were answered", self.answered.clone());
        registry.register(
            "api_request_seconds",
            "Time from a request to REST to the beginning of its answer",
            self.seconds.clone(),
        );
    }
}

/// A client may make methods up.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
