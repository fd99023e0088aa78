//! Measures how long a slot is unused: from a worker's answer to its next request.

use std::{collections::HashMap, time::Duration};

use super::Bench;
use crate::{
    clock::now_ns,
    contender::{Contender, envoy, haproxy, slotway},
    load::clients::{Answer, Clients},
    report::Case,
    statistics::quantile,
    values::Values,
    worker::{STAMPED, Workers},
};
use slotway_test_site::{get, send, until};

const CLIENTS: usize = 16;
const JOB: Duration = Duration::from_millis(2);
/// The interval at which clients check for their answers. They do not check at once, since a client that wakes up with
/// its answer would delay the next request. Some clients always wait.
const LOOK_EVERY: Duration = Duration::from_micros(700);
const WARM_UP: Duration = Duration::from_millis(300);
const SOON: Duration = Duration::from_secs(10);

const SAME: &str = "Slotway, two threads, same thread";
const OTHER: &str = "Slotway, two threads, other thread";
const SLOTWAY: &str = "Slotway, one thread";
const HAPROXY: &str = "HAProxy, one thread";
const HAPROXY_TWO: &str = "HAProxy, two threads";
const BREAKER: &str = "Envoy's own queue, one thread";

const P50: &str = "us, p50";
const P99: &str = "us, p99";
const CPU: &str = "us of CPU/request";

/// A contender with its clients.
struct Site {
    contender: Contender,
    clients: Clients,
    /// The sending clients, in the order of their start, which is the order of the queue.
    order: Vec<usize>,
    /// The proxy thread of each client's connection, if known.
    threads: Option<Vec<usize>>,
}

/// A handoff: the client of the request that ended, the client of the next request, and the time between.
struct Handoff {
    from: usize,
    to: usize,
    took_us: f64,
}

/// Runs the case.
pub(crate) async fn run(bench: &Bench) -> Case {
    let workers = Workers::start(JOB);
    let at = workers.addresses(1);
    let setup = slotway::setup(&workers, 1, 1);
    let one = slotway::start(&setup.clone().lanes(1), &bench.cpus).await.named(SLOTWAY);
    let own_queue = envoy::Generated::of(&one).await.bare(&at).queueing(1).start(BREAKER, &bench.cpus).await;
    let two = slotway::start(&setup.lanes(2), &bench.cpus).await.named("Slotway, two threads");
    let of_two = haproxy::HaproxySettings { threads: 2, ..haproxy::HaproxySettings::queueing(1) };
    let mut sites = [
        Site::new(one),
        Site::new(
            haproxy::start(&at, haproxy::HaproxySettings::queueing(1), &bench.cpus).await.named(HAPROXY),
        ),
        Site::new(own_queue),
        Site::with_threads(two).await,
        Site::new(haproxy::start(&at, of_two, &bench.cpus).await.named(HAPROXY_TWO)),
    ];
    let mut values = Values::default();
    for _ in 0..bench.rounds {
        for site in &mut sites {
            let mut by_kind: HashMap<String, Vec<f64>> = HashMap::new();
            let before = site.contender.cpu_time();
            let (handoffs, answers) = site.measure(bench.slice);
            let cpu = site.contender.cpu_time() - before;
            values.add(&site.contender.name, CPU, cpu.as_secs_f64() * 1e6 / answers as f64);
            for handoff in handoffs {
                by_kind.entry(site.kind(&handoff).to_owned()).or_default().push(handoff.took_us);
            }
            for (kind, took_us) in by_kind {
                assert!(took_us.len() >= 100, "{kind}: only {} handoffs", took_us.len());
                values.add(&kind, P50, quantile(&took_us, 0.5));
                values.add(&kind, P99, quantile(&took_us, 0.99));
            }
        }
    }
    // The bar is HAProxy at its best, with one thread. With two threads, on processors that worker and clients use too,
    // it is ten times as slow in most rounds, and being faster than that shows nothing.
    let figures = [P50, P99].iter().flat_map(|unit| {
        let at_best = [SLOTWAY, SAME, OTHER].map(|over| values.ratio(over, HAPROXY, unit).at_most(1.5));
        let alike = [SAME, OTHER].map(|over| values.ratio(over, HAPROXY_TWO, unit));
        at_best.into_iter().chain(alike).collect::<Vec<_>>()
    });
    Case {
        key: "handoff".into(),
        title: "From one request to the next".into(),
        what: format!(
            "One worker of capacity 1 with jobs of {} ms, and {CLIENTS} clients. The measured time is the \
             idle time of the worker between two jobs: from the moment when it begins to write an answer \
             until it has the next request. A proxy of one thread has its own processor; two threads \
             share all processors with worker and clients. With two threads, the next request may come \
             from a client on the same thread or on the other one.",
            JOB.as_millis()
        ),
        rounds: bench.rounds as u32,
        figures: figures.collect(),
        series: values.series(),
    }
}

impl Site {
    fn new(contender: Contender) -> Self {
        let mut clients = Clients::new(contender.address);
        let order = (0..CLIENTS).map(|_| clients.connect()).collect();
        Self { contender, clients, order, threads: None }
    }

    /// Connects one client after another, and checks which thread has one more connection, until each of two threads
    /// has half of them.
    async fn with_threads(contender: Contender) -> Self {
        let mut clients = Clients::new(contender.address);
        let mut threads = Vec::new();
        let mut of_thread: [Vec<usize>; 2] = Default::default();
        let mut before = connections(&contender).await;
        while of_thread.iter().any(|clients| clients.len() < CLIENTS / 2) {
            let client = clients.connect();
            let now = until("Envoy has taken the connection", SOON, async || {
                let now = connections(&contender).await;
                (now.iter().sum::<u64>() > before.iter().sum()).then_some(now)
            })
            .await;
            let more: Vec<usize> = (0..now.len()).filter(|thread| now[*thread] > before[*thread]).collect();
            assert_eq!(more.len(), 1, "one thread has a connection more: {before:?}, {now:?}");
            threads.push(more[0]);
            of_thread[more[0]].push(client);
            before = now;
        }
        // Two clients of each thread in turn: every second request follows one of its own thread.
        let [one, other] = of_thread.each_ref().map(|clients| clients[..CLIENTS / 2].chunks(2));
        let order = one.zip(other).flat_map(|(one, other)| [one, other].concat()).collect();
        Self { contender, clients, order, threads: Some(threads) }
    }

    fn kind(&self, handoff: &Handoff) -> &str {
        match &self.threads {
            Some(threads) if threads[handoff.from] == threads[handoff.to] => SAME,
            Some(_) => OTHER,
            None => &self.contender.name,
        }
    }

    /// Lets each client send again after its answer. Returns all handoffs in that time, and the total number of
    /// answers.
    fn measure(&mut self, length: Duration) -> (Vec<Handoff>, usize) {
        let begin = now_ns() + WARM_UP.as_nanos() as u64;
        let end = begin + length.as_nanos() as u64;
        let mut answers: Vec<Answer> = Vec::new();
        let mut under_way = CLIENTS;
        for client in &self.order {
            self.clients.send(*client, STAMPED, "", &[]);
            // So that no thread accepts several at a time, and the queue is in this order.
            std::thread::sleep(LOOK_EVERY);
        }
        while under_way > 0 {
            std::thread::sleep(LOOK_EVERY);
            for answer in self.clients.answers(now_ns()) {
                assert_eq!(answer.status, 200, "{}", self.contender.name);
                answers.push(answer);
                if now_ns() < end {
                    self.clients.send(answer.client, STAMPED, "", &[]);
                } else {
                    under_way -= 1;
                }
            }
        }
        let times = |answer: &Answer| (answer.arrived_ns.unwrap(), answer.written_ns.unwrap());
        answers.sort_by_key(|answer| answer.arrived_ns);
        // Answers before the last client stopped had a waiting request behind them.
        let counted = |pair: &&[Answer]| (begin..end).contains(&times(&pair[0]).1);
        let handoffs = answers.windows(2).filter(counted).map(|pair| {
            let (written, arrived) = (times(&pair[0]).1, times(&pair[1]).0);
            assert!(arrived >= written, "{}: two jobs at once", self.contender.name);
            Handoff { from: pair[0].client, to: pair[1].client, took_us: (arrived - written) as f64 / 1e3 }
        });
        (handoffs.collect(), answers.len())
    }
}

/// Returns the number of client connections of each of Envoy's threads.
async fn connections(contender: &Contender) -> Vec<u64> {
    let addresses = contender.site().addresses();
    let stats = send(addresses.admin, get("/stats?filter=downstream_cx_active")).await.unwrap().text();
    let listener = format!("_{}.worker_", addresses.listen.port());
    stats
        .lines()
        .filter(|line| line.contains(&listener))
        .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
        .collect()
}
