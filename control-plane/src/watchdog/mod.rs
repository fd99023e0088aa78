//! Asks workers whether they are there, and takes those out that are not: the heartbeat watchdog.
//!
//! * [`pulse`]: how it is with one worker. [`census`]: whether it is rather the watchdog that is cut off. Both are plain values.
//! * [`rounds`]: who is asked when, and what comes of it. [`ask`] and [`trust`]: one question over the network.
//! * Of several control planes on one store, one watches: the holder of a [`Lease`].
//!
//! What is found out is written into the store (by `system`, with its reason, so it is audited), and so comes into force for all Envoys: a
//! worker that is down gets no further requests, those under way end as they would, and once it answers again its capacity comes
//! back, over the worker's `slow_start` if it has one.

mod ask;
mod census;
mod pulse;
mod rounds;
mod trust;

use std::sync::Arc;

use prometheus_client::{metrics::gauge::Gauge, registry::Registry};
use tokio::sync::watch;

use crate::{
    error::Error,
    store::{Lease, Store},
    workers::Workers,
};
use ask::AskOverHttp;

/// The fact in the store that names the holder.
const LEASE: &str = "watchdog";
/// Bytes of the random name under which a control plane holds the lease.
const NAME_BYTES: usize = 16;

/// The watchdog of one control plane.
#[derive(Debug)]
pub struct Watchdog {
    holds: watch::Sender<bool>,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self { holds: watch::Sender::new(false) }
    }
}

impl Watchdog {
    /// Watches the workers until `ending`; on a store that others may share, whenever none of them does, and at the end it lets them
    /// take over at once.
    ///
    /// # Errors
    /// [`Error::System`] where there is no randomness.
    pub async fn run(
        &self,
        workers: Arc<Workers>,
        store: Arc<dyn Store>,
        is_shared: bool,
        ending: impl Future<Output = ()>,
    ) -> Result<(), Error> {
        if !is_shared {
            self.holds.send_replace(true);
            tokio::select! {
                () = self.watch_while_it_holds(workers) => {}
                () = ending => {}
            }
            return Ok(());
        }
        let mut name = [0_u8; NAME_BYTES];
        getrandom::fill(&mut name)
            .map_err(|error| Error::System { doing: "making up a name", reason: error.to_string() })?;
        let name = name.iter().map(|byte| format!("{byte:02x}")).collect();
        tokio::select! {
            () = Lease::new(LEASE, name).hold(&*store, &self.holds, ending) => {}
            () = self.watch_while_it_holds(workers) => {}
        }
        Ok(())
    }

    async fn watch_while_it_holds(&self, workers: Arc<Workers>) {
        let ask = Arc::new(AskOverHttp::default());
        let mut holds = self.holds.subscribe();
        // The sender is our own.
        while holds.wait_for(|holds| *holds).await.is_ok() {
            tracing::debug!("this control plane watches the workers");
            tokio::select! {
                () = rounds::watch(Arc::clone(&workers), Arc::clone(&ask), workers.heartbeats()) => {}
                _ = holds.wait_for(|holds| !*holds) => {}
            }
            workers.heartbeats().forget_all();
            tracing::info!("another control plane watches the workers, or the store cannot be written");
        }
    }

    /// Registers the current metrics of the watchdog.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let watching = Gauge::<i64>::default();
        watching.set(i64::from(self.is_watching()));
        registry.register("watchdog_watching", "Whether this control plane sends the heartbeats", watching);
    }

    /// Whether it is this control plane that asks.
    #[must_use]
    pub fn is_watching(&self) -> bool {
        *self.holds.borrow()
    }
}
