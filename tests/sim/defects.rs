//! Searches each seeded defect of the filter: the simulator has to catch all of them.

use slotway_test_hooks::Defect;
use slotway_tests::host::Filter;

use crate::{
    arguments::Arguments,
    batch::{self, Batch},
};

/// What the search for one defect came to.
struct Search {
    defect: Defect,
    /// The seed that caught it, and the promise that it broke.
    caught: Option<(u64, &'static str)>,
    seeds: u64,
    seconds: f64,
}

/// Runs seeds with each defect until one catches it. Returns whether all were caught.
pub(crate) fn search_all(filter: &Filter, arguments: &Arguments) -> bool {
    let found: Vec<_> = Defect::ALL.iter().map(|defect| search_one(filter, arguments, *defect)).collect();
    let survivors: Vec<_> = found.iter().filter(|found| found.caught.is_none()).collect();
    if arguments.markdown {
        println!("| defect | what it does | caught by seed | after seeds | broken promise |");
        println!("|---|---|---|---|---|");
        found.iter().for_each(|found| println!("{}", found.markdown()));
    }
    println!("\n{} of {} seeded defects were caught", found.len() - survivors.len(), found.len());
    for survivor in &survivors {
        let (defect, seeds) = (survivor.defect, survivor.seeds);
        println!("FAILED: {} survived {seeds} seeds: {}", defect.title(), defect.what());
    }
    survivors.is_empty()
}

fn search_one(filter: &Filter, arguments: &Arguments, defect: Defect) -> Search {
    let arguments = Arguments { defect: Some(defect), trace: false, ..arguments.clone() };
    let Batch { seeds, failures, took, .. } = batch::run(filter, &arguments);
    let caught = failures.first();
    let caught = caught.and_then(|run| Some((run.seed, run.violation.as_ref()?.invariant)));
    let found = Search { defect, caught, seeds, seconds: took.as_secs_f64() };
    if !arguments.markdown {
        println!("{}", found.line());
    }
    found
}

impl Search {
    fn line(&self) -> String {
        let Self { defect, seeds, seconds, .. } = self;
        let title = defect.title();
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
        let (title, what) = (self.defect.title(), self.defect.what());
        match self.caught {
            Some((seed, invariant)) => {
                format!("| {title} | {what} | {seed} | {} | {invariant} |", self.seeds)
            }
            None => format!("| {title} | {what} | **survived** | {} | |", self.seeds),
        }
    }
}
