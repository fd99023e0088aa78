//! Seeded defects of the filter: each has to be caught.

use slotway_engine::mutant::Mutant;
use slotway_tests::host::Filter;

use crate::{
    arguments::Arguments,
    batch::{self, Batch},
};

/// What became of one.
struct Hunted {
    mutant: Mutant,
    /// The seed that caught it, and the invariant that it broke.
    caught: Option<(u64, &'static str)>,
    seeds: u64,
    seconds: f64,
}

/// Runs seeds with each defect until one catches it. Whether all were caught.
pub(crate) fn hunt(filter: &Filter, arguments: &Arguments) -> bool {
    let hunted: Vec<_> = Mutant::ALL.iter().map(|mutant| hunt_one(filter, arguments, *mutant)).collect();
    let survivors: Vec<_> = hunted.iter().filter(|hunted| hunted.caught.is_none()).collect();
    if arguments.markdown {
        println!("| defect | what it does | caught by seed | after seeds | broken promise |");
        println!("|---|---|---|---|---|");
        hunted.iter().for_each(|hunted| println!("{}", hunted.markdown()));
    }
    println!("\n{} of {} seeded defects were caught", hunted.len() - survivors.len(), hunted.len());
    for survivor in &survivors {
        let (mutant, seeds) = (survivor.mutant, survivor.seeds);
        println!("FAILED: {} survived {seeds} seeds: {}", mutant.title(), mutant.what());
    }
    survivors.is_empty()
}

fn hunt_one(filter: &Filter, arguments: &Arguments, mutant: Mutant) -> Hunted {
    let arguments = Arguments { mutant: Some(mutant), trace: false, ..arguments.clone() };
    let Batch { seeds, failures, took, .. } = batch::run(filter, &arguments);
    let caught = failures.first();
    let caught = caught.and_then(|run| Some((run.seed, run.violation.as_ref()?.invariant)));
    let hunted = Hunted { mutant, caught, seeds, seconds: took.as_secs_f64() };
    if !arguments.markdown {
        println!("{}", hunted.line());
    }
    hunted
}

impl Hunted {
    fn line(&self) -> String {
        let Self { mutant, seeds, seconds, .. } = self;
        let title = mutant.title();
        match self.caught {
            Some((seed, invariant)) => {
                format!(
                    "{title:<30} caught by seed {seed:<6} after {seeds:>5} seeds, {seconds:>5.1} s: {invariant}"
                )
            }
            None => format!("{title:<30} SURVIVED {seeds} seeds, {seconds:.1} s"),
        }
    }

    fn markdown(&self) -> String {
        let (title, what) = (self.mutant.title(), self.mutant.what());
        match self.caught {
            Some((seed, invariant)) => {
                format!("| {title} | {what} | {seed} | {} | {invariant} |", self.seeds)
            }
            None => format!("| {title} | {what} | **survived** | {} | |", self.seeds),
        }
    }
}
