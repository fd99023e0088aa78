//! Measures the processor time of Slotway's Envoy configuration without the filter: each setting alone, in an otherwise
//! bare Envoy.

use std::time::Duration;

use serde_json::json;

use super::Bench;
use crate::{
    closed::{self, Load},
    contender::{
        Contender,
        envoy::{self, Generated, Plan},
        slotway,
    },
    report::{Case, Figure},
    worker::Workers,
};

const CONNECTIONS: u32 = 16;
const BARE: &str = "bare Envoy";
/// Long enough for the access log for lost requests to evaluate a request.
const LONG: Duration = Duration::from_millis(25);
const LONG_CONNECTIONS: u32 = 256;

/// The contenders that are also measured with such answers.
const AT_LENGTH: [&str; 5] = [BARE, "bare Envoy again", "with the witness", "all but the filter", "Slotway"];

/// Runs the case.
pub(crate) async fn run(bench: &Bench) -> Case {
    let workers = Workers::start(Duration::ZERO);
    let short = closed::measure(bench, async || start(bench, &workers, Load::of(CONNECTIONS)).await).await;
    workers.set_job(LONG);
    let long = closed::measure(bench, async || {
        let mut all = start(bench, &workers, Load::of(LONG_CONNECTIONS)).await;
        all.retain(|(contender, _)| AT_LENGTH.contains(&contender.name.as_str()));
        all
    })
    .await;
    let mut figures: Vec<Figure> = Vec::new();
    for (group, rounds) in [("", &short), ("25 ms: ", &long)] {
        for name in rounds.names().iter().filter(|name| *name != BARE) {
            let pairs = rounds.of(name).cpu_us.iter().zip(&rounds.of(BARE).cpu_us);
            let more: Vec<f64> = pairs.map(|(this, bare)| this - bare).collect();
            figures.push(Figure::of(format!("{group}{name}, more than bare"), "us of CPU/request", &more));
        }
    }
    Case {
        key: "settings".into(),
        title: "Cost of each setting".into(),
        what: format!(
            "Workers that answer at once, {CONNECTIONS} connections; then workers that answer after {} \
             ms, {LONG_CONNECTIONS} connections. Bare Envoy has the settings that Slotway gives it; each \
             contender removes one of them, or adds one part of Slotway.",
            LONG.as_millis()
        ),
        rounds: bench.rounds as u32,
        figures,
        series: short.series("").into_iter().chain(long.series("25 ms: ")).collect(),
    }
}

/// Starts bare Envoy, variants with one setting removed or added, and Slotway.
async fn start(bench: &Bench, workers: &Workers, load: Load) -> Vec<(Contender, Load)> {
    let at = workers.addresses(1);
    let with_slotway = slotway::start(&slotway::setup(workers, 1, 1_000), &bench.cpus).await;
    let generated = Generated::of(&with_slotway).await;
    let bare = generated.bare(&at);
    let all = generated.without_filter(&at);
    let with = |change: &dyn Fn(&mut Plan)| {
        let mut plan = bare.clone();
        change(&mut plan);
        plan
    };
    let without = |setting: &str| with(&|plan| drop(plan.manager().as_object_mut().unwrap().remove(setting)));
    let plans: Vec<(&str, Plan)> = vec![
        (BARE, bare.clone()),
        // The difference between two identical contenders.
        ("bare Envoy again", bare.clone()),
        ("bare Envoy once more", bare.clone()),
        ("without use_remote_address", without("use_remote_address")),
        ("without normalize_path", without("normalize_path")),
        ("without path_with_escaped_slashes_action", without("path_with_escaped_slashes_action")),
        ("without request_headers_timeout", without("request_headers_timeout")),
        ("without stream_idle_timeout", with(&|plan| plan.manager()["stream_idle_timeout"] = "0s".into())),
        ("without early_header_mutation", without("early_header_mutation_extensions")),
        ("with request ids", without("generate_request_id")),
        (
            "without suppressed headers",
            with(&|plan| {
                let filters = plan.manager()["http_filters"].as_array_mut().unwrap();
                drop(filters[0]["typed_config"].as_object_mut().unwrap().remove("suppress_envoy_headers"));
            }),
        ),
        (
            "without the route's limits of time",
            with(&|plan| {
                let route = &mut plan.manager()["route_config"]["virtual_hosts"][0]["routes"][0]["route"];
                *route = json!({ "cluster": route["cluster"].clone(), "auto_host_rewrite": true });
            }),
        ),
        (
            "with the two routes",
            with(&|plan| plan.manager()["route_config"] = all.clone().manager()["route_config"].take()),
        ),
        (
            "with the witness",
            with(&|plan| plan.manager()["access_log"] = all.clone().manager()["access_log"].take()),
        ),
        ("all but the filter", all.clone()),
        ("by default", envoy::default(&at)),
    ];
    let mut contenders = Vec::new();
    for (name, plan) in plans {
        contenders.push((plan.start(name, &bench.cpus).await, load.clone()));
    }
    contenders.push((with_slotway, load));
    contenders
}
