//! A thousand Envoys on one control plane: the cost of a stream, and the time for a change to reach all of them.

use std::time::{Duration, Instant};

use super::Bench;
use crate::{
    contender::slotway, load::nodes::Nodes, number::number, report::Case, statistics::quantile,
    values::Values, worker::Workers,
};
use slotway_test_site::{Site, TestProcess};

/// The number of Envoys.
const NODES: usize = 1_000;
/// For each number of workers: the time limit for the slowest change of a round to reach all Envoys, in milliseconds,
/// and the memory that a stream may use in the control plane, in bytes.
const SIZES: [Size; 2] =
    [(10, "10 workers", 1_000.0, 64_000.0), (1_000, "1,000 workers", 5_000.0, 150_000.0)];
type Size = (u32, &'static str, f64, f64);
const VARIANTS: [(&str, bool); 2] = [("incremental", true), ("state of the world", false)];
/// The number of changes in a round.
const CHANGES: u32 = 10;
/// More rounds give no further information, and each opens four thousand connections.
const ROUNDS_MAX: usize = 3;
/// The time limit for any step.
const WITHIN: Duration = Duration::from_secs(120);
/// The time for all acknowledgements to arrive, and for memory to settle.
const AT_REST: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_micros(500);

const TIME_P50: &str = "ms until all have a change, p50";
const TIME_MAX: &str = "ms until all have a change, the slowest";
const CONNECT: &str = "ms until all are configured";
const PER_STREAM: &str = "bytes/stream";

/// Runs the case.
pub(crate) async fn run(bench: &Bench) -> Case {
    let mut values = Values::default();
    let workers = Workers::start(Duration::ZERO);
    let rounds = if bench.quick { 1 } else { bench.rounds.min(ROUNDS_MAX) };
    let sizes = if bench.quick { &SIZES[..1] } else { &SIZES[..] };
    for _ in 0..rounds {
        for &(count, size, ..) in sizes {
            for (variant, incremental) in VARIANTS {
                round(&mut values, &name(size, variant), &workers, count, incremental).await;
            }
        }
    }
    answer(&values, sizes, rounds as u32)
}

/// Returns the name of a series. The size is the group, with its own scale.
fn name(size: &str, variant: &str) -> String {
    format!("{size}: {variant}")
}

fn answer(values: &Values, sizes: &[Size], rounds: u32) -> Case {
    let mut figures = Vec::new();
    for &(_, size, slowest_ms_max, stream_bytes_max) in sizes {
        let names = VARIANTS.map(|(variant, _)| name(size, variant));
        figures.extend(names.iter().map(|name| values.figure(name, TIME_MAX).at_most(slowest_ms_max)));
        figures.extend(names.iter().map(|name| values.figure(name, PER_STREAM).at_most(stream_bytes_max)));
    }
    Case {
        key: "fleet".into(),
        title: "A thousand Envoys".into(),
        what: format!(
            "{} simulated Envoys are connected to one control plane. The first figure is the growth of \
             its resident memory per stream, after all Envoys have their configuration. The second is the \
             time from the call that raises the capacity of one worker until all Envoys have the filter's \
             new configuration. A round has {CHANGES} changes.",
            number(NODES as f64)
        ),
        rounds,
        figures,
        series: values.series(),
    }
}

async fn round(values: &mut Values, name: &str, workers: &Workers, count: u32, incremental: bool) {
    let site = Site::new(&slotway::setup(workers, count, 1));
    let mut control_plane = TestProcess::start("control-plane", site.slotway("serve"), site.path());
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

/// Waits until the nodes have received this number of filter configurations.
async fn until(nodes: &Nodes, filters: usize) {
    let began = Instant::now();
    while nodes.filters() < filters {
        assert!(began.elapsed() < WITHIN, "{} of {filters} configurations after {WITHIN:?}", nodes.filters());
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn resident_bytes(process: &TestProcess) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid().as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[cfg(test)]
#[allow(dead_code, reason = "the benchmark is compiled with this, but without the tests that need it")]
mod tests {
    use super::*;
    use crate::picture::picture;

    #[test]
    fn each_size_and_variant_has_a_bar_for_the_time_and_one_for_the_memory() {
        let mut values = Values::default();
        for &(_, size, slowest_ms_max, stream_bytes_max) in &SIZES {
            for (variant, _) in VARIANTS {
                values.add(&name(size, variant), TIME_MAX, slowest_ms_max);
                values.add(&name(size, variant), PER_STREAM, stream_bytes_max + 1.0);
            }
        }
        let case = answer(&values, &SIZES, 1);
        let reached = |unit: &str| {
            let figures = case.figures.iter().filter(|figure| figure.unit == unit);
            figures.map(|figure| figure.reached).collect::<Vec<_>>()
        };
        assert_eq!(reached(TIME_MAX), [Some(true); 4]);
        assert_eq!(reached(PER_STREAM), [Some(false); 4]);
        let picture = picture(&case, "");
        for heading in
            ["10 workers: bytes/stream", "1,000 workers: bytes/stream", "at most 150,000: NOT REACHED"]
        {
            assert!(picture.contains(heading), "{heading}\n{picture}");
        }
    }
}
