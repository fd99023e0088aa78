//! A thousand Envoys on one control plane: what a stream costs it, and how long a change takes to be at all of them.

use std::time::{Duration, Instant};

use super::Bench;
use crate::{
    contender::slotway,
    harness::{Process, Site},
    load::nodes::Nodes,
    report::Case,
    statistics::quantile,
    values::Values,
    worker::Workers,
};

/// How many Envoys.
const NODES: usize = 1_000;
/// How many workers there are, and within how long the slowest of a round's changes is to be at all Envoys, in milliseconds.
const SIZES: [(u32, f64); 2] = [(10, 1_000.0), (1_000, 5_000.0)];
/// What a stream may cost the control plane: far below what makes a thousand of them matter.
const STREAM_BYTES_MAX: f64 = 512.0 * 1024.0;
/// Changes in a round.
const CHANGES: u32 = 10;
/// How long anything may take before the case fails.
const WITHIN: Duration = Duration::from_secs(120);
/// For all that was sent to be acknowledged, and for memory to come to rest.
const AT_REST: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_micros(500);

const TIME_P50: &str = "ms, p50";
const TIME_MAX: &str = "ms, the slowest";
const CONNECT: &str = "ms until all are configured";
const PER_STREAM: &str = "bytes/stream";

/// Runs it.
pub(crate) async fn run(bench: &Bench) -> Case {
    let mut values = Values::default();
    let workers = Workers::start(Duration::ZERO);
    let mut names = Vec::new();
    for (count, most_ms) in SIZES {
        for (variant, incremental) in [("incremental", true), ("state of the world", false)] {
            let name = format!("{variant}, {count} workers");
            for _ in 0..if bench.quick { 1 } else { bench.rounds.min(5) } {
                round(&mut values, &name, &workers, count, incremental).await;
            }
            names.push((name, most_ms));
        }
    }
    let slowest = names.iter().map(|(name, most_ms)| values.figure(name, TIME_MAX).at_most(*most_ms));
    let memory = names.iter().map(|(name, _)| values.figure(name, PER_STREAM).at_most(STREAM_BYTES_MAX));
    Case {
        key: "fleet".into(),
        title: "A thousand Envoys".into(),
        what: format!(
            "{NODES} simulated Envoys are connected to one control plane. How much its resident memory grows by a stream, once all have their \
             configuration; then how long it takes from the call that raises the capacity of one worker until the filter's new configuration \
             is at all {NODES}. {CHANGES} changes a round."
        ),
        rounds: bench.rounds as u32,
        figures: slowest.chain(memory).collect(),
        series: values.series(),
    }
}

async fn round(values: &mut Values, name: &str, workers: &Workers, count: u32, incremental: bool) {
    let site = Site::new(&slotway::setup(workers, count, 1));
    let mut control_plane = Process::start("control-plane", site.slotway("serve"), site.path());
    control_plane.says("slotway: serving", WITHIN).await;
    let before = resident_bytes(&control_plane);
    let began = Instant::now();
    let nodes = Nodes::connect(site.addresses().xds, NODES, incremental).await;
    until(&nodes, NODES).await;
    values.add(name, CONNECT, began.elapsed().as_secs_f64() * 1e3);
    tokio::time::sleep(AT_REST).await;
    let grown = resident_bytes(&control_plane).saturating_sub(before);
    values.add(name, PER_STREAM, grown as f64 / NODES as f64);
    let (api, changed) = (site.api(), format!("http://{}", workers.address(0)));
    let mut took_ms = Vec::new();
    for change in 1..=CHANGES {
        let wanted = nodes.filters() + NODES;
        let began = Instant::now();
        api.set(&[(changed.as_str(), 1 + change)]).await;
        until(&nodes, wanted).await;
        took_ms.push(began.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(AT_REST / 10).await;
        assert_eq!(nodes.filters(), wanted, "a node was sent more than the change");
    }
    values.add(name, TIME_P50, quantile(&took_ms, 0.5));
    values.add(name, TIME_MAX, quantile(&took_ms, 1.0));
}

/// Waits until the nodes have received so many configurations of the filter.
async fn until(nodes: &Nodes, filters: usize) {
    let began = Instant::now();
    while nodes.filters() < filters {
        assert!(began.elapsed() < WITHIN, "{} of {filters} configurations after {WITHIN:?}", nodes.filters());
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn resident_bytes(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid().as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
