use std::collections::BTreeMap;

use super::{figure, text::Text};
use crate::commands::CliError;
use crate::commands::{client::ApiClient, json_resource::JsonResource, kind::Kind, output::duration};

const SPEC_TOLD: &[&str] = &["match", "position"];
const STATUS_TOLD: &[&str] = &[
    "free",
    "in_flight",
    "parked",
    "waiting",
    "oldest_wait_ms",
    "slots",
    "workers",
    "coordinators",
    "report_age_ms",
];

pub(super) async fn describe(
    text: &mut Text,
    resource: &JsonResource,
    client: &ApiClient,
) -> Result<(), CliError> {
    text.fields("match", resource.at("spec.match"), &[]);
    text.line("Position", figure(resource, "spec.position"));
    text.fields("", resource.at("spec"), SPEC_TOLD);
    match client.one(Kind::POLICY, resource.name()).await {
        Ok(policy) => text.fields("", policy.at("spec"), &[]),
        // The pool may have been deleted meanwhile.
        Err(CliError::Rejected(_)) => {}
        Err(error) => return Err(error),
    }
    let workers = client.list(Kind::WORKER, &[("pool", resource.name())]).await?.items;
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    for worker in &workers {
        *states.entry(worker.text("status.state").unwrap_or("unknown")).or_default() += 1;
    }
    let states: Vec<_> = states.iter().map(|(state, number)| format!("{number} {state}")).collect();
    let states = if states.is_empty() { String::new() } else { format!(": {}", states.join(", ")) };
    text.line("Workers", format!("{}{states}", workers.len()));
    text.line("Slots", figure(resource, "status.slots"));
    text.line("In flight", figure(resource, "status.in_flight"));
    text.line("Free slots", figure(resource, "status.free"));
    text.line("Parked slots", figure(resource, "status.parked"));
    let oldest = resource.number("status.oldest_wait_ms").filter(|ms| *ms > 0);
    let since = oldest.map(|ms| format!(", the first for {}", duration(ms))).unwrap_or_default();
    text.line("Waiting", format!("{}{since}", figure(resource, "status.waiting")));
    text.line("Coordinators", figure(resource, "status.coordinators"));
    text.line(
        "Reported",
        match resource.number("status.report_age_ms") {
            Some(ms) => format!("{} ago", duration(ms)),
            None => "by no Envoy".to_owned(),
        },
    );
    text.fields("", resource.at("status"), STATUS_TOLD);
    Ok(())
}
