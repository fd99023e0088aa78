//! Measures how long a change takes: from the REST request until it affects a request.

use std::time::Duration;

use serde_json::json;

use super::Bench;
use crate::{
    clock::now_ns,
    contender::{Contender, slotway},
    load::clients::{Answer, Clients},
    report::Case,
    statistics::quantile,
    values::Values,
    worker::{STAMPED, Workers},
};
use slotway_test_site::{Api, SOON};

/// Numbers of workers, each with the limit for the 99th percentile of the changes.
const SIZES: [(u32, &str, f64); 3] =
    [(10, "10 workers", 100.0), (1_000, "1,000 workers", 300.0), (5_000, "5,000 workers", 1_000.0)];
/// The number of changes in a round.
const CHANGES: usize = 30;
const QUICK_CHANGES: usize = 10;
/// The duration of the request in the only slot: longer than the case.
const FOR_EVER: Duration = Duration::from_secs(3_600);
/// The time for a request to arrive in Envoy's queue before the change is made. If it took longer, it would count as
/// time of the change.
const IN_LINE: Duration = Duration::from_millis(10);
/// The duration of the other answers of a worker.
const AT_ONCE: Duration = Duration::ZERO;

const P50: &str = "ms, p50";
const P99: &str = "ms, p99";
const CALL: &str = "ms, the call alone, p50";

/// Runs the case.
pub(crate) async fn run(bench: &Bench) -> Case {
    let mut values = Values::default();
    let changes = if bench.quick { QUICK_CHANGES } else { CHANGES };
    // Thousands of clusters need time to start.
    let sizes = if bench.quick { &SIZES[..2] } else { &SIZES[..] };
    for &(count, name, _) in sizes {
        let workers = Workers::start(AT_ONCE);
        // In addition to the worker with the changing capacity, in a separate pool without requests.
        let others = slotway::setup(&workers, count - 1, 4);
        let changed = format!("http://{}", workers.address(count));
        let setup = others.first_pool(json!({
            "name": "changed", "match": { "prefix": STAMPED }, "free_worker_timeout": "1h",
            "workers": [{ "worker": changed, "capacity": 1 }],
        }));
        let contender = slotway::start(&setup, &bench.cpus).await;
        let mut site = Site::new(&contender, &workers, changed);
        for _ in 0..bench.rounds {
            let mut took_ms = Vec::new();
            let mut calls_ms = Vec::new();
            for _ in 0..changes {
                let (change, call) = site.raise().await;
                took_ms.push(change.as_secs_f64() * 1e3);
                calls_ms.push(call.as_secs_f64() * 1e3);
                site.lower().await;
            }
            values.add(name, P50, quantile(&took_ms, 0.5));
            values.add(name, P99, quantile(&took_ms, 0.99));
            values.add(name, CALL, quantile(&calls_ms, 0.5));
        }
    }
    let p50 = sizes.iter().map(|(_, name, _)| values.figure(name, P50));
    let p99 = sizes.iter().map(|(_, name, most)| values.figure(name, P99).at_most(*most));
    Case {
        key: "push".into(),
        title: "From a change to its effect".into(),
        what: format!(
            "A worker of capacity 1 has a request in flight, and another request waits for it. Its \
             capacity is raised to 2 over REST. The measured time is the time from the start of that call \
             until the waiting request is at the worker, by the number of configured workers. A round has \
             {changes} changes; the p99 of so few is the slowest."
        ),
        rounds: bench.rounds as u32,
        figures: p99.chain(p50).collect(),
        series: values.series(),
    }
}

/// A worker whose only slot is always occupied.
struct Site<'a> {
    api: Api,
    workers: &'a Workers,
    clients: Clients,
    /// The client for the other requests.
    other: usize,
    /// The worker's URL.
    changed: String,
}

impl<'a> Site<'a> {
    fn new(contender: &Contender, workers: &'a Workers, changed: String) -> Self {
        let mut clients = Clients::new(contender.address);
        let (holder, other) = (clients.connect(), clients.connect());
        workers.set_job(FOR_EVER);
        workers.count_anew();
        clients.send(holder, STAMPED, "", &[]);
        let began = now_ns();
        // The duration of a job is the setting at the time when its request arrives.
        while workers.counted().most_of_all() == 0 {
            assert!(now_ns() - began < SOON.as_nanos() as u64, "the request does not come to the worker");
            std::thread::sleep(Duration::from_millis(1));
        }
        workers.set_job(AT_ONCE);
        Self { api: contender.site().api(), workers, clients, other, changed }
    }

    /// Raises the capacity. Returns the time from the call until the waiting request is at the worker, and the time of
    /// the call alone.
    async fn raise(&mut self) -> (Duration, Duration) {
        self.clients.send(self.other, STAMPED, "", &[]);
        tokio::time::sleep(IN_LINE).await;
        assert!(self.clients.answers(0).is_empty(), "the request does not wait");
        let began = now_ns();
        self.api.set(&[(self.changed.as_str(), 2)]).await;
        let called = now_ns();
        let answer = self.clients.answer_of(self.other, SOON);
        let arrived = answer.arrived_ns.filter(|_| answer.status == 200);
        let arrived = arrived.unwrap_or_else(|| panic!("the waiter was to be served: {answer:?}"));
        assert_eq!(self.workers.counted().most_of_all(), 2, "both at once");
        (Duration::from_nanos(arrived - began), Duration::from_nanos(called - began))
    }

    /// Lowers the capacity, and waits until that is in force: until a request that does not wait is refused.
    async fn lower(&mut self) {
        self.api.set(&[(self.changed.as_str(), 1)]).await;
        let began = now_ns();
        while self.ask_for_a_free_slot().status == 200 {
            assert!(now_ns() - began < SOON.as_nanos() as u64, "the lower capacity does not come into force");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn ask_for_a_free_slot(&mut self) -> Answer {
        self.clients.send(self.other, STAMPED, "x-slotway-wait-timeout-ms: 0\r\n", &[]);
        self.clients.answer_of(self.other, SOON)
    }
}
