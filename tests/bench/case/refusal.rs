//! Measures how many requests per second are refused because the queue is full.

use std::time::Duration;

use super::Bench;
use crate::{
    closed::Load,
    contender::{haproxy, nginx, slotway},
    load::{clients::Clients, wrk},
    report::Case,
    values::Values,
    worker::Workers,
};

const CONNECTIONS: u32 = 16;
/// The duration of the request in the only slot: longer than the case.
const FOR_EVER: Duration = Duration::from_secs(3_600);

const REFUSALS: &str = "refusals/s";
const P99: &str = "ms, p99";
const CPU: &str = "us of CPU/refusal";

/// Runs the case.
pub(crate) async fn run(bench: &Bench) -> Case {
    let workers = Workers::start(FOR_EVER);
    let at = workers.addresses(1);
    let setup = slotway::setup(&workers, 1, 1).pool("max_waiting", 1).pool("free_worker_timeout", "1h");
    let full = haproxy::HaproxySettings {
        queue_timeout: "1h",
        max_queue: 1,
        ..haproxy::HaproxySettings::queueing(1)
    };
    // nginx has no queue that could be full: it refuses when every worker is at its limit.
    let contenders = [
        (slotway::start(&setup, &bench.cpus).await, 2),
        (haproxy::start(&at, full, &bench.cpus).await, 2),
        (nginx::start(&at, 1, &bench.cpus).await, 1),
    ];
    let mut holders = Vec::new();
    for (contender, count) in &contenders {
        let mut clients = Clients::new(contender.address);
        for _ in 0..*count {
            let client = clients.connect();
            clients.send(client, "/", "", &[]);
        }
        holders.push(clients);
    }
    let mut values = Values::default();
    for (contender, _) in &contenders {
        wrk::run(contender.address, &Load::of(CONNECTIONS), Duration::from_secs(1)).await;
    }
    for _ in 0..bench.rounds {
        for (contender, _) in &contenders {
            let before = contender.cpu_time();
            let run = wrk::run(contender.address, &Load::of(CONNECTIONS), bench.slice).await;
            let cpu = contender.cpu_time() - before;
            let name = &contender.name;
            assert_eq!(
                (run.answers, run.socket_errors),
                (run.other_status, 0),
                "{name}: not only refusals: {run:?}"
            );
            values.add(name, REFUSALS, run.answers as f64 / bench.slice.as_secs_f64());
            values.add(name, P99, run.p99.as_secs_f64() * 1e3);
            values.add(name, CPU, cpu.as_secs_f64() * 1e6 / run.answers as f64);
        }
    }
    Case {
        key: "refusal".into(),
        title: "Refused at once".into(),
        what: format!(
            "The only slot is in use and the line has its one waiter: {CONNECTIONS} connections send \
             requests continuously, and every request is refused. HAProxy has a limit on its queue; \
             nginx, which has no queue, has a limit on connections. These two refuse more requests than \
             one processor can send: compare the processor time of each refusal."
        ),
        rounds: bench.rounds as u32,
        figures: vec![
            values.ratio("Slotway", "HAProxy", REFUSALS),
            values.ratio("Slotway", "nginx", REFUSALS),
        ],
        series: values.series(),
    }
}
