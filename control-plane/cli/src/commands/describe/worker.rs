use super::{figure, text::Text};
use crate::commands::{json_resource::JsonResource, output::duration};

/// Fields of the status that have their own lines; the others are shown field by field.
const SPEC_TOLD: &[&str] = &["pool", "capacity", "cordoned", "protocol", "slow_start"];
const STATUS_TOLD: &[&str] = &[
    "state",
    "reason",
    "capacity_in_force",
    "in_flight",
    "free",
    "parked",
    "failures",
    "waiting",
    "oldest_wait_ms",
    "report_age_ms",
];

pub(super) fn describe(text: &mut Text, resource: &JsonResource) {
    let state = resource.text("status.state").unwrap_or("unknown");
    text.line("Pool", resource.text("spec.pool").unwrap_or("unknown"));
    text.line("State", state);
    if let Some(why) = why(state, resource.text("status.reason")) {
        text.line("Why", why);
    }
    let capacity = figure(resource, "spec.capacity");
    let in_force = resource.number("status.capacity_in_force");
    text.line(
        "Capacity",
        match in_force {
            Some(in_force) if in_force.to_string() != capacity => {
                format!("{capacity}, of which {in_force} in force")
            }
            _ => capacity,
        },
    );
    text.line("Protocol", resource.text("spec.protocol").unwrap_or("http1"));
    if let Some(slow_start) = resource.text("spec.slow_start") {
        text.line("Slow start", format!("its capacity comes back over {slow_start} after a recovery"));
    }
    text.fields("", resource.at("spec"), SPEC_TOLD);
    text.line("In flight", figure(resource, "status.in_flight"));
    text.line("Free slots", figure(resource, "status.free"));
    text.line("Parked slots", figure(resource, "status.parked"));
    text.line(
        "Failures",
        match resource.number("status.failures") {
            Some(number) => format!("{number} in a row"),
            None => "unknown".to_owned(),
        },
    );
    let oldest = resource.number("status.oldest_wait_ms").filter(|ms| *ms > 0);
    let since = oldest.map(|ms| format!(", the first for {}", duration(ms))).unwrap_or_default();
    text.line("Pool's line", format!("{} waiting{since}", figure(resource, "status.waiting")));
    text.line(
        "Reported",
        match resource.number("status.report_age_ms") {
            Some(ms) => format!("{} ago", duration(ms)),
            None => "by no Envoy".to_owned(),
        },
    );
    text.fields("", resource.at("status"), STATUS_TOLD);
}

/// Returns why the worker is not active: the control plane's reason, else the meaning of its state.
fn why<'a>(state: &str, reason: Option<&'a str>) -> Option<&'a str> {
    let reason = reason.filter(|reason| !reason.is_empty());
    reason.or(match state {
        "active" => None,
        "pending" => Some("it was changed, and not every Envoy has the change yet"),
        "draining" => Some("it was removed or shrunk, and requests beyond its capacity are under way"),
        "probing" => Some("it could not be reached, and one request now finds out whether it can again"),
        "parked" => Some("it cannot be reached; it is tried again within 10 s"),
        "cordoned" => Some("an operator has cordoned it; `slotway uncordon` gives it requests again"),
        "drained" => Some(
            "an operator has cordoned it, and no request is left; `slotway uncordon` gives it requests again",
        ),
        "down" => Some("its heartbeat has failed; it comes back by itself when that succeeds"),
        "starting" => Some("it has come back, and gets its capacity step by step"),
        _ => Some("no Envoy has reported for 10 s; `slotway proxy-status` shows which are connected"),
    })
}
