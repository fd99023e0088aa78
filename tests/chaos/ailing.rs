//! Workers fall ill and get well, and phases of overload and calm follow each other.

use std::sync::Arc;

use crate::{
    client::Clients,
    plan::{Ailment, At, Malady, Phase},
    run::Run,
};

/// Makes the workers unwell, as planned, and well again.
pub(crate) async fn ail(run: &Arc<Run>, ailments: &[At<Ailment>]) {
    // One worker's ailments do not overlap; those of different workers do.
    let mut patients = Vec::new();
    for ailment in ailments {
        run.until(ailment.at).await;
        let Ailment { worker, how, lasts } = ailment.what;
        let ends = ailment.at + lasts;
        let run = Arc::clone(run);
        patients.push(tokio::spawn(async move {
            run.tally.ailments.add(name(how));
            run.workers[worker].fall_ill(how).await;
            run.until(ends).await;
            run.workers[worker].recover(&run).await;
        }));
    }
    for patient in patients {
        patient.await.unwrap();
    }
}

fn name(malady: Malady) -> &'static str {
    match malady {
        Malady::Dead => "dead",
        Malady::Hung => "hung",
        Malady::Slow(_) => "slow",
        Malady::ResetsHead => "resets instead of answers",
        Malady::ResetsBody => "resets in answers",
    }
}

/// Lets more and fewer clients work.
pub(crate) async fn change_phases(run: &Run, clients: &Clients, phases: &[At<Phase>]) {
    let slots: u64 = run.workers.iter().map(|worker| u64::from(worker.bound.highest().1)).sum();
    for phase in phases {
        run.until(phase.at).await;
        let active = slots * phase.what.clients_percent / 100;
        clients.set_active(usize::try_from(active).unwrap_or(usize::MAX).max(1));
        run.tally.set_phase(phase.what.name);
    }
}
