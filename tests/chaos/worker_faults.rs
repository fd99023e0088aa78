//! Injects faults into workers, and alternates phases of overload and low load.

use std::sync::Arc;

use crate::{
    client::Clients,
    plan::{FaultPeriod, Phase, Scheduled, WorkerFault},
    run::Run,
};

/// Injects the planned faults, and ends them again.
pub(crate) async fn inject(run: &Arc<Run>, faults: &[Scheduled<FaultPeriod>]) {
    // Faults of one worker do not overlap.
    let mut tasks = Vec::new();
    for period in faults {
        run.until(period.at).await;
        let FaultPeriod { worker, how, lasts } = period.what;
        let ends = period.at + lasts;
        let run = Arc::clone(run);
        tasks.push(tokio::spawn(async move {
            run.tally.faults.add(name(how));
            run.workers[worker].inject(how).await;
            run.until(ends).await;
            run.workers[worker].recover(&run).await;
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

fn name(fault: WorkerFault) -> &'static str {
    match fault {
        WorkerFault::Dead => "dead",
        WorkerFault::Hung => "hung",
        WorkerFault::Slow(_) => "slow",
        WorkerFault::ResetsHead => "resets instead of answers",
        WorkerFault::ResetsBody => "resets in answers",
    }
}

/// Sets the number of active clients, phase by phase.
pub(crate) async fn change_phases(run: &Run, clients: &Clients, phases: &[Scheduled<Phase>]) {
    let slots: u64 = run.workers.iter().map(|worker| u64::from(worker.bound.highest().1)).sum();
    for phase in phases {
        run.until(phase.at).await;
        let active = slots * phase.what.clients_percent / 100;
        clients.set_active(usize::try_from(active).unwrap_or(usize::MAX).max(1));
        run.tally.set_phase(phase.what.name);
    }
}
