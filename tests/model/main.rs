//! The exhaustive model of the protocol between lanes: every state that small cases can reach, each checked.
//!
//! # What is modelled
//!
//! Up to three lanes, two workers, up to four requests on any lanes; clients that leave and deadlines that come; one change
//! of a capacity (growing, shrinking, removal); one lane that traps at any step; one lane that is believed dead though it
//! lives. The grain is the host call: reading the root, marking the stream, the exchange of the root, each message sent and
//! taken, each request let go. What a lane knows between two of them is part of the state, and any other lane may do
//! anything there. A lane whose root is stale reads it again. The filter's parts are all there: taking, waiting, giving back,
//! bringing slots to their waiters, the ledger of serials, looking after dead lanes, the witness, the audit, and the return
//! of a lane that was believed dead.
//!
//! In each state: no worker has more requests than its capacity (or than it had before it shrank); free slots and waiters
//! exclude each other; every slot is free or in the ledger, once; every request that runs has its own entry there; waiters
//! are served in their order and once; nobody stands in line who has gone. And from each state all comes to rest: every slot
//! at home, every request ended, without any client having to leave or any deadline to come.
//!
//! # What is left out
//!
//! * Pages: they are committed with the root by its log, which the engine's own tests and the simulator look after.
//! * Time: what is due may come at any moment or late, in any order. That a dead lane's request *must be over* is modelled as
//!   what it relies on: the request is over. Beats are one step, a lane that is declared dead; the order of free slots after
//!   a change is not the engine's interleaving.
//! * Workers that cannot be reached, host calls that fail, names, several pools, older configurations: the simulator has them.
//!
//! Lanes, requests, serials and tickets that differ in their names alone are one state, see [`canonical`]. Where a lane can
//! neither die nor be believed dead any more, the steps that only itself can see are done at once.
//!
//! Then defects are put into the protocol, one by one: each has to be found. `--traces` prints the shortest way to each.

mod callback;
mod canonical;
mod case;
mod defect;
mod engine;
mod explore;
mod laws;
mod list;
mod local;
mod state;
mod step;
mod world;

use std::{process::ExitCode, time::Instant};

use crate::{case::Case, defect::Defect, explore::explore};

/// Beyond so many a case is too large for every run.
const STATES_MAX: usize = 20_000_000;

fn main() -> ExitCode {
    let has = |option: &str| std::env::args().any(|argument| argument == option);
    let begun = Instant::now();
    let is_sound = explore_all(has("--large")) & find_defects(has("--traces"));
    println!("\nin all {:.1} s", begun.elapsed().as_secs_f64());
    if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The protocol as it is. `false`: it breaks a promise.
fn explore_all(large: bool) -> bool {
    println!(
        "{:<34} {:>10} {:>12} {:>8} {:>6} {:>8}",
        "case", "states", "transitions", "at rest", "steps", "seconds"
    );
    let mut is_sound = true;
    let (mut states, mut transitions) = (0, 0);
    for case in if large { Case::large() } else { Case::all() } {
        let found = explore(&case, STATES_MAX);
        let (seconds, name) = (found.took.as_secs_f64(), case.name);
        println!(
            "{name:<34} {:>10} {:>12} {:>8} {:>6} {seconds:>8.1}",
            found.states, found.transitions, found.at_rest, found.depth
        );
        states += found.states;
        transitions += found.transitions;
        if let Some((what, trace)) = found.broken {
            is_sound = false;
            println!("    BROKEN: {what}");
            tell(&trace);
        }
    }
    println!("{:<34} {states:>10} {transitions:>12}", "in all");
    is_sound
}

/// Each defect in the first case that shows it. `false`: one is never found.
fn find_defects(traces: bool) -> bool {
    println!("\n{:<74} {:>9} {:>6}  found by", "defect", "states", "steps");
    let mut is_sound = true;
    for defect in Defect::ALL {
        let mut visited = 0;
        let caught = Case::for_defects(*defect).into_iter().find_map(|case| {
            let found = explore(&Case { defect: Some(*defect), ..case }, STATES_MAX);
            visited += found.states;
            found.broken.map(|broken| (case, broken))
        });
        match caught {
            Some((case, (what, trace))) => {
                println!("{:<74} {visited:>9} {:>6}  {what} ({})", defect.what(), trace.len(), case.name);
                if traces {
                    tell(&trace);
                }
            }
            None => {
                is_sound = false;
                println!("{:<74} {visited:>9}      -  NOT FOUND", defect.what());
            }
        }
    }
    is_sound
}

fn tell(trace: &[String]) {
    for (number, step) in (1..).zip(trace) {
        println!("    {number:>3}. {step}");
    }
}
