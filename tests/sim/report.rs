//! The report of a batch.

use std::{fs, path::Path};

use slotway_tests::{
    host::Filter,
    sim::{Kind, RunOptions, SeedResult, run_seed},
};

use crate::{
    arguments::Arguments,
    batch::{self, Batch},
};

/// The number of seeds from which a kind of event that never happened is a hole in the simulator.
const SEEDS_FOR_ALL_KINDS: u64 = 1_000;
/// The number of lines of a trace that are printed.
const LINES_MAX: usize = 60;

/// Prints the report. Returns whether every promise was kept.
pub(crate) fn print(filter: &Filter, arguments: &Arguments, batch: &Batch) -> bool {
    if arguments.trace {
        batch.failures.iter().flat_map(|run| &run.trace).for_each(|line| println!("{line}"));
    }
    let failures: Vec<_> = batch.failures.iter().filter(|run| run.violation.is_some()).collect();
    for failure in &failures {
        print_failure(filter, arguments, failure);
    }
    println!("\nwhat happened, how often:");
    for kind in Kind::ALL {
        println!("{:>11}  {}", batch.coverage.of(*kind), kind.text());
    }
    let seconds = batch.took.as_secs_f64().max(0.001);
    println!(
        "\n{} seeds from {}, {} steps in {:.1} s: {:.0} seeds/s, {:.0} steps/s on {} threads",
        batch.seeds,
        arguments.first,
        batch.steps,
        seconds,
        batch.seeds as f64 / seconds,
        batch.steps as f64 / seconds,
        arguments.threads
    );
    let missing: Vec<_> = batch.coverage.missing().map(Kind::text).collect();
    let hole = batch.seeds >= SEEDS_FOR_ALL_KINDS && !missing.is_empty();
    if hole {
        println!(
            "FAILED: a hole in the simulator: in {} seeds there were no {}",
            batch.seeds,
            missing.join(", no ")
        );
    }
    if failures.is_empty() {
        println!("no promise was broken");
    } else {
        println!("FAILED: {} of {} seeds broke a promise", failures.len(), batch.seeds);
    }
    failures.is_empty() && !hole
}

fn print_failure(filter: &Filter, arguments: &Arguments, failure: &SeedResult) {
    let Some(violation) = &failure.violation else { return };
    let seed = failure.seed;
    // The same run again, with a trace.
    let how = RunOptions { trace: true, ..batch::how(arguments) };
    let again = run_seed(filter, seed, how);
    let mut trace = again.trace;
    if again.violation.as_ref() != Some(violation) {
        trace.push("THE RUN WENT ANOTHER WAY THE SECOND TIME: the simulator is not deterministic".to_owned());
    }
    trace.push(format!("BROKEN ({}): {}", violation.invariant, violation.what));
    println!("\n=== seed {seed}: {}", violation.invariant);
    println!("{}", violation.what);
    let skipped = trace.len().saturating_sub(LINES_MAX);
    println!(
        "--- the last {} of {} lines of the trace (ms, lane or VM, what):",
        trace.len() - skipped,
        trace.len()
    );
    trace[skipped..].iter().for_each(|line| println!("{}", line.chars().take(200).collect::<String>()));
    let breaks = if arguments.ignores_cas { " --break-cas" } else { "" };
    let defect = arguments.defect.map_or(String::new(), |defect| format!(" --mutant {defect:?}"));
    let steps = arguments.steps.map_or(String::new(), |steps| format!(" --steps {steps}"));
    println!("--- again: make sim SEED={seed}, or target/release/sim --seed {seed}{steps}{defect}{breaks}");
    match store(seed, &trace) {
        Ok(path) => println!("--- the whole trace: {path}"),
        Err(error) => println!("--- the whole trace cannot be stored: {error}"),
    }
}

fn store(seed: u64, trace: &[String]) -> std::io::Result<String> {
    let folder = Path::new("target/sim");
    fs::create_dir_all(folder)?;
    let path = folder.join(format!("seed-{seed}.txt"));
    fs::write(&path, trace.join("\n") + "\n")?;
    Ok(path.display().to_string())
}
