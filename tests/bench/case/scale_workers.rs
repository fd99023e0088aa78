//! Measures whether a request costs more with more workers and slots.

use std::{fmt::Write, net::SocketAddr, time::Duration};

use tempfile::TempDir;

use super::Bench;
use crate::{
    closed::{self, Load, LoadGenerator, Measured, Rounds},
    contender::{envoy, slotway},
    report::{Case, Figure},
    statistics::ratios,
    worker::Workers,
};
use slotway_test_site::Setup;

const CAPACITY: u32 = 4;
/// Numbers of workers, each with a name by its slots. The first size has one worker with a capacity of 2 among its
/// three.
const SIZES: [(u32, &str); 3] = [(3, "10 slots"), (250, "1,000 slots"), (2_500, "10,000 slots")];
const CONNECTIONS: u32 = 8;
/// The header that selects the worker's cluster without a filter.
const HEADER: &str = "x-cluster";

/// Runs the case.
pub(crate) async fn run(bench: &Bench) -> Case {
    let workers = Workers::start(Duration::ZERO);
    let scripts = TempDir::with_prefix("slotway-bench-").unwrap();
    let sizes = if bench.quick { &SIZES[..2] } else { &SIZES };
    let rounds = closed::measure(bench, async || {
        let mut contenders = Vec::new();
        for &(count, slots) in sizes {
            let at = workers.addresses(count);
            let script = scripts.path().join(format!("{count}.lua"));
            std::fs::write(&script, every_worker_in_turn(&at)).unwrap();
            let load = Load { connections: CONNECTIONS, by: LoadGenerator::Script(script) };
            let with_slotway = slotway::start(&setup(&workers, count), &bench.cpus).await;
            let bare = envoy::Generated::of(&with_slotway).await.bare(&at).cluster_by(HEADER, &at);
            contenders.push((with_slotway.named(&format!("Slotway, {slots}")), load.clone()));
            contenders.push((bare.start(&format!("bare Envoy, {slots}"), &bench.cpus).await, load));
        }
        contenders
    })
    .await;
    rounds.print_busy_alone();
    let figures = sizes[1..].iter().flat_map(|(_, slots)| compare(&rounds, slots)).collect();
    Case {
        key: "scale_workers".into(),
        title: "Many workers and slots".into(),
        what: format!(
            "Workers that answer at once, {CONNECTIONS} connections, workers of capacity {CAPACITY} that \
             receive requests in turn. Bare Envoy has the same number of clusters, and the client names \
             the cluster of each request: so many connections to workers have a cost in Envoy itself."
        ),
        rounds: bench.rounds as u32,
        figures,
        series: rounds.series(""),
    }
}

/// Returns a setup with this number of workers. Three workers have ten slots in total.
fn setup(workers: &Workers, count: u32) -> Setup {
    if count == SIZES[0].0 {
        let last = format!("http://{}", workers.address(count - 1));
        return slotway::setup(workers, count - 1, CAPACITY).worker(&last, 2);
    }
    slotway::setup(workers, count, CAPACITY)
}

/// Compares `slots` with the fewest slots.
fn compare(rounds: &Rounds, slots: &str) -> [Figure; 4] {
    let few = SIZES[0].1;
    let of = |who: &str, slots: &str| rounds.of(&format!("{who}, {slots}"));
    let grows =
        |who: &str, value: fn(&Measured) -> &Vec<f64>| ratios(value(of(who, slots)), value(of(who, few)));
    let (slotway, bare) = (
        grows("Slotway", |measured| &measured.per_second),
        grows("bare Envoy", |measured| &measured.per_second),
    );
    let (slotway_cpu, bare_cpu) =
        (grows("Slotway", |measured| &measured.cpu_us), grows("bare Envoy", |measured| &measured.cpu_us));
    [
        // The cost of so many worker connections in Envoy itself is not the filter's: the bar is for the rest.
        Figure::of(format!("Slotway, {slots} / {few}, throughput"), "ratio", &slotway),
        Figure::of(format!("bare Envoy, {slots} / {few}, throughput"), "ratio", &bare),
        Figure::ratio(format!("{slots} / {few}, throughput, Slotway / bare Envoy"), &slotway, &bare)
            .at_least(0.95),
        Figure::ratio(format!("{slots} / {few}, CPU, Slotway / bare Envoy"), &slotway_cpu, &bare_cpu),
    ]
}

/// Returns a script for wrk: prepared requests, one for each worker, sent in turn.
fn every_worker_in_turn(workers: &[SocketAddr]) -> String {
    let mut names = String::new();
    for worker in workers {
        let _ = write!(names, "\"{worker}\",");
    }
    format!(
        "local names = {{{names}}}\nlocal requests = {{}}\nlocal at = 0\n\
         init = function()\n  for i, name in ipairs(names) do\n    \
         requests[i] = wrk.format(\"GET\", \"/\", {{[\"host\"] = \"bench\", [\"{HEADER}\"] = name}})\n  end\nend\n\
         request = function()\n  at = at % #requests + 1\n  return requests[at]\nend\n"
    )
}
