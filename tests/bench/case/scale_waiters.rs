//! Measures whether granting a slot costs more with more waiting requests.

use std::time::Duration;

use slotway_tests::world::{World, ms, pool};

use super::Bench;
use crate::{
    closed::{self, Load, LoadGenerator},
    contender::{envoy, haproxy, slotway},
    report::{Case, Figure, Series},
    worker::Workers,
};

const WORKERS: u32 = 2;
const CAPACITY: u32 = 4;
const WAITING: [(u32, &str); 3] = [(10, "10 waiting"), (1_000, "1,000 waiting"), (10_000, "10,000 waiting")];
/// The number of grants over which instructions are counted: each 32nd grant changes a page.
const GRANTS: u32 = 256;

/// Runs the case.
pub(crate) async fn run(bench: &Bench) -> Case {
    let workers = Workers::start(Duration::ZERO);
    let at = workers.addresses(WORKERS);
    let slots = WORKERS * CAPACITY;
    let sizes = if bench.quick { &WAITING[..2] } else { &WAITING };
    let rounds = closed::measure(bench, async || {
        let mut contenders = Vec::new();
        // A proxy that has served 10,000 clients behaves differently afterwards: each number has its own proxy.
        for (waiting, name) in sizes {
            let load = Load { connections: waiting + slots, by: LoadGenerator::ManyClients };
            let with_slotway =
                slotway::start(&slotway::setup(&workers, WORKERS, CAPACITY), &bench.cpus).await;
            let own_queue = envoy::Generated::of(&with_slotway).await.bare(&at).queueing(slots);
            let own_queue = own_queue.start(&format!("Envoy's own queue, {name}"), &bench.cpus).await;
            let haproxy =
                haproxy::start(&at, haproxy::HaproxySettings::queueing(CAPACITY), &bench.cpus).await;
            contenders.push((with_slotway.named(&format!("Slotway, {name}")), load.clone()));
            contenders.push((own_queue, load.clone()));
            contenders.push((haproxy.named(&format!("HAProxy, {name}")), load));
        }
        contenders
    })
    .await;
    rounds.print_busy_alone();
    let few = WAITING[0].1;
    let mut figures = Vec::new();
    for (_, many) in &sizes[1..] {
        for who in ["Slotway", "Envoy's own queue", "HAProxy"] {
            let cpu = |waiting: &str| &rounds.of(&format!("{who}, {waiting}")).cpu_us;
            let figure = Figure::ratio(format!("{who}, {many} / {few}, CPU"), cpu(many), cpu(few));
            figures.push(if who == "Slotway" { figure.at_most(1.10) } else { figure });
        }
    }
    let fuel = WAITING.map(|(waiting, name)| (name, instructions_per_grant(waiting)));
    for (many, per_grant) in &fuel[1..] {
        let name = format!("filter, {many} / {few}, instructions");
        figures.push(Figure::of(name, "ratio", &[per_grant / fuel[0].1]).at_most(1.10));
    }
    let counted = fuel.iter().map(|(name, per_grant)| {
        Series::new(format!("filter, {name}"), "instructions/grant", vec![*per_grant])
    });
    Case {
        key: "scale_waiters".into(),
        title: "Many waiters".into(),
        what: format!(
            "Workers that answer at once and {slots} slots: every request but {slots} waits. So many \
             clients have a cost in any proxy. Envoy's own queue (its circuit breaker, whose limit \
             applies to each thread and each of its connections separately) and HAProxy's queue are the \
             comparison. The instructions are those of the filter alone, from a worker's answer to the \
             sending of the next request, in wasmtime."
        ),
        rounds: bench.rounds as u32,
        figures,
        series: rounds.series("").into_iter().chain(counted).collect(),
    }
}

/// Returns the instructions of the filter for a grant: a slot becomes free and goes to the longest waiting request, and
/// its client queues again.
fn instructions_per_grant(waiting: u32) -> f64 {
    let mut of_two = pool(&[("http://w1.test:9000", CAPACITY), ("http://w2.test:9000", CAPACITY)]);
    of_two.max_waiting = 65_536;
    of_two.free_worker_timeout = ms(3_600_000);
    let mut world = World::new(1, of_two);
    let mut line: std::collections::VecDeque<_> =
        (0..waiting + WORKERS * CAPACITY).map(|_| world.send(0)).collect();
    let before = world.host.usage().fuel;
    for _ in 0..GRANTS {
        // The oldest request has a slot; an answered client queues again.
        let served = line.pop_front().unwrap();
        world.answer(served);
        line.push_back(world.send(0));
    }
    (world.host.usage().fuel - before) as f64 / f64::from(GRANTS)
}
