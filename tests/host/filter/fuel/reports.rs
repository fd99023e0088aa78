//! The cost of a report in which little has changed. A lane that reports serves no request meanwhile.

use slotway_tests::{
    host::CallAnswer,
    world::{World, pool},
};

use super::Measured;

const CLUSTER: &str = "control-plane";
/// Within which something that has changed is reported.
const CHANGED_EVERY_MS: u64 = 260;
/// The time within which there is a report in any case, and only one.
const UNCHANGED_EVERY_MS: u64 = 2_100;
const STEP_MS: u64 = 10;
const REPORTS: usize = 8;

pub(super) fn measure() -> Measured {
    let mut measured = Measured::new();
    for (workers, name) in [(3, "3 workers"), (2_500, "2,500 workers")] {
        let (fuel, calls) = cost(workers);
        measured.insert(format!("report: of {name}, one changed: fuel"), fuel);
        measured.insert(format!("report: of {name}, one changed: host calls"), calls);
    }
    measured
}

fn cost(workers: usize) -> (f64, f64) {
    let names: Vec<_> = (0..workers).map(|number| format!("http://w{number}.test:9000")).collect();
    let workers: Vec<_> = names.iter().map(|name| (name.as_str(), 4)).collect();
    let mut world = World::new(1, pool(&workers));
    world.host.add_cluster(CLUSTER);
    world.push_alone(|config| config.report_cluster = Some(CLUSTER.to_owned())).unwrap();
    // Reports everything, in several reports if there is much.
    while report(&mut world, UNCHANGED_EVERY_MS) > 0 {}
    let before = world.host.usage();
    for _ in 0..REPORTS {
        world.send(0);
        assert_eq!(report(&mut world, CHANGED_EVERY_MS), 1, "one worker has changed");
    }
    let after = world.host.usage();
    let each = |before: u64, after: u64| (after - before) as f64 / REPORTS as f64;
    (each(before.fuel, after.fuel), each(before.host_calls_total(), after.host_calls_total()))
}

/// Lets time pass and answers what reports come; how many workers stand in them.
fn report(world: &mut World, within_ms: u64) -> usize {
    let mut workers = 0;
    for _ in 0..within_ms / STEP_MS {
        world.advance(STEP_MS);
        for call in &world.host.http_calls() {
            let report: slotway_config::Report = serde_json::from_slice(&call.body).unwrap();
            workers += report.pools.iter().map(|pool| pool.workers.len()).sum::<usize>();
            world.host.answer_call(call, CallAnswer::status(204, ""));
        }
    }
    workers
}
