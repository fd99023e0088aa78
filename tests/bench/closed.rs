//! Throughput side by side: each contender in turn under the same closed loop.

use std::{
    collections::HashMap,
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    case::Bench,
    contender::Contender,
    load::{
        crowd,
        wrk::{self, Run},
    },
    report::{Figure, Series},
    statistics::median,
};

/// One contender's rounds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured {
    /// Good answers a second.
    pub(crate) per_second: Vec<f64>,
    /// Milliseconds.
    pub(crate) p50: Vec<f64>,
    /// Milliseconds.
    pub(crate) p99: Vec<f64>,
    /// Microseconds of the proxy's processor time for each request.
    pub(crate) cpu_us: Vec<f64>,
    /// How much of one processor the proxy has used.
    pub(crate) busy: Vec<f64>,
}

/// All contenders' rounds, by name.
pub(crate) struct Rounds {
    names: Vec<String>,
    by_name: HashMap<String, Measured>,
}

/// A closed loop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load<'a> {
    /// Each sends its next request when it has its answer.
    pub(crate) connections: u32,
    /// wrk's program, if it is to do more than to ask for `/`.
    pub(crate) script: Option<&'a Path>,
    /// Whether each turn begins with an unmeasured second: where connections to many workers must be opened that a proxy lets go when it is idle.
    pub(crate) warmed: bool,
}

impl Load<'_> {
    /// So many connections.
    pub(crate) fn of(connections: u32) -> Self {
        Self { connections, script: None, warmed: false }
    }
}

/// One contender's turn.
pub(crate) async fn slice(contender: &Contender, load: Load<'_>, length: Duration) -> Turn {
    if load.warmed {
        wrk::run(contender.address, load, Duration::from_secs(1)).await;
    }
    let before = contender.cpu_time();
    let began = Instant::now();
    let run = wrk::run(contender.address, load, length).await;
    Turn { run, cpu: contender.cpu_time() - before, took: began.elapsed() }
}

/// What came of one contender's turn.
#[derive(Debug)]
pub(crate) struct Turn {
    /// What the clients have seen.
    pub(crate) run: Run,
    /// The proxy's processor time.
    pub(crate) cpu: Duration,
    took: Duration,
}

/// Measures the contenders in turn, under the same load. A request that fails ends the bench: its figures would mean nothing.
pub(crate) async fn measure(bench: &Bench, contenders: &[&Contender], load: Load<'_>) -> Rounds {
    let turns: Vec<_> = contenders.iter().map(|contender| (*contender, load)).collect();
    measure_each(bench, &turns).await
}

/// The same where each has a load of its own.
pub(crate) async fn measure_each(bench: &Bench, turns: &[(&Contender, Load<'_>)]) -> Rounds {
    let mut rounds = Rounds::new(turns.iter().map(|(contender, _)| contender.name.clone()).collect());
    for (contender, load) in turns.iter().filter(|(_, load)| !load.warmed) {
        slice(contender, *load, Duration::from_secs(1)).await;
    }
    for round in 0..bench.rounds {
        for (contender, load) in turns {
            let turn = slice(contender, *load, bench.slice).await;
            let name = &contender.name;
            assert_eq!(turn.run.failures(), 0, "{name}: requests have failed in round {round}: {turn:?}");
            rounds.of_mut(name).add(&turn);
        }
    }
    rounds
}

/// The same with a crowd of so many clients for each.
pub(crate) async fn measure_crowds(bench: &Bench, turns: &[(&Contender, u32)]) -> Rounds {
    let mut rounds = Rounds::new(turns.iter().map(|(contender, _)| contender.name.clone()).collect());
    for _ in 0..bench.rounds {
        for (contender, clients) in turns {
            let crowd = crowd::run(contender, *clients, bench.slice).await;
            let measured = rounds.of_mut(&contender.name);
            measured.per_second.push(crowd.answers as f64 / crowd.took.as_secs_f64());
            measured.cpu_us.push(crowd.cpu.as_secs_f64() * 1e6 / crowd.answers.max(1) as f64);
            measured.busy.push(crowd.cpu.as_secs_f64() / crowd.took.as_secs_f64());
        }
    }
    rounds
}

impl Measured {
    /// Adds a round.
    pub(crate) fn add(&mut self, turn: &Turn) {
        let Turn { run, cpu, took } = turn;
        self.per_second.push(run.per_second);
        self.p50.push(run.p50.as_secs_f64() * 1e3);
        self.p99.push(run.p99.as_secs_f64() * 1e3);
        self.cpu_us.push(cpu.as_secs_f64() * 1e6 / run.answers.max(1) as f64);
        self.busy.push(cpu.as_secs_f64() / took.as_secs_f64());
    }
}

impl Rounds {
    fn new(names: Vec<String>) -> Self {
        Self { names, by_name: HashMap::new() }
    }

    fn of_mut(&mut self, name: &str) -> &mut Measured {
        self.by_name.entry(name.to_owned()).or_default()
    }

    /// A contender's.
    pub(crate) fn of(&self, name: &str) -> &Measured {
        self.by_name.get(name).unwrap_or_else(|| panic!("{name} was not measured"))
    }

    /// A ratio of two contenders.
    pub(crate) fn ratio(
        &self,
        what: &str,
        over: &str,
        under: &str,
        value: fn(&Measured) -> &Vec<f64>,
    ) -> Figure {
        Figure::ratio(format!("{over} / {under}, {what}"), value(self.of(over)), value(self.of(under)))
    }

    /// Prints how busy each proxy was: one that is not is not what limits the throughput.
    pub(crate) fn print_busy(&self) {
        for name in &self.names {
            println!("  {name}: {:.0} % of a processor", median(&self.of(name).busy) * 100.0);
        }
    }

    /// Throughput, latencies and processor time of all, in the order in which they were measured; `group` stands before their names.
    pub(crate) fn series(&self, group: &str) -> Vec<Series> {
        type Value = fn(&Measured) -> &Vec<f64>;
        let kinds: [(&str, Value); 4] = [
            ("requests/s", |measured| &measured.per_second),
            ("us of CPU/request", |measured| &measured.cpu_us),
            ("ms, p50", |measured| &measured.p50),
            ("ms, p99", |measured| &measured.p99),
        ];
        kinds
            .iter()
            // A crowd's latencies are not asked for.
            .filter(|(_, value)| self.names.iter().all(|name| !value(self.of(name)).is_empty()))
            .flat_map(|(unit, value)| {
                self.names.iter().map(move |name| {
                    Series::new(format!("{group}{name}"), *unit, value(self.of(name)).clone())
                })
            })
            .collect()
    }
}
