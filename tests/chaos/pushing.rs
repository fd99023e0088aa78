//! Bursts of changes over REST, and the check of their results.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::json;

use crate::{
    plan::{Push, Scheduled},
    rig::Rig,
    run::Run,
};
use slotway_test_site::WorkerFigures;

const WORKERS: &str = "/coordinator/workers";
/// Number of workers that stay, so that the pool is never empty.
const STAY: usize = 2;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Sends the planned changes. Changes during an outage of the control plane are left out.
pub(crate) async fn push(run: &Run, rig: &Rig, pushes: &[Scheduled<Push>]) {
    for push in pushes {
        run.until(push.at).await;
        let Ok(_turn) = rig.changes.try_lock() else {
            run.tally.pushes.add("left out");
            continue;
        };
        match &push.what {
            Push::Set(set) => set_capacities(run, rig, set).await,
            Push::Remove(worker) => remove(run, rig, *worker).await,
        }
    }
}

/// Sets capacities. A removed worker is created again.
pub(crate) async fn set_capacities(run: &Run, rig: &Rig, set: &[(usize, u32)]) {
    let entry = |(worker, capacity): &(usize, u32)| {
        run.workers[*worker].bound.change(*capacity);
        json!({ "worker": run.workers[*worker].url(), "capacity": capacity })
    };
    let list: Vec<_> = set.iter().map(entry).collect();
    match rig.api().try_request("POST", WORKERS, json!(list).to_string()).await {
        // It is unknown whether the change was committed.
        Err(_) => run.tally.pushes.add("unanswered"),
        Ok(answer) if answer.status == StatusCode::OK => {
            let generation = WorkerFigures::of(&answer).iter().map(|row| row.generation_wanted).max();
            for (worker, capacity) in set {
                run.workers[*worker].bound.acknowledged(*capacity, generation.unwrap_or_default());
            }
            run.tally.pushes.add("taken");
        }
        Ok(answer) => {
            run.violations.add(format!("the change {list:?} got {} {}", answer.status, answer.text()));
        }
    }
}

async fn remove(run: &Run, rig: &Rig, worker: usize) {
    let stays = |wanted: u32| wanted > 0;
    let certain = run.workers.iter().filter(|other| {
        other.index != worker && other.bound.wanted().is_some_and(|wanted| stays(wanted.capacity))
    });
    if certain.count() < STAY {
        run.tally.pushes.add("left out");
        return;
    }
    let known = run.workers[worker].bound.wanted();
    run.workers[worker].bound.change(0);
    let path = format!("{WORKERS}?worker={}", run.workers[worker].url());
    match rig.api().try_request("DELETE", &path, "").await {
        Err(_) => run.tally.pushes.add("unanswered"),
        Ok(answer) if answer.status.is_success() => {
            run.workers[worker].bound.acknowledged(0, 0);
            run.tally.pushes.add("taken");
        }
        // It may have been removed before.
        Ok(answer)
            if answer.status == StatusCode::NOT_FOUND && known.is_none_or(|wanted| wanted.capacity == 0) =>
        {
            run.workers[worker].bound.acknowledged(0, 0);
            run.tally.pushes.add("taken");
        }
        Ok(answer) => run.violations.add(format!(
            "the removal of worker {worker} got {} {}",
            answer.status,
            answer.text()
        )),
    }
}

/// Lowers the bounds when reports show that lowered capacities are in force and the surplus has drained. Never returns.
pub(crate) async fn settle_bounds<Never>(run: &Run, rig: &Rig) -> Never {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        // Read before the overview, which is no older.
        let wanted: Vec<_> = run.workers.iter().map(|worker| worker.bound.wanted()).collect();
        let Ok(answer) = rig.api().try_request("GET", WORKERS, "").await else { continue };
        let rows = WorkerFigures::of(&answer);
        for (worker, wanted) in run.workers.iter().zip(wanted) {
            let Some(wanted) = wanted else { continue };
            let in_force = match rows.iter().find(|row| row.worker == worker.url()) {
                None => wanted.capacity == 0,
                Some(row) => {
                    row.state == "active"
                        && row.capacity == Some(u64::from(wanted.capacity))
                        && row.generation_in_force.is_some_and(|generation| generation >= wanted.generation)
                }
            };
            if in_force {
                worker.bound.settle(wanted);
            }
        }
    }
}

/// Checks that the control plane has every acknowledged change, also after a crash.
pub(crate) async fn check_memory(run: &Run, rig: &Rig) {
    let rows = rig.api().workers().await;
    for worker in &run.workers {
        let Some(wanted) = worker.bound.wanted() else { continue };
        let row = rows.iter().find(|row| row.worker == worker.url());
        let kept = match row {
            None => wanted.capacity == 0,
            // It still drains.
            Some(row) if wanted.capacity == 0 => row.state == "draining",
            Some(row) => row.capacity == Some(u64::from(wanted.capacity)),
        };
        if !kept {
            run.violations.add(format!(
                "the control plane has forgotten that worker {} has capacity {}: {row:?}",
                worker.index, wanted.capacity
            ));
        }
    }
}
