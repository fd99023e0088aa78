use serde_json::Value;

use super::{figure, text::Text};
use crate::commands::{json_resource::JsonResource, output::duration};

const STATUS_TOLD: &[&str] = &[
    "cluster",
    "state",
    "envoy_version",
    "protocol",
    "generation",
    "generation_in_force",
    "report_age_ms",
    "types",
    "pools",
    "connected_since_unix_ms",
];

pub(super) fn describe(text: &mut Text, resource: &JsonResource) {
    text.line("Group", resource.text("status.cluster").unwrap_or("unknown"));
    text.line("State", resource.text("status.state").unwrap_or("unknown"));
    text.line("Envoy", resource.text("status.envoy_version").unwrap_or("unknown"));
    text.line("Protocol", resource.text("status.protocol").unwrap_or("unknown"));
    text.line(
        "Generation",
        format!(
            "{} acknowledged, {} in force",
            figure(resource, "status.generation"),
            figure(resource, "status.generation_in_force")
        ),
    );
    text.line(
        "Reported",
        match resource.number("status.report_age_ms") {
            Some(ms) => format!("{} ago", duration(ms)),
            None => "never".to_owned(),
        },
    );
    text.fields("", resource.at("status"), STATUS_TOLD);
    text.heading("Resources");
    for (url, status) in resource.at("status.types").and_then(Value::as_object).into_iter().flatten() {
        let member = |name: &str| status.get(name).and_then(Value::as_str).unwrap_or("-");
        let name = url.rsplit('.').next().unwrap_or_default();
        text.entry(&format!(
            "{name}: {}, wanted {}, acknowledged {}",
            member("state"),
            member("wanted"),
            member("acked")
        ));
        let Some(rejection) = status.get("last_rejection").filter(|rejection| rejection.is_object()) else {
            continue;
        };
        let reason = rejection.get("reason").and_then(Value::as_str).unwrap_or("no reason");
        let mended = if member("state") == "REJECTED" { "refused" } else { "refused before, mended since" };
        text.entry(&format!("  {mended}: {reason}"));
        for change in rejection.get("changes").and_then(Value::as_array).into_iter().flatten() {
            let text_of = |name: &str| change.get(name).and_then(Value::as_str).unwrap_or_default();
            text.entry(&format!("  changed by {}: {} {}", text_of("who"), text_of("kind"), text_of("key")));
        }
    }
    text.heading("Pools");
    for pool in resource.at("status.pools").and_then(Value::as_array).into_iter().flatten() {
        let number = |name: &str| pool.get(name).and_then(Value::as_u64).unwrap_or_default();
        text.entry(&format!(
            "{}: {} in flight, {} free, {} parked, {} waiting",
            pool.get("name").and_then(Value::as_str).unwrap_or_default(),
            number("in_flight"),
            number("free"),
            number("parked"),
            number("waiting")
        ));
    }
}
