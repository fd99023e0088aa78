//! The end of a run: without faults all slots become free, and each of them can be used.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use crate::{pushing::set_capacities, rig::Rig, run::Run};
use slotway_test_site::{WorkerFigures, get, send};

/// Time limit for the recovery: the answer timeout, the lane lease, the longest pause before an unreachable worker is tried again, and a reserve for a
/// busy machine.
const RECOVERED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Concurrent requests that probe unreachable workers.
const PROBES: usize = 4;
/// Number of requests beyond the slots, which must wait.
const WAITERS: usize = 5;

/// The result of the recovery.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// The sum of the capacities.
    pub(crate) slots: u64,
    /// Free slots.
    pub(crate) free: u64,
    /// Time until all were free.
    pub(crate) recovered_in: Option<Duration>,
}

/// Waits until all slots are free, and then uses all of them at once.
pub(crate) async fn end(run: &Arc<Run>, rig: &Rig, capacities: &[u32]) -> Ended {
    let began = Instant::now();
    // From here on the wanted capacities are known.
    let all: Vec<_> = capacities.iter().copied().enumerate().collect();
    set_capacities(run, rig, &all).await;
    let slots = capacities.iter().map(|capacity| u64::from(*capacity)).sum();
    let within = |what: &'static str| (began, what);

    // An unreachable worker is probed by a request, so there must be requests.
    let reached = look(run, rig, within("every worker is reached"), |rows| {
        rows.iter().all(|row| row.state == "active") && rows.len() == capacities.len()
    });
    tokio::select! {
        _ = reached => {}
        never = probe(rig.site.address()) => match never {},
    }
    let home = look(run, rig, within("all slots are free"), |rows| {
        rows.len() == capacities.len() && rows.iter().all(|row| row.is_idle() && row.waiting == Some(0))
    });
    let recovered = home.await;
    let rows = rig.api().workers().await;
    let free = rows.iter().filter_map(|row| row.free).sum();
    let ended = Ended { slots, free, recovered_in: recovered.then(|| began.elapsed()) };
    if recovered {
        use_all(run, rig.site.address(), capacities).await;
    }
    ended
}

/// Reads the overview until it is as wanted. After the time limit it records a violation and returns false.
async fn look(
    run: &Run,
    rig: &Rig,
    (began, what): (Instant, &str),
    wanted: impl Fn(&[WorkerFigures]) -> bool,
) -> bool {
    loop {
        let rows = rig.api().workers().await;
        if wanted(&rows) {
            return true;
        }
        if began.elapsed() > RECOVERED_WITHIN {
            let not = rows.iter().filter(|row| !row.is_idle() || row.waiting != Some(0)).map(describe);
            let list = not.collect::<Vec<_>>().join("; ");
            let (at, within) = (run.elapsed().as_secs(), RECOVERED_WITHIN.as_secs());
            run.violations
                .add(format!("at {at} s, {within} s after the last fault, not yet: {what}; {list}"));
            return false;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn describe(row: &WorkerFigures) -> String {
    let number = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
    format!(
        "{} {}: capacity {}, in flight {}, free {}, waiting {}",
        row.worker,
        row.state,
        number(row.capacity),
        number(row.in_flight),
        number(row.free),
        number(row.waiting)
    )
}

/// Sends a few concurrent requests at a time, and ignores the answers.
async fn probe(address: SocketAddr) -> std::convert::Infallible {
    let mut id = 1_u64 << 63;
    loop {
        let mut requests = JoinSet::new();
        for _ in 0..PROBES {
            id += 1;
            requests.spawn(send(address, get(&format!("/chaos/{id}"))));
        }
        requests.join_all().await;
    }
}

/// Sends more requests than there are slots: all slots are used, and the other requests wait.
async fn use_all(run: &Run, address: SocketAddr, capacities: &[u32]) {
    for worker in &run.workers {
        worker.hold(true);
    }
    let slots = capacities.iter().map(|capacity| *capacity as usize).sum::<usize>();
    let mut requests = JoinSet::new();
    for n in 0..slots + WAITERS {
        let id = (3_u64 << 62) + n as u64;
        requests.spawn(send(address, get(&format!("/chaos/{id}"))));
    }
    let began = Instant::now();
    let full =
        || run.workers.iter().zip(capacities).all(|(worker, capacity)| worker.bound.current() == *capacity);
    while !full() && began.elapsed() < crate::rig::FREE_WORKER_TIMEOUT {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    if !full() {
        let has: Vec<_> = run.workers.iter().map(|worker| worker.bound.current()).collect();
        run.violations.add(format!("not every slot can be used: the workers have {has:?} of {capacities:?}"));
    }
    for worker in &run.workers {
        worker.hold(false);
    }
    for answer in requests.join_all().await {
        let got = answer.map(|answer| answer.status.as_u16());
        if !matches!(got, Ok(200)) {
            run.violations.add(format!("without faults a request got {got:?}"));
        }
    }
}
