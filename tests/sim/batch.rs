//! Many seeds on a few threads. One thread makes a whole run, so the number of threads does not change any run.

use std::{
    io::{IsTerminal, Write},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use slotway_tests::{
    host::Filter,
    sim::{Coverage, RunOptions, SeedResult, run_seed},
};

use crate::arguments::Arguments;

/// The longest time of a run, in seconds. A run that takes longer is in a loop that makes no host call.
const SEED_S_MAX: u64 = 120;
/// The number of failures after which the batch ends. For a seeded defect one is enough.
const FAILURES_MAX: usize = 10;

/// The result of all seeds.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) seeds: u64,
    pub(crate) steps: u64,
    pub(crate) coverage: Coverage,
    pub(crate) failures: Vec<SeedResult>,
    pub(crate) took: Duration,
}

/// Silences panics: a panic within a run is a failure of its seed, which reports it.
pub(crate) fn silence_panics() {
    std::panic::set_hook(Box::new(|_| {}));
}

/// Returns the options of each run.
pub(crate) fn how(arguments: &Arguments) -> RunOptions {
    RunOptions {
        steps: arguments.steps,
        trace: arguments.trace,
        defect: arguments.defect,
        ignores_cas: arguments.ignores_cas,
    }
}

pub(crate) fn run(filter: &Filter, arguments: &Arguments) -> Batch {
    let started = Instant::now();
    let next = AtomicU64::new(0);
    let batch = Mutex::new(Batch::default());
    let clocks: Vec<_> =
        (0..arguments.threads).map(|_| (AtomicU64::new(u64::MAX), AtomicU64::new(0))).collect();
    let over = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for clock in &clocks {
            scope.spawn(|| {
                work(filter, arguments, &next, &batch, clock, started);
                over.fetch_add(1, Relaxed);
            });
        }
        watch(&clocks, &over, &batch, arguments, started);
    });
    let mut batch = batch.into_inner().unwrap_or_else(PoisonError::into_inner);
    batch.failures.sort_by_key(|failure| failure.seed);
    batch.took = started.elapsed();
    batch
}

fn work(
    filter: &Filter,
    arguments: &Arguments,
    next: &AtomicU64,
    batch: &Mutex<Batch>,
    clock: &(AtomicU64, AtomicU64),
    started: Instant,
) {
    loop {
        let number = next.fetch_add(1, Relaxed);
        if number >= arguments.seeds {
            break;
        }
        let seed = arguments.first + number;
        clock.1.store(seed, Relaxed);
        clock.0.store(started.elapsed().as_secs(), Relaxed);
        let outcome = run_seed(filter, seed, how(arguments));
        clock.0.store(u64::MAX, Relaxed);
        let mut batch = batch.lock().unwrap_or_else(PoisonError::into_inner);
        batch.seeds += 1;
        batch.steps += outcome.steps;
        batch.coverage += &outcome.coverage;
        if outcome.violation.is_some() || arguments.trace {
            batch.failures.push(outcome);
            let most = if arguments.defect.is_some() { 1 } else { FAILURES_MAX };
            if batch.failures.len() >= most {
                next.store(arguments.seeds, Relaxed);
            }
        }
    }
}

/// Shows the progress. Ends the process if a run does not end, since nothing else can end it.
fn watch(
    clocks: &[(AtomicU64, AtomicU64)],
    over: &AtomicU64,
    batch: &Mutex<Batch>,
    arguments: &Arguments,
    started: Instant,
) {
    let shows = std::io::stderr().is_terminal() && arguments.seeds > 1;
    while over.load(Relaxed) < clocks.len() as u64 {
        std::thread::sleep(Duration::from_millis(20));
        let now_s = started.elapsed().as_secs();
        for (began_s, seed) in clocks {
            let began_s = began_s.load(Relaxed);
            if began_s != u64::MAX && now_s.saturating_sub(began_s) > SEED_S_MAX {
                let seed = seed.load(Relaxed);
                eprintln!(
                    "sim: seed {seed} does not end: a callback of the filter loops without calling the host"
                );
                std::process::exit(1);
            }
        }
        if shows {
            let done = batch.lock().unwrap_or_else(PoisonError::into_inner).seeds;
            eprint!("\r{done} of {} seeds ", arguments.seeds);
            let _ = std::io::stderr().flush();
        }
    }
    if shows {
        eprint!("\r{:40}\r", "");
    }
}
