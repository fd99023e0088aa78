use std::{collections::BTreeMap, sync::atomic::AtomicU64, time::Instant};

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::ApiState;
use crate::{
    error::Error,
    lifecycle::ReloadOutcome,
    telemetry::Process,
    workers::{Health, WorkerCondition},
    xds::Refusal,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SlotLabels {
    pool: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    pool: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TypeLabels {
    type_url: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

/// Slots and waiting requests over all coordinators, and how the coordinators are doing, for Prometheus.
#[utoipa::path(get, path = "/metrics", responses(
    (status = 200, description = "Figures in OpenMetrics text", body = String, content_type = "application/openmetrics-text"),
))]
pub(super) async fn metrics(State(state): State<ApiState>) -> Result<Response, Error> {
    let desired = state.workers.desired().borrow().clone();
    let latest = state.reports.latest(Instant::now());

    // A pool that nobody reports on has no slots to speak of, but it is there.
    let mut pools: BTreeMap<&str, [i64; 4]> =
        desired.pools.iter().map(|pool| (pool.name.as_str(), [0; 4])).collect();
    for report in latest.iter().filter(|report| report.is_fresh()).flat_map(|latest| &latest.pools) {
        if let Some(sums) = pools.get_mut(report.pool.as_str()) {
            let figures = [report.free, report.in_flight, report.parked, report.waiting];
            sums.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += i64::from(figure));
        }
    }
    let slots = Family::<SlotLabels, Gauge>::default();
    let waiting = Family::<PoolLabels, Gauge>::default();
    for (pool, [free, in_flight, parked, in_line]) in pools {
        for (state, figure) in [("free", free), ("in_flight", in_flight), ("parked", parked)] {
            slots.get_or_create(&SlotLabels { pool: pool.to_owned(), state }).set(figure);
        }
        waiting.get_or_create(&PoolLabels { pool: pool.to_owned() }).set(in_line);
    }
    let nacks = Family::<TypeLabels, Counter>::default();
    for (type_url, number) in state.coordinators.nacks_total() {
        nacks.get_or_create(&TypeLabels { type_url: type_url.to_string() }).inc_by(number);
    }
    let refused = Family::<ReasonLabels, Counter>::default();
    for reason in Refusal::ALL {
        let number = state.coordinators.refusals().of(reason);
        refused.get_or_create(&ReasonLabels { reason: reason.as_str() }).inc_by(number);
    }
    let connected = Gauge::<i64>::default();
    connected.set(i64::try_from(state.coordinators.list().len()).unwrap_or(i64::MAX));
    let generation = Gauge::<u64, AtomicU64>::default();
    generation.set(desired.generation);

    let failed_heartbeats = Family::<PoolLabels, Counter>::default();
    let [down, kept] = [(); 2].map(|()| Family::<PoolLabels, Gauge>::default());
    for pool in &desired.pools {
        let labels = PoolLabels { pool: pool.name.to_string() };
        // A pool in which nothing fails has figures, too.
        drop(failed_heartbeats.get_or_create(&labels));
        drop(down.get_or_create(&labels));
        drop(kept.get_or_create(&labels));
    }
    for (pool, number) in state.workers.heartbeats().failures() {
        failed_heartbeats.get_or_create(&PoolLabels { pool: pool.to_string() }).inc_by(number);
    }
    for worker in state.workers.watched() {
        if matches!(worker.health, Health::Down { .. }) {
            down.get_or_create(&PoolLabels { pool: worker.pool.to_string() }).inc();
        }
    }
    for (pool, number) in state.workers.heartbeats().kept() {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        kept.get_or_create(&PoolLabels { pool: pool.to_string() }).set(number);
    }
    let watching = Gauge::<i64>::default();
    watching.set(i64::from(state.watchdog.is_watching()));
    let workers = Family::<SlotLabels, Gauge>::default();
    let view = state.workers.view(Instant::now());
    for pool in &desired.pools {
        for state in WorkerCondition::ALL {
            let labels = SlotLabels { pool: pool.name.to_string(), state: state.as_str() };
            workers.get_or_create(&labels).set(0);
        }
    }
    for (_, record, status) in view.workers() {
        let labels = SlotLabels { pool: record.entry.pool.to_string(), state: status.state.as_str() };
        workers.get_or_create(&labels).inc();
    }

    let mut whole = Registry::default();
    process(&mut whole);
    let registry = whole.sub_registry_with_prefix("slotway");
    program(registry, &state);
    registry.register("workers", "Workers by what they are doing", workers);
    registry.register("slots", "Slots over all coordinators", slots);
    registry.register("waiting", "Requests that wait for a slot", waiting);
    registry.register("coordinators_connected", "Envoys with an xDS stream", connected);
    registry.register("xds_nack", "Configurations that an Envoy refused", nacks);
    registry.register("xds_refused", "Connections, streams and reports that were not let in", refused);
    registry.register("config_generation", "Generation of the wanted configuration", generation);
    let help = "Workers that did not answer when they were asked whether they are there";
    registry.register("worker_heartbeat_failures", help, failed_heartbeats);
    registry.register("workers_down", "Workers that get no requests since their heartbeat has failed", down);
    let help = "Workers that get requests although their heartbeat has failed, since too many fail at once";
    registry.register("workers_kept", help, kept);
    registry.register(
        "watchdog_watching",
        "Whether it is this control plane that asks the workers",
        watching,
    );
    let listeners = Gauge::<i64>::default();
    listeners.set(i64::try_from(state.events.listeners()).unwrap_or(i64::MAX));
    registry.register("event_listeners", "Clients that listen to events", listeners);
    let mut text = String::new();
    encode(&mut text, &whole)
        .map_err(|error| Error::System { doing: "writing the metrics", reason: error.to_string() })?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// What the process costs, under the names that Prometheus's own libraries use.
fn process(registry: &mut Registry) {
    let Some(process) = Process::now() else { return };
    let seconds = |figure: f64| {
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(figure);
        gauge
    };
    let number = |figure: u64| {
        let gauge = Gauge::<u64, AtomicU64>::default();
        gauge.set(figure);
        gauge
    };
    let cpu = Counter::<f64, AtomicU64>::default();
    cpu.inc_by(process.cpu_s);
    registry.register("process_cpu_seconds", "Processor time used", cpu);
    let started = seconds(process.start_time_unix_s);
    registry.register("process_start_time_seconds", "When the process began, as Unix time", started);
    for (name, help, figure) in [
        ("process_resident_memory_bytes", "Memory held", process.resident_bytes),
        ("process_virtual_memory_bytes", "Address space", process.virtual_bytes),
        ("process_threads", "Threads", process.threads),
        ("process_open_fds", "Open files", process.open_files),
    ] {
        registry.register(name, help, number(figure));
    }
    if let Some(most) = process.open_files_max {
        registry.register("process_max_fds", "Most open files", number(most));
    }
}

/// What the program is, how its parts do, and what it was asked.
fn program(registry: &mut Registry, state: &ApiState) {
    let build = Family::<BuildLabels, Gauge>::default();
    build.get_or_create(&BuildLabels { version: env!("CARGO_PKG_VERSION") }).set(1);
    registry.register("build_info", "The version that runs; always 1", build);
    let takes_changes = Gauge::<i64>::default();
    takes_changes.set(i64::from(state.store.trouble().borrow().is_none()));
    registry.register("store_takes_changes", "Whether the database takes changes", takes_changes);
    let reloads = Family::<OutcomeLabels, Counter>::default();
    for outcome in [ReloadOutcome::Done, ReloadOutcome::Refused] {
        let labels = OutcomeLabels { outcome: outcome.as_str() };
        reloads.get_or_create(&labels).inc_by(state.reloads.of(outcome));
    }
    registry.register("config_reloads", "How often the configuration file was read again", reloads);
    let in_force = Gauge::<i64>::default();
    in_force.set(i64::from(state.reloads.is_last_in_force()));
    let help = "Whether the configuration file as it was last read is in force";
    registry.register("config_last_reload_successful", help, in_force);
    let last = Gauge::<u64, AtomicU64>::default();
    last.set(state.reloads.last_success_unix_s());
    let help = "When the configuration file was last put in force, as Unix time";
    registry.register("config_last_reload_success_timestamp_seconds", help, last);
    state.requests.register(registry);
}
