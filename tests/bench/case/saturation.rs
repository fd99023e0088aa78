//! More clients than slots: the utilisation of the workers, and the waiting time of requests.

use std::{collections::HashMap, time::Duration};

use super::Bench;
use crate::{
    closed::Load,
    contender::{Contender, envoy, haproxy, slotway},
    load::{
        arrivals::{self, Schedule},
        wrk,
    },
    report::{Case, Figure, Series},
    statistics::quantile,
    worker::{STAMPED, Workers},
};

const WORKERS: u32 = 2;
const CAPACITY: u32 = 4;
const SLOTS: u32 = WORKERS * CAPACITY;
const JOBS_MS: [u64; 3] = [2, 5, 50];
const CLIENTS: [u32; 2] = [64, 400];
/// Job durations for the measurement of waiting times in an open loop.
const WAIT_JOB_MS: u64 = 50;
/// Arrival rates as a part of the slots' throughput.
const RATES: [(f64, &str); 2] = [(0.95, "95 %"), (1.05, "105 %")];
/// The time before and after the counted interval, while the load ramps up and down.
const MARGIN: Duration = Duration::from_millis(500);

const SLOTWAY: &str = "Slotway";
const HAPROXY: &str = "HAProxy";
const BREAKER: &str = "Envoy's circuit breaker";
const EIGHT: &str = "bare Envoy, 8 clients";

/// The measurements of one combination: a value per round, by contender and unit.
#[derive(Default)]
struct Measured {
    names: Vec<String>,
    values: HashMap<(String, &'static str), Vec<f64>>,
}

const RATE: &str = "jobs/s";
const USED: &str = "slots' time used";
const MOST: &str = "jobs at once at one worker";
const ANSWER: &str = "ms, p99 of the answer";
const P99: &str = "ms, p99 of the wait";
const LATE: &str = "ms, p99 of the sender's own delay";
const P50: &str = "ms, p50 of the wait";

impl Measured {
    fn add(&mut self, name: &str, unit: &'static str, value: f64) {
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
        self.values.entry((name.to_owned(), unit)).or_default().push(value);
    }

    fn of(&self, name: &str, unit: &'static str) -> &[f64] {
        self.values.get(&(name.to_owned(), unit)).unwrap_or_else(|| panic!("{name}: {unit} was not measured"))
    }

    fn ratio(&self, group: &str, under: &str, unit: &'static str) -> Figure {
        let name = format!("{group}: {SLOTWAY} / {under}, {unit}");
        Figure::ratio(name, self.of(SLOTWAY, unit), self.of(under, unit))
    }

    fn series(&self, group: &str, units: &[&'static str]) -> Vec<Series> {
        units
            .iter()
            .flat_map(|unit| self.names.iter().map(move |name| (name, *unit)))
            .map(|(name, unit)| Series::new(format!("{group}: {name}"), unit, self.of(name, unit).to_vec()))
            .collect()
    }
}

/// Runs the case.
pub(crate) async fn run(bench: &Bench) -> Case {
    let workers = Workers::start(Duration::ZERO);
    let at = workers.addresses(WORKERS);
    let with_slotway = slotway::start(&slotway::setup(&workers, WORKERS, CAPACITY), &bench.cpus).await;
    let bare = envoy::Generated::of(&with_slotway).await.bare(&at);
    let contenders = [
        with_slotway,
        haproxy::start(&at, haproxy::HaproxySettings::queueing(CAPACITY), &bench.cpus).await,
        bare.clone().queueing(SLOTS).start(BREAKER, &bench.cpus).await,
        bare.start(EIGHT, &bench.cpus).await,
    ];
    let mut figures = Vec::new();
    let mut series = Vec::new();
    for (job_ms, clients) in combinations(bench.quick) {
        workers.set_job(Duration::from_millis(job_ms));
        let measured = throughput(bench, &workers, &contenders, clients).await;
        let group = format!("{job_ms} ms, {clients} clients");
        let of_haproxy = if job_ms == WAIT_JOB_MS { 1.00 } else { 0.93 };
        figures.push(measured.ratio(&group, HAPROXY, RATE).at_least(of_haproxy));
        figures.push(measured.ratio(&group, EIGHT, RATE).at_least(1.03));
        figures.push(measured.ratio(&group, HAPROXY, ANSWER));
        let used =
            Figure::of(format!("{group}: {SLOTWAY}, slots' time used"), "ratio", measured.of(SLOTWAY, USED));
        figures.push(if job_ms == WAIT_JOB_MS { used.at_least(0.98) } else { used });
        series.extend(measured.series(&group, &[RATE, USED, MOST, ANSWER]));
    }
    workers.set_job(Duration::from_millis(WAIT_JOB_MS));
    for &(part, name) in if bench.quick { &RATES[..1] } else { &RATES } {
        let measured = waits(bench, &contenders[..3], part).await;
        let group = format!("{WAIT_JOB_MS} ms, arrivals at {name}");
        let figure = measured.ratio(&group, HAPROXY, P99);
        // Above the slots' throughput the wait grows with time, and so does the effect of any difference in throughput:
        // shown without a bar.
        figures.push(if part < 1.0 { figure.at_most(1.05) } else { figure });
        series.extend(measured.series(&group, &[P50, P99, LATE]));
    }
    Case {
        key: "saturation".into(),
        title: "More clients than slots".into(),
        what: format!(
            "{WORKERS} workers of capacity {CAPACITY}, so {SLOTS} slots. The throughput is measured in a \
             closed loop: each client sends its next request when it has its answer. The wait is measured \
             in an open loop: requests arrive at random, at a rate near that of the slots. The wait is \
             the time from the moment when a request was due until the worker had it."
        ),
        rounds: bench.rounds as u32,
        figures,
        series,
    }
}

fn combinations(quick: bool) -> Vec<(u64, u32)> {
    if quick {
        return vec![(5, 64)];
    }
    JOBS_MS.into_iter().flat_map(|job| CLIENTS.map(|clients| (job, clients))).collect()
}

async fn throughput(bench: &Bench, workers: &Workers, contenders: &[Contender], clients: u32) -> Measured {
    let mut measured = Measured::default();
    for round in 0..bench.rounds {
        for contender in contenders {
            let name = &contender.name;
            let connections = if name == EIGHT { SLOTS } else { clients };
            let load = Load::of(connections);
            let load = wrk::run(contender.address, &load, bench.slice + 2 * MARGIN);
            let (run, counted) = tokio::join!(load, async {
                tokio::time::sleep(MARGIN).await;
                workers.count_anew();
                tokio::time::sleep(bench.slice).await;
                workers.counted()
            });
            // The circuit breaker is no strict limit: the case shows by how much it is exceeded, and how many requests
            // it refuses.
            assert!(
                run.failures() == 0 || name == BREAKER,
                "{name}: requests have failed in round {round}: {run:?}"
            );
            let most = counted.most_of_all();
            assert!(
                most <= CAPACITY || name == BREAKER || name == EIGHT,
                "{name}: {most} jobs at one worker"
            );
            measured.add(name, RATE, counted.per_second());
            measured.add(name, USED, counted.mean_in_flight() / f64::from(SLOTS));
            measured.add(name, MOST, f64::from(most));
            measured.add(name, ANSWER, run.p99.as_secs_f64() * 1e3);
        }
    }
    measured
}

async fn waits(bench: &Bench, contenders: &[Contender], part: f64) -> Measured {
    let per_second = part * f64::from(SLOTS) * 1e3 / WAIT_JOB_MS as f64;
    // Longer than a slice, so that the 99th percentile has enough requests.
    let length = 2 * bench.slice;
    let mut measured = Measured::default();
    for round in 0..bench.rounds {
        let schedule = Schedule::by_chance(per_second, length, round as u64);
        for contender in contenders {
            let sent = arrivals::run(contender.address, STAMPED, "", &schedule).await;
            let name = &contender.name;
            let failed = sent.iter().filter(|sent| sent.status != 200).count();
            assert_eq!(failed, 0, "{name}: requests have failed in round {round}");
            let waits: Vec<f64> =
                sent.iter().filter_map(|sent| sent.wait()).map(|wait| wait.as_secs_f64() * 1e3).collect();
            assert_eq!(waits.len(), schedule.len(), "{name}: answers without a time");
            let late: Vec<f64> = sent.iter().map(|sent| sent.lateness().as_secs_f64() * 1e3).collect();
            measured.add(name, LATE, quantile(&late, 0.99));
            measured.add(name, P50, quantile(&waits, 0.5));
            measured.add(name, P99, quantile(&waits, 0.99));
        }
    }
    measured
}
