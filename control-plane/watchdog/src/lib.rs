//! The heartbeat watchdog: probes workers, and reports which of them fail.
//!
//! * `heartbeat_state` is the state machine of one worker, `failure_counts` tells a failure of the watchdog's own network from a failure
//!   of workers. Both are plain values without clock and I/O.
//! * `probing` schedules the probes and collects findings; `probe` sends one over the network.
//! * Of several control planes on one store, the holder of a [`Lease`] probes.
//!
//! The watchdog knows its workers through [`ProbeTargets`]. Findings are stored there (as `system` in the audit rows, with a reason), and
//! so come into force for all Envoys: a worker that is down gets no further requests, those under way end normally, and once it answers
//! again its capacity comes back, step by step if it has a slow start.

mod error;
mod failure_counts;
mod heartbeat_state;
mod metrics;
mod outcomes;
mod probe;
mod probing;
mod target;
mod tls_configs;

use std::sync::Arc;

use slotway_runtime::Clock;
use slotway_store::{Lease, Store};
use tokio::sync::watch;

pub use error::WatchdogError;
pub use outcomes::{HeartbeatOutcome, HeartbeatOutcomes};
pub use target::{Finding, Probe, ProbeTarget, ProbeTargets, ProbeTls, SlowStart, TargetHealth};

use probe::HttpProber;

/// The fact in the store that names the holder of the lease. It is not part of backups.
pub const LEASE: &str = "watchdog";
/// Bytes of the random name under which a control plane holds the lease.
const NAME_BYTES: usize = 16;

/// The watchdog of one control plane.
#[derive(Debug)]
pub struct Watchdog {
    holds: watch::Sender<bool>,
    outcomes: HeartbeatOutcomes,
    clock: Clock,
}

impl Watchdog {
    /// Returns a watchdog that does not run yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { holds: watch::Sender::new(false), outcomes: HeartbeatOutcomes::default(), clock }
    }

    /// Probes the targets until `ending`. On a store that other control planes may share, it does so only while it holds the lease, and
    /// gives the lease up at the end.
    ///
    /// # Errors
    /// [`WatchdogError::Random`].
    pub async fn run<T: ProbeTargets>(
        &self,
        targets: Arc<T>,
        store: Arc<dyn Store>,
        is_shared: bool,
        ending: impl Future<Output = ()>,
    ) -> Result<(), WatchdogError> {
        if !is_shared {
            self.holds.send_replace(true);
            tokio::select! {
                () = self.probe_while_it_holds(targets) => {}
                () = ending => {}
            }
            return Ok(());
        }
        let mut name = [0_u8; NAME_BYTES];
        getrandom::fill(&mut name).map_err(|error| WatchdogError::Random(error.to_string()))?;
        let name = name.iter().map(|byte| format!("{byte:02x}")).collect();
        tokio::select! {
            () = Lease::new(LEASE, name).hold(&*store, &self.holds, ending) => {}
            () = self.probe_while_it_holds(targets) => {}
        }
        Ok(())
    }

    async fn probe_while_it_holds<T: ProbeTargets>(&self, targets: Arc<T>) {
        let prober = Arc::new(HttpProber::default());
        let mut holds = self.holds.subscribe();
        // The sender lives as long as `self`.
        while holds.wait_for(|holds| *holds).await.is_ok() {
            tracing::debug!("this control plane probes the workers");
            let probing =
                probing::run(Arc::clone(&targets), Arc::clone(&prober), &self.outcomes, self.clock.clone());
            tokio::select! {
                () = probing => {}
                _ = holds.wait_for(|holds| !*holds) => {}
            }
            self.outcomes.forget_all();
            tracing::info!("another control plane probes the workers, or the store cannot be written");
        }
    }

    /// Returns the outcomes of the heartbeats.
    #[must_use]
    pub fn outcomes(&self) -> &HeartbeatOutcomes {
        &self.outcomes
    }

    /// Returns whether this control plane probes the workers.
    #[must_use]
    pub fn is_watching(&self) -> bool {
        *self.holds.borrow()
    }
}
