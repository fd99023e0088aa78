//! Measures Slotway's cost with one and with two threads of Envoy.

use std::time::Duration;

use super::Bench;
use crate::{
    closed::{self, Load},
    contender::{envoy, slotway},
    report::Case,
    worker::Workers,
};

const SLOTS: u32 = 1_000;
const CONNECTIONS: u32 = 32;

/// Runs the case.
pub(crate) async fn run(bench: &Bench) -> Case {
    let workers = Workers::start(Duration::ZERO);
    let at = workers.addresses(1);
    // All processes on all processors: a proxy with two threads cannot have its own processor.
    let _spread = bench.cpus.spread();
    let rounds = closed::measure(bench, async || {
        let mut contenders = Vec::new();
        for (threads, name) in [(1, "1 thread"), (2, "2 threads")] {
            let setup = slotway::setup(&workers, 1, SLOTS).lanes(threads);
            let with_slotway = slotway::start(&setup, &bench.cpus).await;
            let bare = envoy::Generated::of(&with_slotway).await.bare(&at).threads(threads);
            let bare = bare.start(&format!("bare Envoy, {name}"), &bench.cpus).await;
            contenders.push((bare, Load::of(CONNECTIONS)));
            contenders.push((with_slotway.named(&format!("Slotway, {name}")), Load::of(CONNECTIONS)));
        }
        contenders
    })
    .await;
    rounds.print_busy();
    Case {
        key: "scale_threads".into(),
        title: "One and two threads".into(),
        what: format!(
            "Workers that answer at once, {CONNECTIONS} connections, {SLOTS} slots. Proxy, clients and \
             workers share all processors, so two threads are not twice as fast as one. Compare the \
             processor time for each request."
        ),
        rounds: bench.rounds as u32,
        figures: vec![
            rounds.ratio("throughput", "Slotway, 1 thread", "bare Envoy, 1 thread", |measured| {
                &measured.per_second
            }),
            rounds.ratio("throughput", "Slotway, 2 threads", "bare Envoy, 2 threads", |measured| {
                &measured.per_second
            }),
            rounds.ratio("CPU", "Slotway, 1 thread", "bare Envoy, 1 thread", |measured| &measured.cpu_us),
            rounds.ratio("CPU", "Slotway, 2 threads", "bare Envoy, 2 threads", |measured| &measured.cpu_us),
            rounds.ratio("CPU", "Slotway, 2 threads", "Slotway, 1 thread", |measured| &measured.cpu_us),
            rounds.ratio("CPU", "bare Envoy, 2 threads", "bare Envoy, 1 thread", |measured| &measured.cpu_us),
        ],
        series: rounds.series(""),
    }
}
