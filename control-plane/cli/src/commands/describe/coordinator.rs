use slotway_api_types::{CoordinatorState, SyncState};

use super::text::Text;
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

pub(super) fn describe(text: &mut Text, resource: &JsonResource, status: &CoordinatorState) {
    let generation =
        |number: Option<u64>| number.map_or_else(|| "unknown".to_owned(), |number| number.to_string());
    text.line("Group", &status.cluster);
    text.line("State", status.state.as_str());
    text.line("Envoy", &status.envoy_version);
    text.line("Protocol", status.protocol.as_str());
    text.line(
        "Generation",
        format!(
            "{} acknowledged, {} in force",
            generation(status.generation),
            generation(status.generation_in_force)
        ),
    );
    text.line(
        "Reported",
        match status.report_age_ms {
            Some(ms) => format!("{} ago", duration(ms)),
            None => "never".to_owned(),
        },
    );
    // Fields of a newer control plane.
    text.fields("", resource.at("status"), STATUS_TOLD);
    text.heading("Resources");
    for (url, status) in &status.types {
        let name = url.rsplit('.').next().unwrap_or_default();
        let (state, acked) = (status.state.as_str(), status.acked.as_deref().unwrap_or("-"));
        text.entry(&format!("{name}: {state}, wanted {}, acknowledged {acked}", status.wanted));
        let Some(rejection) = &status.last_rejection else { continue };
        let mended =
            if status.state == SyncState::Rejected { "refused" } else { "refused before, mended since" };
        text.entry(&format!("  {mended}: {}", rejection.reason));
        for change in rejection.changes.iter().flatten() {
            text.entry(&format!("  changed by {}: {} {}", change.who, change.kind, change.key));
        }
    }
    text.heading("Pools");
    for pool in &status.pools {
        text.entry(&format!(
            "{}: {} in flight, {} free, {} parked, {} waiting",
            pool.name, pool.in_flight, pool.free, pool.parked, pool.waiting
        ));
    }
}
