//! The exhaustive model of the protocol between lanes: it visits and checks every state that small cases can reach.
//!
//! # What is modelled
//!
//! Up to three lanes, two workers, and up to four requests on any lanes; clients that leave and deadlines that come; one
//! change of a capacity (growing, shrinking, removal); one lane that traps at any step; one living lane that is declared
//! dead.
//!
//! One step is one host call: reading the root, marking the stream, the exchange of the root, each message sent and
//! received, each request resumed. What a lane knows between two calls is part of the state, and any other lane may act
//! there. A lane whose root is stale reads it again. The model has all parts of the filter: taking, waiting, releasing,
//! bringing slots to their waiters, the ledger of serials, the recovery of dead lanes, the witness, the audit, and the
//! return of a lane that was declared dead.
//!
//! In each state: no worker has more requests than its capacity (or than it had before it shrank); free slots and waiters
//! exclude each other; every slot is free or in the ledger, once; every request at a worker has its own entry in the ledger;
//! waiters are served in their order and once; no request that is over is in the line. And each state can come to rest:
//! every slot is back and every request has ended, without any client that has to leave or any deadline that has to come.
//!
//! # What is left out
//!
//! * Pages: here they are part of the root. A small model of its own, [`pages`], shows that the log commits a page with its
//!   root. The content of pages is checked by the engine's tests and the simulator.
//! * Time: what is due may come at any moment, in any order, or late. That a dead lane's request *must be over* is modelled
//!   by its assumption: the request is over, and the lane is dead. In one case requests have no limit. There the message of
//!   the witness alone brings slots back, and a lane does not die while it alone knows where a slot is.
//! * Silence: that a lane is declared dead is one step, and that it learns this is another one. One lane recovers dead lanes
//!   until it is declared dead itself, and receives the witness' messages only while there are dead lanes. A lane has
//!   emptied its queue when it begins an audit.
//! * A request whose client leaves is over at its worker at once; `abandoned_hold` only delays what follows.
//! * The order of new slots (they join at the tail), holes in the line, workers that cannot be reached, failing host calls,
//!   names, several pools, older configurations: the engine's tests and the simulator have them.
//!
//! Lanes, requests, serials and tickets that differ in their names alone are one state, see [`canonical`]. Where a lane can
//! neither die nor be declared dead any more, the steps that no other lane can see are done at once. States are compared by
//! fingerprints of 128 bits.
//!
//! Then defects are put into the protocol, one by one, and each has to be found. `--traces` prints the shortest way to each.

mod callback;
mod canonical;
mod case;
mod defect;
mod engine;
mod explore;
mod laws;
mod list;
mod local;
mod pages;
mod state;
mod step;
mod world;

use std::{
    panic::resume_unwind,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Instant,
};

use crate::{case::Case, defect::Defect, explore::explore, pages::PageDefect};

/// The most states of a case. More would take too much time and memory.
const STATES_MAX: usize = 60_000_000;

fn main() -> ExitCode {
    let has = |option: &str| std::env::args().any(|argument| argument == option);
    let begun = Instant::now();
    let is_sound = explore_all(has("--large")) & find_defects(has("--traces")) & explore_pages();
    println!("\nin all {:.1} s", begun.elapsed().as_secs_f64());
    if is_sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Explores the protocol without a defect. `false`: it breaks a promise.
fn explore_all(large: bool) -> bool {
    println!("Where a case says nothing else: 3 lanes, 2 workers of capacity 1, 4 requests.");
    println!(
        "{:<34} {:>10} {:>12} {:>8} {:>6} {:>8}",
        "case", "states", "transitions", "at rest", "steps", "seconds"
    );
    let mut is_sound = true;
    let (mut states, mut transitions) = (0, 0);
    let cases = if large { Case::large() } else { Case::all() };
    // Large cases run one by one, for their memory.
    let threads = if large { 1 } else { threads() };
    for (case, found) in cases.iter().zip(in_parallel(&cases, threads, |case| explore(case, STATES_MAX))) {
        let (seconds, name) = (found.took.as_secs_f64(), case.name);
        println!(
            "{name:<34} {:>10} {:>12} {:>8} {:>6} {seconds:>8.1}",
            found.states, found.transitions, found.at_rest, found.depth
        );
        states += found.states;
        transitions += found.transitions;
        if found.is_too_large {
            is_sound = false;
            println!("    TOO LARGE: not all of it was visited");
        }
        if let Some((what, trace)) = found.broken {
            is_sound = false;
            println!("    BROKEN: {what}");
            tell(&trace);
        }
    }
    println!("{:<34} {states:>10} {transitions:>12}", "in all");
    is_sound
}

/// Searches each defect in the cases that can show it. `false`: one is not found.
fn find_defects(traces: bool) -> bool {
    println!("\n{:<74} {:>9} {:>6}  found by", "defect", "states", "steps");
    let mut is_sound = true;
    let searched = in_parallel(Defect::ALL, threads(), |defect| {
        let mut visited = 0;
        let caught = Case::for_defects(*defect).into_iter().find_map(|case| {
            let found = explore(&Case { defect: Some(*defect), ..case }, STATES_MAX);
            visited += found.states;
            found.broken.map(|broken| (case, broken))
        });
        (visited, caught)
    });
    for (defect, (visited, caught)) in Defect::ALL.iter().zip(searched) {
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

/// Explores the small model of a page, and its defects. `false`: it breaks its promise, or a defect is not found.
fn explore_pages() -> bool {
    let sound = pages::explore(None);
    let word = if sound.is_broken { "BROKEN" } else { "root and page are always alike" };
    println!(
        "\n{:<74} {:>9}         {word}",
        "a page that is committed with its root, 3 lanes, a trap", sound.states
    );
    let mut is_sound = !sound.is_broken;
    for defect in PageDefect::ALL {
        let found = pages::explore(Some(defect));
        is_sound &= found.is_broken;
        let word = if found.is_broken { "a lane sees a page that is not its root's" } else { "NOT FOUND" };
        println!("{:<74} {:>9} {:>6}  {word}", defect.what(), found.states, found.steps);
    }
    is_sound
}

/// Returns how many explorations run at once.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(4)
}

/// Returns the result of `work` for each item, in the order of the items.
fn in_parallel<T: Sync, R: Send>(items: &[T], threads: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        while let Some((at, item)) =
            Some(next.fetch_add(1, Relaxed)).and_then(|at| Some((at, items.get(at)?)))
        {
            done.push((at, work(item)));
        }
        done
    };
    let mut done: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(take)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

fn tell(trace: &[String]) {
    for (number, step) in (1..).zip(trace) {
        println!("    {number:>3}. {step}");
    }
}
