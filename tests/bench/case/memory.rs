//! Measures the proxy's memory for a waiting request and for a lane.

use std::time::{Duration, Instant};

use super::Bench;
use crate::{
    contender::{Contender, envoy, haproxy, slotway},
    load::clients::Clients,
    number::number,
    report::Case,
    values::Values,
    worker::Workers,
};
use slotway_test_site::SOON;

/// Waiting requests of one kind.
struct Line {
    name: &'static str,
    body_bytes: usize,
    /// The number of requests before the count begins, because a proxy has spare memory at first.
    before: usize,
    /// The number of counted requests.
    counted: usize,
}

const LINES: [Line; 2] = [
    Line { name: "empty bodies", body_bytes: 0, before: 500, counted: 2_000 },
    Line { name: "bodies of 1 MB", body_bytes: 1_000_000, before: 20, counted: 200 },
];
/// Several more threads: memory at rest varies by more than one thread uses.
const THREADS: [u32; 2] = [1, 9];
/// Enough for each thread to serve some.
const CLIENTS: usize = 256;
/// The duration of the request in the only slot: longer than the case.
const FOR_EVER: Duration = Duration::from_secs(3_600);
/// The proxy's memory has settled when it has not changed for this time by more than its usual variation.
const AT_REST: Duration = Duration::from_millis(600);
const CHANGE_BYTES: u64 = 64 * 1024;
const LOOK_EVERY: Duration = Duration::from_millis(50);

const SLOTWAY: &str = "Slotway";
const HAPROXY: &str = "HAProxy";
const BARE: &str = "bare Envoy";
const PER_WAITER: &str = "bytes/waiter";
const PER_LANE: &str = "bytes/thread";
const WHOLE: &str = "bytes, one thread, at rest";

/// Runs the case. Each round starts new proxies, since none returns all of its memory.
pub(crate) async fn run(bench: &Bench) -> Case {
    let workers = Workers::start(Duration::ZERO);
    let at = workers.addresses(1);
    let setup = slotway::setup(&workers, 1, 1);
    let mut values = Values::default();
    // A quick run does not wait for as many requests.
    let rounds = if bench.quick { 1 } else { bench.rounds };
    for _ in 0..rounds {
        workers.set_job(FOR_EVER);
        for line in &LINES {
            let name = line.name;
            let with_slotway = slotway::start(&setup, &bench.cpus).await;
            values.add(&format!("{name}: {SLOTWAY}"), PER_WAITER, per_waiter(&with_slotway, line).await);
            drop(with_slotway);
            let with_haproxy = haproxy::start(&at, haproxy::HaproxySettings::queueing(1), &bench.cpus).await;
            values.add(&format!("{name}: {HAPROXY}"), PER_WAITER, per_waiter(&with_haproxy, line).await);
        }
        workers.set_job(Duration::ZERO);
        let mut at_rest: [Vec<f64>; 3] = Default::default();
        for threads in THREADS {
            let with_slotway = slotway::start(&setup.clone().lanes(threads), &bench.cpus).await;
            let bare = envoy::Generated::of(&with_slotway).await.bare(&at).threads(threads);
            at_rest[0].push(after_serving(&with_slotway).await);
            drop(with_slotway);
            at_rest[1].push(after_serving(&bare.start(BARE, &bench.cpus).await).await);
            let wanted = haproxy::HaproxySettings { threads, ..haproxy::HaproxySettings::queueing(1) };
            at_rest[2].push(after_serving(&haproxy::start(&at, wanted, &bench.cpus).await).await);
        }
        for (name, at_rest) in [SLOTWAY, BARE, HAPROXY].into_iter().zip(at_rest) {
            let more = f64::from(THREADS[1] - THREADS[0]);
            values.add(name, PER_LANE, (at_rest[1] - at_rest[0]) / more);
            values.add(name, WHOLE, at_rest[0]);
        }
    }
    let figures = LINES.iter().map(|line| values.ratio_in(line.name, SLOTWAY, HAPROXY, PER_WAITER));
    Case {
        key: "memory".into(),
        title: "Memory".into(),
        what: format!(
            "The first figure is the growth of the proxy's resident memory per waiter, when {} requests \
             without a body wait, each on its own connection, and when {} requests with a body of 1 MB \
             wait. The second figure is the growth per thread: the difference between a proxy of {} \
             threads and one of one thread, after each thread has served requests. The system's memory \
             for connections does not belong to the proxy and is not counted.",
            number(LINES[0].counted as f64),
            LINES[1].counted,
            THREADS[1]
        ),
        rounds: rounds as u32,
        figures: figures.collect(),
        series: values.series(),
    }
}

/// Returns the additional memory per waiting request.
async fn per_waiter(contender: &Contender, line: &Line) -> f64 {
    let body = vec![b'x'; line.body_bytes];
    let mut clients = Clients::new(contender.address);
    let mut waiting = 0;
    let mut resident = Vec::new();
    let holder = clients.connect();
    clients.send(holder, "/", "", &[]);
    for more in [line.before, line.counted] {
        for _ in 0..more {
            let client = clients.connect();
            clients.send(client, "/", "", &body);
        }
        waiting += more as u64;
        if contender.name == SLOTWAY {
            contender.site().api().shows_waiting(waiting).await;
        }
        resident.push(resident_at_rest(contender).await as f64);
    }
    let answers = clients.answers(0);
    assert!(answers.is_empty(), "{}: not all wait: {answers:?}", contender.name);
    (resident[1] - resident[0]) / line.counted as f64
}

/// Returns the memory after each thread has served requests.
async fn after_serving(contender: &Contender) -> f64 {
    let mut clients = Clients::new(contender.address);
    for _ in 0..CLIENTS {
        let client = clients.connect();
        clients.send(client, "/", "", &[]);
        assert_eq!(clients.answer_of(client, SOON).status, 200);
    }
    drop(clients);
    resident_at_rest(contender).await as f64
}

/// Waits until the proxy's memory no longer changes.
async fn resident_at_rest(contender: &Contender) -> u64 {
    let began = Instant::now();
    let (mut at, mut since) = (contender.resident_bytes(), Instant::now());
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = contender.resident_bytes();
        if now.abs_diff(at) > CHANGE_BYTES {
            (at, since) = (now, Instant::now());
        } else if since.elapsed() >= AT_REST {
            return now;
        }
        assert!(began.elapsed() < SOON, "{}: its memory goes on changing: {at}, {now}", contender.name);
    }
}
