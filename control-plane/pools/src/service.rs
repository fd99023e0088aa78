use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use slotway_config::{Pool, WorkerUrl};
use slotway_runtime::Clock;
use slotway_store::{Prepared, Replica, Store, StoreError, Who};
use tokio::sync::watch;

use crate::{
    CaDirectories, ChangeContext, Desired, HealthChange, ListenerSettings, Observations, PoolsError,
    WatchedWorker, WorkerEntry, WorkerOverview, overview, state::PoolsState,
};

/// How long all coordinators must be disconnected before a removed worker counts as drained. It is longer than an Envoy
/// needs to reconnect.
pub const DISCONNECTED_GRACE: Duration = Duration::from_secs(60);

/// The settings of the domain, from the configuration file.
#[derive(Debug, Clone)]
pub struct PoolsSettings {
    /// The settings of Envoy.
    pub listener: ListenerSettings,
    /// Where files of authorities may be that clients name.
    pub ca_directories: CaDirectories,
    /// How long all coordinators must be disconnected before a removed worker counts as drained.
    pub disconnected_grace: Duration,
}

/// The pools and workers in the store, and the desired state of Envoy that results from them.
pub struct Pools {
    replica: Replica<PoolsState>,
    pub(crate) observations: Arc<dyn Observations>,
    presence: Mutex<Presence>,
    clock: Clock,
    disconnected_grace: Duration,
}

/// The connected coordinators.
struct Presence {
    connected: Vec<String>,
    /// The time since which no coordinator is connected.
    none_since: Option<Instant>,
}

impl std::fmt::Debug for Pools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pools").finish_non_exhaustive()
    }
}

impl Pools {
    /// Loads the stored state and merges the configuration file into it. If neither has changed since the last start,
    /// the generation and the configuration of Envoy stay the same.
    ///
    /// Changes of other control planes on the same store arrive only while [`Self::follow`] runs.
    ///
    /// # Errors
    /// [`PoolsError::Store`], [`PoolsError::Declaration`].
    pub async fn open(
        store: Arc<dyn Store>,
        observations: Arc<dyn Observations>,
        declared: &[Pool],
        settings: PoolsSettings,
        clock: Clock,
    ) -> Result<Self, PoolsError> {
        let PoolsSettings { listener, ca_directories, disconnected_grace } = settings;
        let replica = Replica::open(store, PoolsState::empty(listener.clone(), ca_directories)).await?;
        let presence = Presence { connected: Vec::new(), none_since: Some(Instant::now()) };
        let pools = Self { replica, observations, presence: Mutex::new(presence), clock, disconnected_grace };
        pools.redeclare(declared, listener).await?;
        for record in pools.current().without_pool() {
            let (url, pool) = (&record.entry.worker.worker, &record.entry.pool);
            tracing::warn!(
                "worker {url} was added over REST to pool {pool}, which no longer exists: it gets no requests"
            );
        }
        Ok(pools)
    }

    /// Returns the desired state of Envoy, now and after each change.
    #[must_use]
    pub fn desired(&self) -> watch::Receiver<Arc<Desired>> {
        self.replica.published()
    }

    /// Returns the state in force.
    #[must_use]
    pub fn current(&self) -> Arc<PoolsState> {
        self.replica.current()
    }

    /// Merges a changed configuration file into the state, like [`Self::open`] at a start. Changes nothing if both
    /// together violate a rule.
    ///
    /// # Errors
    /// [`PoolsError::Store`], [`PoolsError::Declaration`].
    pub async fn redeclare(&self, declared: &[Pool], listener: ListenerSettings) -> Result<(), PoolsError> {
        let now_us = self.clock.now().unix_us();
        let merge = |next: &mut PoolsState| next.declare(declared, &listener, now_us);
        self.replica.change(Who::CONFIG_FILE, merge).await.map(drop)
    }

    /// Returns the context of a change that is made now.
    #[must_use]
    pub fn context(&self, who: Who) -> ChangeContext {
        ChangeContext { who, at: self.clock.now() }
    }

    /// Makes a change, under a new generation if it concerns Envoy. With `is_dry`, everything is checked and nothing is
    /// changed. Returns the result of `make` and the state after the change. `make` is called again if another control
    /// plane has changed the state meanwhile.
    ///
    /// # Errors
    /// Those of `make`, [`PoolsError::Rule`], [`PoolsError::Store`].
    pub async fn change<R, E: From<PoolsError>>(
        &self,
        who: Who,
        is_dry: bool,
        make: impl Fn(&mut PoolsState) -> Result<R, E>,
    ) -> Result<(R, Arc<PoolsState>), E> {
        let now_us = self.clock.now().unix_us();
        let make = |next: &mut PoolsState| next.under_new_generation(now_us, &make);
        if is_dry { self.replica.try_out(make).await } else { self.replica.change(who, make).await }
    }

    /// Makes and checks a change for a caller that commits its writes together with those of other domains, see [`Replica::prepare`].
    ///
    /// # Errors
    /// As [`Self::change`].
    pub async fn prepare<R, E: From<PoolsError>>(
        &self,
        make: impl Fn(&mut PoolsState) -> Result<R, E>,
    ) -> Result<Prepared<PoolsState, R>, E> {
        let now_us = self.clock.now().unix_us();
        self.replica.prepare(|next: &mut PoolsState| next.under_new_generation(now_us, &make)).await
    }

    /// Waits until the state reflects this revision of the store.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn caught_up(&self, revision: u64) -> Result<(), StoreError> {
        if self.current().revision() >= revision { Ok(()) } else { self.replica.catch_up().await }
    }

    /// Applies the changes of other control planes on the same store for as long as it is polled.
    pub async fn follow(&self) {
        self.replica.follow().await;
    }

    /// Creates or updates workers: all of them, or none. A draining worker becomes active again.
    ///
    /// # Errors
    /// [`PoolsError::Entry`], [`PoolsError::EntryInOtherPool`], [`PoolsError::Store`].
    pub async fn upsert(&self, who: Who, entries: &[WorkerEntry]) -> Result<(), PoolsError> {
        self.change(who, false, |next| next.upsert(entries)).await.map(drop)
    }

    /// Removes a worker from its pool. It gets no further requests; those under way end normally. Returns whether it still drains.
    ///
    /// # Errors
    /// [`PoolsError::UnknownWorker`], [`PoolsError::Store`].
    pub async fn remove(&self, who: Who, url: &WorkerUrl) -> Result<bool, PoolsError> {
        self.change(who, false, |next| next.remove(url)).await?;
        self.settle(Instant::now()).await?;
        let state = self.current();
        Ok(state.retained.contains_key(url) || state.draining().any(|(other, _)| other == url))
    }

    /// Sets the connected coordinators. A drain waits for each of them.
    pub fn set_connected(&self, connected: Vec<String>, now: Instant) {
        let mut presence = self.presence();
        presence.none_since = match (connected.is_empty(), presence.none_since) {
            (true, since) => Some(since.unwrap_or(now)),
            (false, _) => None,
        };
        presence.connected = connected;
    }

    /// Releases the removed workers that have drained, see [`Self::has_drained`].
    ///
    /// # Errors
    /// [`PoolsError::Store`].
    pub async fn settle(&self, now: Instant) -> Result<(), PoolsError> {
        let state = self.current();
        let draining = state.draining().filter(|(url, since)| self.has_drained(url, *since, now));
        let drained: Vec<_> = draining.map(|(url, since)| (url.clone(), since)).collect();
        let retained = state.retained.iter().map(|(url, retained)| (url, retained.since_generation));
        let retained = retained.filter(|(url, since)| self.has_drained(url, *since, now));
        let released: Vec<_> = retained.map(|(url, since)| (url.clone(), since)).collect();
        if drained.is_empty() && released.is_empty() {
            return Ok(());
        }
        let settle = |next: &mut PoolsState| {
            drained.iter().for_each(|(url, since_generation)| next.drained(url, *since_generation));
            released.iter().for_each(|(url, since_generation)| next.release(url, *since_generation));
            Ok::<_, PoolsError>(())
        };
        self.change(Who::SYSTEM, false, settle).await.map(drop)
    }

    /// Returns whether no request is left at a worker that has had no slots since a generation: every connected
    /// coordinator has the change and no request at the worker, or no coordinator has been connected for
    /// [`DISCONNECTED_GRACE`].
    #[must_use]
    pub fn has_drained(&self, url: &WorkerUrl, since_generation: u64, now: Instant) -> bool {
        let presence = self.presence();
        match presence.none_since {
            Some(since) => now.saturating_duration_since(since) >= self.disconnected_grace,
            None => presence
                .connected
                .iter()
                .all(|name| self.observations.has_drained(name, url, since_generation)),
        }
    }

    /// Returns all workers, with the figures that the coordinators last reported.
    #[must_use]
    pub fn overview(&self, now: Instant) -> Vec<WorkerOverview> {
        overview::rows(&self.current(), &self.observations.latest(now))
    }

    /// Returns the workers that have a heartbeat and do not drain.
    #[must_use]
    pub fn watched(&self) -> Vec<WatchedWorker> {
        self.current().watched()
    }

    /// Returns the workers that no longer have a heartbeat and are still down or starting because of their last one: they can get
    /// requests again.
    #[must_use]
    pub fn unwatched(&self) -> Vec<HealthChange> {
        self.current().unwatched()
    }

    /// Stores findings of the watchdog, for all control planes and for Envoy. A finding is dropped if the worker's health is no longer
    /// what the watchdog has seen, or if the worker has no heartbeat and the finding is other than [`crate::Health::Up`]. If none is
    /// left, nothing happens.
    ///
    /// # Errors
    /// [`PoolsError::Store`].
    pub async fn set_health(&self, changes: &[HealthChange]) -> Result<(), PoolsError> {
        let set = |next: &mut PoolsState| {
            changes.iter().for_each(|change| next.set_health(change));
            Ok::<_, PoolsError>(())
        };
        self.change(Who::SYSTEM, false, set).await.map(drop)
    }

    fn presence(&self) -> MutexGuard<'_, Presence> {
        self.presence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
