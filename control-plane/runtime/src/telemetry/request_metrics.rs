use std::time::Duration;

use axum::http::Method;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};

/// The answered requests by method, route and status. All three are bounded: the methods of HTTP, the paths of the router,
/// the statuses that it sends.
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

/// The upper bounds of the buckets, in seconds: reads come from memory, commits take milliseconds, a failing database seconds.
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
    /// Counts an answer. `route` is a path of the router, never one of a client.
    pub fn count(&self, method: &Method, route: &str, status: u16, took: Duration) {
        let (method, route) = (known(method), route.to_owned());
        self.answered.get_or_create(&AnsweredLabels { method, route: route.clone(), status }).inc();
        self.seconds.get_or_create(&RouteLabels { method, route }).observe(took.as_secs_f64());
    }

    /// Registers the metrics.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("api_requests", "Answered REST requests", self.answered.clone());
        registry.register(
            "api_request_seconds",
            "Time from a REST request to the beginning of its answer",
            self.seconds.clone(),
        );
    }
}

/// Returns a known method's name, or `other`: clients may invent methods.
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
