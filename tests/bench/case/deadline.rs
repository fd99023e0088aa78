//! Measures whether a waiting request is refused at its deadline, and not later.

use std::time::Duration;

use super::Bench;
use crate::{
    contender::{haproxy, slotway},
    load::{
        arrivals::{self, Schedule},
        clients::Clients,
    },
    report::Case,
    statistics::quantile,
    values::Values,
    worker::Workers,
};

/// The deadline of each request.
const WAIT: Duration = Duration::from_secs(2);
/// After the first deadline, 1,000 requests wait at any time.
const PER_SECOND: f64 = 500.0;
/// The duration of the request in the only slot: longer than the case.
const FOR_EVER: Duration = Duration::from_secs(3_600);

const ASKED: &str = "x-slotway-wait-timeout-ms: 2000\r\n";

const PRECISE: &str = "Slotway, precise timers";
const P50: &str = "ms late, p50";
const P99: &str = "ms late, p99";
const EARLY: &str = "ms early, at most";

/// Runs the case.
pub(crate) async fn run(bench: &Bench) -> Case {
    let workers = Workers::start(FOR_EVER);
    let setup = slotway::setup(&workers, 1, 1);
    let wanted = haproxy::HaproxySettings { queue_timeout: "2s", ..haproxy::HaproxySettings::queueing(1) };
    let sites = [
        (slotway::start(&setup, &bench.cpus).await, ASKED),
        (slotway::start_with(&setup, &bench.cpus, Some(slotway::PRECISE_TIMER)).await.named(PRECISE), ASKED),
        (haproxy::start(&workers.addresses(1), wanted, &bench.cpus).await, ""),
    ];
    let mut holders = Vec::new();
    for (contender, _) in &sites {
        let mut holder = Clients::new(contender.address);
        let client = holder.connect();
        holder.send(client, "/", "", &[]);
        holders.push(holder);
    }
    let mut values = Values::default();
    // Each round takes as long as all its waiting requests.
    let rounds = if bench.quick { 1 } else { bench.rounds };
    // The first round is not counted: as a process opens more files, the kernel reallocates their table, which takes 10
    // ms and more. A quick run has only this round.
    let begin = usize::from(bench.quick);
    for round in begin..=rounds {
        let schedule = Schedule::by_chance(PER_SECOND, bench.slice + WAIT, round as u64);
        for (contender, headers) in &sites {
            let name = &contender.name;
            let sent = arrivals::run(contender.address, "/", headers, &schedule).await;
            assert!(sent.iter().all(|sent| sent.status == 503), "{name}: an answer that is no refusal");
            // The last requests have fewer other waiting requests.
            let first = sent.iter().map(|sent| sent.intended_ns).min().unwrap_or_default();
            let last = first + bench.slice.as_nanos() as u64;
            let late: Vec<f64> = sent
                .iter()
                .filter(|sent| sent.intended_ns <= last)
                .map(|sent| (sent.latency().as_secs_f64() - WAIT.as_secs_f64()) * 1e3)
                .collect();
            if round > 0 {
                values.add(name, P50, quantile(&late, 0.5));
                values.add(name, P99, quantile(&late, 0.99));
                values.add(name, EARLY, -quantile(&late, 0.0).min(0.0));
            }
        }
    }
    Case {
        key: "deadline".into(),
        title: "Refused in time".into(),
        what: format!(
            "One slot, which is always in use, and requests that arrive at random, {PER_SECOND} per \
             second. Each waits for {} s and is refused, so that 1,000 wait at any time. The measured \
             time is the delay of the refusal at the client, counted from the moment when the request was \
             due.",
            WAIT.as_secs()
        ),
        rounds: rounds as u32,
        figures: vec![
            values.figure("Slotway", P99).at_most(5.0),
            values.figure("Slotway", P50),
            values.figure(PRECISE, P99).at_most(5.0),
        ],
        series: values.series(),
    }
}
