//! Throughput: measures each contender in turn under a closed loop.

use std::{
    collections::HashMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::{
    case::Bench,
    contender::Contender,
    load::{many_clients, wrk},
    report::{Figure, Series},
    statistics::median,
};

const WARM_UP: Duration = Duration::from_secs(1);

/// The minimum utilisation of a proxy that limits the throughput.
const BUSY_PERCENT: f64 = 85.0;

/// A closed loop.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// The number of connections. Each sends its next request after its answer.
    pub(crate) connections: u32,
    /// The load generator.
    pub(crate) by: LoadGenerator,
}

/// The load generator of a closed loop.
#[derive(Debug, Clone)]
pub(crate) enum LoadGenerator {
    /// wrk, asking for `/`.
    Wrk,
    /// wrk with a script. Each turn begins with an unmeasured second, to open connections to many workers that a proxy
    /// closes while it is idle.
    Script(PathBuf),
    /// Thousands of clients, more than wrk can connect.
    ManyClients,
}

impl Load {
    /// Returns a load of wrk with this number of connections.
    pub(crate) fn of(connections: u32) -> Self {
        Self { connections, by: LoadGenerator::Wrk }
    }
}

/// The measurements of one contender, by round.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured {
    /// Answers per second.
    pub(crate) per_second: Vec<f64>,
    /// Milliseconds; not measured with many clients.
    pub(crate) p50: Vec<f64>,
    /// Milliseconds; not measured with many clients.
    pub(crate) p99: Vec<f64>,
    /// Microseconds of the proxy's processor time per request.
    pub(crate) cpu_us: Vec<f64>,
    /// The utilisation of one processor by the proxy.
    pub(crate) busy: Vec<f64>,
}

/// The measurements of all contenders, by name.
#[derive(Default)]
pub(crate) struct Rounds {
    names: Vec<String>,
    by_name: HashMap<String, Measured>,
}

/// Measures contenders in turn. Each round starts them anew: two Envoys with the same configuration may differ by some
/// percent as long as they live, because of their memory layout, and rounds with the same processes would repeat that.
/// A quick run starts them once.
///
/// # Panics
/// If a request fails: the figures would be meaningless.
pub(crate) async fn measure(bench: &Bench, mut start: impl AsyncFnMut() -> Vec<(Contender, Load)>) -> Rounds {
    let mut rounds = Rounds::default();
    let mut contenders = Vec::new();
    for round in 0..bench.rounds {
        let anew = round == 0 || !bench.quick;
        if anew {
            // The contenders of the last round must end first.
            contenders.clear();
            contenders = start().await;
        }
        for (contender, load) in &contenders {
            if anew && !bench.quick && matches!(load.by, LoadGenerator::Wrk) {
                wrk::run(contender.address, load, WARM_UP).await;
            }
        }
        let turns = turns(&contenders, bench.slice);
        let mut taken = Rounds::default();
        for _ in 0..turns {
            for (contender, load) in &contenders {
                taken.turn(contender, load, bench.slice / turns).await;
            }
        }
        rounds.add(&taken);
    }
    rounds
}

/// Returns the number of turns of a round over its contenders, from which the middle of each contender's turns is
/// taken. A disturbance of some seconds then affects all of them, or is discarded. wrk's shortest turn is a second;
/// many clients take too long to connect for less than a slice.
fn turns(contenders: &[(Contender, Load)], slice: Duration) -> u32 {
    let has_many_clients = contenders.iter().any(|(_, load)| matches!(load.by, LoadGenerator::ManyClients));
    if has_many_clients { 1 } else { u32::try_from(slice.as_secs()).unwrap_or(1).max(1) }
}

impl Rounds {
    /// Adds a round: the middle of its turns.
    fn add(&mut self, turns: &Self) {
        for name in &turns.names {
            if !self.by_name.contains_key(name) {
                self.names.push(name.clone());
            }
            let taken = turns.of(name);
            let measured = self.by_name.entry(name.clone()).or_default();
            for (values, turns) in [
                (&mut measured.per_second, &taken.per_second),
                (&mut measured.p50, &taken.p50),
                (&mut measured.p99, &taken.p99),
                (&mut measured.cpu_us, &taken.cpu_us),
                (&mut measured.busy, &taken.busy),
            ] {
                if !turns.is_empty() {
                    values.push(median(turns));
                }
            }
        }
    }

    async fn turn(&mut self, contender: &Contender, load: &Load, length: Duration) {
        if !self.by_name.contains_key(&contender.name) {
            self.names.push(contender.name.clone());
        }
        let measured = self.by_name.entry(contender.name.clone()).or_default();
        if matches!(load.by, LoadGenerator::ManyClients) {
            let measured_clients = many_clients::run(contender, load.connections, length).await;
            measured.add(measured_clients.answers, measured_clients.took, measured_clients.cpu);
            measured.per_second.push(measured_clients.answers as f64 / measured_clients.took.as_secs_f64());
            return;
        }
        if matches!(load.by, LoadGenerator::Script(_)) {
            wrk::run(contender.address, load, WARM_UP).await;
        }
        let before = contender.cpu_time();
        let began = Instant::now();
        let run = wrk::run(contender.address, load, length).await;
        assert_eq!(run.failures(), 0, "{}: requests have failed: {run:?}", contender.name);
        measured.add(run.answers, began.elapsed(), contender.cpu_time() - before);
        measured.per_second.push(run.per_second);
        measured.p50.push(run.p50.as_secs_f64() * 1e3);
        measured.p99.push(run.p99.as_secs_f64() * 1e3);
    }

    /// Returns the measurements of a contender.
    pub(crate) fn of(&self, name: &str) -> &Measured {
        self.by_name.get(name).unwrap_or_else(|| panic!("{name} was not measured"))
    }

    /// Returns the contenders, in the order of their measurement.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the ratio of two contenders.
    pub(crate) fn ratio(
        &self,
        what: &str,
        over: &str,
        under: &str,
        value: fn(&Measured) -> &Vec<f64>,
    ) -> Figure {
        Figure::ratio(format!("{over} / {under}, {what}"), value(self.of(over)), value(self.of(under)))
    }

    /// Prints the utilisation of each proxy.
    pub(crate) fn print_busy(&self) {
        for (name, percent) in self.busy() {
            println!("  {name}: {percent:.0} % of a processor");
        }
    }

    /// Like [`Self::print_busy`], for proxies with their own processor, where Envoy limits the throughput: if it was
    /// not busy, another process was the limit.
    pub(crate) fn print_busy_alone(&self) {
        self.print_busy();
        if self.busy().any(|(name, percent)| name.contains("Envoy") && percent < BUSY_PERCENT) {
            println!("  This machine is not quiet: an Envoy should have had all of its processor.");
        }
    }

    fn busy(&self) -> impl Iterator<Item = (&String, f64)> {
        self.names.iter().map(|name| (name, median(&self.of(name).busy) * 100.0))
    }

    /// Returns throughput, processor time and latencies of all contenders. `group` prefixes their names.
    pub(crate) fn series(&self, group: &str) -> Vec<Series> {
        type Value = fn(&Measured) -> &Vec<f64>;
        let kinds: [(&str, Value); 4] = [
            ("requests/s", |measured| &measured.per_second),
            ("us of CPU/request", |measured| &measured.cpu_us),
            ("ms, p50", |measured| &measured.p50),
            ("ms, p99", |measured| &measured.p99),
        ];
        let mut series = Vec::new();
        for (unit, value) in kinds {
            for name in &self.names {
                let values = value(self.of(name));
                if !values.is_empty() {
                    series.push(Series::new(format!("{group}{name}"), unit, values.clone()));
                }
            }
        }
        series
    }
}

impl Measured {
    fn add(&mut self, answers: u64, took: Duration, cpu: Duration) {
        self.cpu_us.push(cpu.as_secs_f64() * 1e6 / answers.max(1) as f64);
        self.busy.push(cpu.as_secs_f64() / took.as_secs_f64());
    }
}
