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
mod heartbeats;
mod pulse;
mod rounds;
mod trust;

use std::sync::Arc;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use slotway_config::PoolName;
use tokio::sync::watch;

use crate::{
    error::Error,
    store::{Lease, Store},
    workers::Pools,
};
use ask::AskOverHttp;
use heartbeats::Heartbeats;

/// The fact in the store that names the holder.
const LEASE: &str = "watchdog";
/// Bytes of the random name under which a control plane holds the lease.
const NAME_BYTES: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    pool: String,
}

/// The watchdog of one control plane.
#[derive(Debug)]
pub struct Watchdog {
    holds: watch::Sender<bool>,
    heartbeats: Heartbeats,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self { holds: watch::Sender::new(false), heartbeats: Heartbeats::default() }
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
        workers: Arc<Pools>,
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

    async fn watch_while_it_holds(&self, workers: Arc<Pools>) {
        let ask = Arc::new(AskOverHttp::default());
        let mut holds = self.holds.subscribe();
        // The sender is our own.
        while holds.wait_for(|holds| *holds).await.is_ok() {
            tracing::debug!("this control plane watches the workers");
            tokio::select! {
                () = rounds::watch(Arc::clone(&workers), Arc::clone(&ask), &self.heartbeats) => {}
                _ = holds.wait_for(|holds| !*holds) => {}
            }
            self.heartbeats.forget_all();
            tracing::info!("another control plane watches the workers, or the store cannot be written");
        }
    }

    /// Registers the current metrics of the watchdog. Each of these pools has each of them.
    pub fn register_metrics<'a>(&self, pools: impl Iterator<Item = &'a PoolName>, registry: &mut Registry) {
        let failures = Family::<PoolLabels, Counter>::default();
        let kept = Family::<PoolLabels, Gauge>::default();
        for pool in pools {
            let labels = PoolLabels { pool: pool.to_string() };
            drop(failures.get_or_create(&labels));
            drop(kept.get_or_create(&labels));
        }
        for (pool, number) in self.heartbeats.failures() {
            failures.get_or_create(&PoolLabels { pool: pool.to_string() }).inc_by(number);
        }
        for (pool, number) in self.heartbeats.kept() {
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            kept.get_or_create(&PoolLabels { pool: pool.to_string() }).set(number);
        }
        registry.register("worker_heartbeat_failures", "Failed heartbeats of workers", failures);
        let help = "Workers with requests although their heartbeat failed, because too many fail at once";
        registry.register("workers_kept", help, kept);
        let watching = Gauge::<i64>::default();
        watching.set(i64::from(self.is_watching()));
        registry.register("watchdog_watching", "Whether this control plane sends the heartbeats", watching);
    }

    /// Returns the outcomes of the heartbeats.
    #[must_use]
    pub fn heartbeats(&self) -> &Heartbeats {
        &self.heartbeats
    }

    /// Whether it is this control plane that asks.
    #[must_use]
    pub fn is_watching(&self) -> bool {
        *self.holds.borrow()
    }
}
