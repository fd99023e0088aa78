//! Measures what a connection for each request costs, and what it gives a worker that assigns a thread to each connection.

use std::{net::SocketAddr, time::Duration};

use serde_json::json;
use slotway_test_site::{FieldProgram, Setup};

use super::Bench;
use crate::{
    closed::{self, Load},
    contender::{haproxy, slotway},
    load::arrivals::{self, Schedule},
    report::{Case, Figure, Series},
    statistics::quantile,
    values::Values,
    worker::Workers,
};

/// More slots than concurrent requests, so that none waits.
const SLOTS: u32 = 1_000;
const CONNECTIONS: u32 = 16;

/// The threads of the worker, and its capacity.
const THREADS: u32 = 4;
/// The time that the worker needs for an answer, see `tests/field/four_threads.cpp`.
const JOB: Duration = Duration::from_millis(20);
/// The load, as a part of what the worker can answer.
const LOAD: f64 = 0.6;
/// Envoy's threads, each of which has connections of its own.
const LANES: u32 = 4;

const PER_REQUEST: &str = "Slotway";
const REUSE: &str = "Slotway, reuse";
const HAPROXY: &str = "HAProxy";
const HAPROXY_CLOSE: &str = "HAProxy, httpclose";

const P50: &str = "ms, p50 of the answer";
const P99: &str = "ms, p99 of the answer";

/// Runs the case.
pub(crate) async fn run(bench: &Bench) -> Case {
    let cpus = &bench.cpus;
    let workers = Workers::start(Duration::ZERO);
    let at = workers.addresses(1);
    let rounds = closed::measure(bench, async || {
        let contenders = [
            slotway::start(&with_connections("per_request", at[0], SLOTS, 1), cpus).await,
            slotway::start(&with_connections("reuse", at[0], SLOTS, 1), cpus).await.named(REUSE),
            haproxy::start(&at, haproxy::HaproxySettings::queueing(SLOTS), cpus).await,
            haproxy::start(&at, haproxy::HaproxySettings::closing(SLOTS), cpus).await.named(HAPROXY_CLOSE),
        ];
        contenders.into_iter().map(|contender| (contender, Load::of(CONNECTIONS))).collect()
    })
    .await;
    let bound = thread_per_connection(bench).await;
    let figures = vec![
        rounds.ratio("throughput", PER_REQUEST, REUSE, |measured| &measured.per_second),
        rounds.ratio("CPU", PER_REQUEST, REUSE, |measured| &measured.cpu_us),
        rounds.ratio("throughput", HAPROXY_CLOSE, HAPROXY, |measured| &measured.per_second),
        rounds.ratio("CPU", HAPROXY_CLOSE, HAPROXY, |measured| &measured.cpu_us),
        bound_ratio(&bound, PER_REQUEST, REUSE),
        bound_ratio(&bound, PER_REQUEST, HAPROXY),
        bound_ratio(&bound, PER_REQUEST, HAPROXY_CLOSE).at_most(1.10),
    ];
    let mut series: Vec<Series> = rounds.series("");
    for unit in [P50, P99] {
        for name in [PER_REQUEST, REUSE, HAPROXY, HAPROXY_CLOSE] {
            series.push(Series::new(
                format!("{THREADS} threads: {name}"),
                unit,
                bound.of(name, unit).to_vec(),
            ));
        }
    }
    Case {
        key: "connections".into(),
        title: "A connection for each request".into(),
        what: format!(
            "First, workers that answer at once, {CONNECTIONS} connections, {SLOTS} slots: no request waits. Then a \
             worker on cpp-httplib with {THREADS} threads, each of which serves one connection until it ends, of \
             capacity {THREADS}, with jobs of {} ms, at {:.0} % load (Poisson arrivals).",
            JOB.as_millis(),
            LOAD * 100.0
        ),
        rounds: bench.rounds as u32,
        figures,
        series,
    }
}

/// Measures the answers of a worker with a thread for each connection.
async fn thread_per_connection(bench: &Bench) -> Values {
    // A worker for each contender: one that leaves idle connections would keep the next one's requests waiting.
    let mut workers = Vec::new();
    for _ in 0..4 {
        workers.push(FieldProgram::compiled("four_threads", &["{port}"]).await);
    }
    let at: Vec<_> = workers.iter().map(FieldProgram::address).collect();
    let four = haproxy::HaproxySettings { threads: LANES, ..haproxy::HaproxySettings::queueing(THREADS) };
    let closing = haproxy::HaproxySettings { threads: LANES, ..haproxy::HaproxySettings::closing(THREADS) };
    let contenders = [
        slotway::start(&with_connections("per_request", at[0], THREADS, LANES), &bench.cpus).await,
        slotway::start(&with_connections("reuse", at[1], THREADS, LANES), &bench.cpus).await.named(REUSE),
        haproxy::start(&at[2..3], four, &bench.cpus).await,
        haproxy::start(&at[3..], closing, &bench.cpus).await.named(HAPROXY_CLOSE),
    ];
    let per_second = f64::from(THREADS) / JOB.as_secs_f64() * LOAD;
    let mut values = Values::default();
    for round in 0..bench.rounds {
        let schedule = Schedule::by_chance(per_second, 2 * bench.slice, round as u64);
        for contender in &contenders {
            let sent = arrivals::run(contender.address, "/", "", &schedule).await;
            let failed = sent.iter().filter(|sent| sent.status != 200).count();
            assert_eq!(failed, 0, "{}: requests have failed in round {round}", contender.name);
            let took: Vec<f64> = sent.iter().map(|sent| sent.latency().as_secs_f64() * 1e3).collect();
            values.add(&contender.name, P50, quantile(&took, 0.5));
            values.add(&contender.name, P99, quantile(&took, 0.99));
        }
    }
    values
}

fn with_connections(connections: &str, at: SocketAddr, capacity: u32, lanes: u32) -> Setup {
    let setup = Setup::default().lanes(lanes).pool("max_waiting", 65_536).pool("free_worker_timeout", "120s");
    setup.worker_entry(
        json!({ "worker": format!("http://{at}"), "capacity": capacity, "connections": connections }),
    )
}

fn bound_ratio(bound: &Values, of: &str, under: &str) -> Figure {
    let name = format!("{THREADS} threads: {of} / {under}, p50");
    Figure::ratio(name, bound.of(of, P50), bound.of(under, P50))
}
