//! Outages of the control plane: it is killed, finds its database damaged, and restarts. Envoy continues to serve.

use std::time::{Duration, Instant};

use crate::{
    client::Clients,
    damage::{Damage, Files},
    dice::Dice,
    plan::{Outage, Scheduled},
    pushing::check_memory,
    rig::Rig,
    run::Run,
};

/// Time limit between two answers while clients and workers are active.
const SERVED_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs the planned outages.
pub(crate) async fn run_outages(
    run: &Run,
    rig: &Rig,
    clients: &Clients,
    outages: &[Scheduled<Outage>],
    seed: u64,
) {
    let mut dice = Dice::new(seed, 7);
    for outage in outages {
        run.until(outage.at).await;
        rig.kill_control_plane().await;
        run.tally.kills.add();
        // A change in flight has failed by now. No other one is sent until the control plane has restarted.
        let _no_changes = rig.changes.lock().await;
        let answered = run.tally.answered.get();
        if let Some(damage) = outage.what.damage {
            is_refused(run, rig, damage, &mut dice).await;
        }
        run.until(outage.at + outage.what.lasts).await;
        serves_on(run, clients, answered).await;
        rig.start_control_plane().await;
        check_memory(run, rig).await;
    }
}

async fn serves_on(run: &Run, clients: &Clients, answered: u64) {
    let since = Instant::now();
    while run.tally.answered.get() == answered {
        if since.elapsed() > SERVED_WITHIN {
            let clients = clients.active();
            run.violations.add(format!("without the control plane none of {clients} clients got an answer"));
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Checks that the control plane refuses to start with a damaged database, names it, and does not change the file.
async fn is_refused(run: &Run, rig: &Rig, damage: Damage, dice: &mut Dice) {
    let state = rig.site.path().join("state");
    let whole = Files::read(&state);
    damage.strike(&state, dice);
    let damaged = Files::read(&state);
    let refused = rig.refused_control_plane().await;
    let complain = |what: String| {
        run.violations.add(format!("with its database {damage} the control plane {what}"));
    };
    match refused {
        Ok(said) => {
            if said.trim_end().lines().count() != 1 || !said.contains("slotway.db") {
                complain(format!("did not name the file in one line: {}", said.trim_end()));
            }
            if !["Put a copy of it back", "use a newer slotway"].iter().any(|remedy| said.contains(remedy)) {
                complain(format!("did not say what to do: {}", said.trim_end()));
            }
        }
        Err(what) => complain(what),
    }
    if !Files::read(&state).same_data(&damaged) {
        complain("changed the file".to_owned());
    }
    whole.restore(&state);
    run.tally.damages.add(damage.to_string());
}
