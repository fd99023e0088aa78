//! Measures Slotway's cost for a request that does not wait.

use std::time::Duration;

use super::Bench;
use crate::{
    closed::{self, Load},
    contender::{envoy, haproxy, nginx, slotway},
    module,
    report::Case,
    worker::Workers,
};

/// More slots than concurrent requests, so that none waits.
const SLOTS: u32 = 1_000;
const CONNECTIONS: u32 = 16;

/// Slotway's whole configuration of Envoy, except the filter.
const CONFIGURATION: &str = "Slotway without its filter";

/// The host calls of a request in Slotway, and nothing else.
const SAME_CALLS: &str = "raw module, Slotway's calls";

/// The minimal host calls with which a slot can be granted.
const LEAST_CALLS: &str = "raw module, the least calls";

/// Runs the case.
pub(crate) async fn run(bench: &Bench) -> Case {
    let cpus = &bench.cpus;
    let workers = Workers::start(Duration::ZERO);
    let at = workers.addresses(1);
    let rounds = closed::measure(bench, async || {
        let with_slotway = slotway::start(&slotway::setup(&workers, 1, SLOTS), cpus).await;
        let generated = envoy::Generated::of(&with_slotway).await;
        let bare = generated.bare(&at);
        let contenders = [
            bare.clone().start("bare Envoy", cpus).await,
            bare.clone().with_module(&module::continue_only()).start("raw module", cpus).await,
            bare.clone().with_module(&module::empty_sdk()).start("empty SDK filter", cpus).await,
            bare.clone().with_module(&module::least_calls()).start(LEAST_CALLS, cpus).await,
            bare.with_module(&module::same_calls()).start(SAME_CALLS, cpus).await,
            generated.without_filter(&at).start(CONFIGURATION, cpus).await,
            with_slotway,
            envoy::default(&at).start("Envoy by default", cpus).await,
            haproxy::start(&at, haproxy::HaproxySettings::queueing(SLOTS), cpus).await,
            nginx::start(&at, SLOTS, cpus).await,
        ];
        contenders.into_iter().map(|contender| (contender, Load::of(CONNECTIONS))).collect()
    })
    .await;
    rounds.print_busy_alone();
    Case {
        key: "overhead".into(),
        title: "Cost of a free slot".into(),
        what: format!(
            "Workers that answer at once, {CONNECTIONS} connections, {SLOTS} slots: no request waits. \
             Each proxy has one thread and its own processor; clients and workers share the other one."
        ),
        rounds: bench.rounds as u32,
        figures: vec![
            rounds
                .ratio("throughput", "Slotway", "bare Envoy", |measured| &measured.per_second)
                .at_least(0.82),
            rounds
                .ratio("throughput", "Slotway", "raw module", |measured| &measured.per_second)
                .at_least(0.90),
            rounds.ratio("throughput", "Slotway", "empty SDK filter", |measured| &measured.per_second),
            rounds.ratio("throughput", LEAST_CALLS, "bare Envoy", |measured| &measured.per_second),
            rounds.ratio("throughput", SAME_CALLS, "bare Envoy", |measured| &measured.per_second),
            rounds.ratio("throughput", "Slotway", SAME_CALLS, |measured| &measured.per_second),
            rounds.ratio("throughput", CONFIGURATION, "bare Envoy", |measured| &measured.per_second),
            rounds.ratio("p99", "Slotway", "bare Envoy", |measured| &measured.p99).at_most(1.25),
            rounds.ratio("CPU", "Slotway", "bare Envoy", |measured| &measured.cpu_us),
            rounds.ratio("throughput", "Slotway", "Envoy by default", |measured| &measured.per_second),
            rounds.ratio("throughput", "bare Envoy", "Envoy by default", |measured| &measured.per_second),
            rounds.ratio("throughput", "Slotway", "HAProxy", |measured| &measured.per_second),
        ],
        series: rounds.series(""),
    }
}
