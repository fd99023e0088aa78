//! Traces for an OpenTelemetry collector (OTLP over gRPC), configured by the standard `OTEL_*` environment variables.

use axum::http::HeaderMap;
use opentelemetry::{
    propagation::{Extractor, TextMapPropagator},
    trace::TracerProvider,
};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing::{Level, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

/// Sends the remaining traces on drop.
pub(super) struct Exporting(SdkTracerProvider);

impl Drop for Exporting {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "sending the last traces failed");
        }
    }
}

/// Returns the layer that exports spans; none if the environment names no collector. Needs a Tokio runtime.
pub(super) fn layer<S>() -> Option<(Box<dyn Layer<S> + Send + Sync>, Exporting)>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let wanted = is_set("OTEL_EXPORTER_OTLP_ENDPOINT") || is_set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    let off = std::env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true"));
    if !wanted || off {
        return None;
    }
    let exporter = match SpanExporter::builder().with_tonic().build() {
        Ok(exporter) => exporter,
        Err(error) => {
            // The log has not started yet.
            eprintln!(
                "slotway: no traces are sent: {error}; OTEL_EXPORTER_OTLP_ENDPOINT is to be http://HOST:PORT"
            );
            return None;
        }
    };
    let mut resource = Resource::builder();
    if !is_set("OTEL_SERVICE_NAME") {
        resource = resource.with_service_name("slotway");
    }
    let provider =
        SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
    let tracer = provider.tracer("slotway");
    // The exporter itself must not be traced.
    let ours = Targets::new().with_target("slotway", Level::DEBUG);
    let layer = tracing_opentelemetry::layer().with_tracer(tracer).with_filter(ours).boxed();
    Some((layer, Exporting(provider)))
}

/// Makes a request's span part of its sender's trace (`traceparent`, W3C Trace Context).
pub fn continue_from(span: &Span, headers: &HeaderMap) {
    let parent = TraceContextPropagator::new().extract(&Headers(headers));
    // It fails only if the span is not traced.
    let _ = span.set_parent(parent);
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(axum::http::HeaderName::as_str).collect()
    }
}
