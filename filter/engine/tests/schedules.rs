//! All schedules of small cases: from each state every possible next event, until no new state is found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these files are tests")]
mod world;

use std::collections::HashSet;

use slotway_engine::ReleaseOutcome;
use world::World;

/// The events that may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Budget {
    requests: u8,
    failures: u8,
    abandoned: u8,
    changes: u8,
}

struct Case {
    workers: &'static [(&'static str, u32)],
    /// The configurations that may follow, in any order.
    changes: &'static [&'static [(&'static str, u32)]],
    budget: Budget,
    waiting_max: u32,
}

/// Visits every state that can be reached. `World` checks the invariants at each step. From each state all requests must end
/// and all slots must come back.
fn explore(case: &Case) -> usize {
    let mut world = World::default();
    world.configure(case.workers);
    let mut seen = HashSet::new();
    let mut open = vec![(world, case.budget)];
    while let Some((world, budget)) = open.pop() {
        if !seen.insert((identity(&world), budget)) {
            continue;
        }
        world.clone().come_to_rest();
        let mut next = |budget: Budget, act: &dyn Fn(&mut World)| {
            let mut world = world.clone();
            act(&mut world);
            open.push((world, budget));
        };
        if budget.requests > 0 {
            let budget = Budget { requests: budget.requests - 1, ..budget };
            next(budget, &|world| {
                world.request(case.waiting_max);
            });
            next(budget, &|world| {
                world.request(0);
            });
        }
        for at in 0..world.running.len() {
            next(budget, &|world| world.end(at, || ReleaseOutcome::Answered));
            if budget.failures > 0 {
                let budget = Budget { failures: budget.failures - 1, ..budget };
                next(budget, &|world| world.end(at, || ReleaseOutcome::Unreachable));
            }
            if budget.abandoned > 0 {
                let budget = Budget { abandoned: budget.abandoned - 1, ..budget };
                next(budget, &|world| world.end(at, || ReleaseOutcome::Abandoned));
            }
        }
        for at in 0..world.line.len() {
            next(budget, &|world| world.leave(at));
        }
        if let Some(due_ms) = world.memory.root().probe_at_ms() {
            let ms = due_ms.saturating_sub(world.now_ms);
            next(budget, &|world| world.pass(ms));
        }
        if budget.changes > 0 {
            let budget = Budget { changes: budget.changes - 1, ..budget };
            for workers in case.changes {
                next(budget, &|world| world.configure(workers));
            }
        }
    }
    seen.len()
}

/// Returns a state without its counters of reads and writes. Its commit number stays: two ways to one state may differ in it, so
/// some states are visited twice, and none is left out.
fn identity(world: &World) -> World {
    let mut identity = world.clone();
    (identity.memory.reads, identity.memory.writes) = (0, 0);
    identity
}

#[test]
fn two_workers_with_failures_and_clients_that_leave() {
    let states = explore(&Case {
        workers: &[("W1", 1), ("W2", 2)],
        changes: &[],
        budget: Budget { requests: 4, failures: 2, abandoned: 1, changes: 0 },
        waiting_max: 2,
    });
    println!("{states} states");
    assert!(states > 1_000);
}

#[test]
fn capacities_that_change_while_requests_run() {
    let states = explore(&Case {
        workers: &[("W1", 1), ("W2", 2)],
        changes: &[&[("W1", 2), ("W2", 1)], &[("W2", 1)], &[("W1", 1), ("W2", 2), ("W3", 1)], &[]],
        budget: Budget { requests: 4, failures: 0, abandoned: 0, changes: 2 },
        waiting_max: 2,
    });
    println!("{states} states");
    assert!(states > 1_000);
}

#[test]
fn a_failing_worker_whose_capacity_changes() {
    let states = explore(&Case {
        workers: &[("W1", 2)],
        changes: &[&[("W1", 1)], &[("W1", 3)], &[("W2", 1)]],
        budget: Budget { requests: 3, failures: 2, abandoned: 1, changes: 2 },
        waiting_max: 1,
    });
    println!("{states} states");
    assert!(states > 1_000);
}
