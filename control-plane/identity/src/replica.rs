//! Keeps the in-memory state up to date with the store, and changes both.

use std::{
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use slotway_store::{Batch, Store, StoreError, Who, Write};
use tokio::{sync::Mutex, time::Instant};

use crate::{
    error::IdentityError,
    state::{IdentityState, READ_KINDS},
};

/// Shortest time between two reads of the store that unknown names cause.
const CATCH_UP_INTERVAL_MIN: Duration = Duration::from_millis(50);
/// Attempts of a change that conflicts with changes of other control planes.
const ATTEMPTS_MAX: usize = 32;
/// Time until the next read after the store has failed.
const RETRY_DELAY: Duration = Duration::from_millis(250);

/// The state, and its connection to the store.
pub(crate) struct IdentityReplica {
    store: Arc<dyn Store>,
    state: RwLock<IdentityState>,
    /// The time of the last read of the store. Locked during a read.
    caught_up_at: Mutex<Instant>,
    /// Serializes the changes of this control plane.
    changing: Mutex<()>,
}

impl IdentityReplica {
    pub(crate) async fn open(store: Arc<dyn Store>) -> Result<Self, IdentityError> {
        let state = IdentityState::of(store.list(&READ_KINDS).await?)?;
        let caught_up_at = Mutex::new(Instant::now() - CATCH_UP_INTERVAL_MIN);
        Ok(Self { store, state: RwLock::new(state), caught_up_at, changing: Mutex::new(()) })
    }

    /// Locks the state for reading.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, IdentityState> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the state for a change that is in memory alone, such as a time of last use.
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, IdentityState> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies the commits until now, for a name that the state does not contain: another control plane may have created it a moment
    /// ago. Concurrent calls share one read of the store, at most one per [`CATCH_UP_INTERVAL_MIN`].
    pub(crate) async fn catch_up_throttled(&self) -> Result<(), IdentityError> {
        let called_at = Instant::now();
        let mut caught_up_at = self.caught_up_at.lock().await;
        if *caught_up_at > called_at {
            return Ok(());
        }
        tokio::time::sleep_until(*caught_up_at + CATCH_UP_INTERVAL_MIN).await;
        *caught_up_at = Instant::now();
        self.apply_commits().await
    }

    /// Applies the commits until now.
    async fn catch_up(&self) -> Result<(), IdentityError> {
        let mut caught_up_at = self.caught_up_at.lock().await;
        *caught_up_at = Instant::now();
        self.apply_commits().await
    }

    /// The caller holds the lock of `caught_up_at`.
    async fn apply_commits(&self) -> Result<(), IdentityError> {
        loop {
            let after = self.read().revision;
            match self.store.changes(after).await {
                Ok(commits) if commits.is_empty() => return Ok(()),
                Ok(commits) => {
                    let mut state = self.write();
                    commits.iter().try_for_each(|commit| state.apply(commit))?;
                }
                Err(StoreError::Forgotten { .. }) => {
                    let state = IdentityState::of(self.store.list(&READ_KINDS).await?)?;
                    *self.write() = state;
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Changes users and tokens on the basis of the store's present content. Calls `plan` again after a conflict with another control
    /// plane. A plan without writes changes nothing.
    ///
    /// # Errors
    /// The error of `plan`, [`IdentityError::Busy`], [`IdentityError::Store`].
    pub(crate) async fn change<R, E: From<IdentityError>>(
        &self,
        who: Who,
        plan: impl Fn(&IdentityState) -> Result<(Vec<Write>, R), E>,
    ) -> Result<R, E> {
        let _serialized = self.changing.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            self.catch_up().await?;
            let (mut writes, result, guard) = {
                let state = self.read();
                let (writes, result) = plan(&state)?;
                (writes, result, state.guard_write())
            };
            if writes.is_empty() {
                return Ok(result);
            }
            writes.push(guard);
            match self.commit(Batch { who: who.clone(), writes }).await {
                Ok(()) => return Ok(result),
                Err(IdentityError::Store(StoreError::Conflict { .. })) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(IdentityError::Busy.into())
    }

    /// Commits writes and applies them to the state.
    pub(crate) async fn commit(&self, batch: Batch) -> Result<(), IdentityError> {
        self.store.commit(batch).await?;
        // The commit is durable. If the store cannot be read now, `follow` applies it later.
        let _ = self.catch_up().await;
        Ok(())
    }

    /// Applies the changes of other control planes for as long as it is polled. While the store cannot be read, the present state stays
    /// in force.
    pub(crate) async fn follow(&self) {
        let mut watch = self.store.watch(self.read().revision);
        let mut is_failing = false;
        loop {
            let news = if is_failing { Ok(()) } else { watch.next().await.map(drop) };
            let caught_up = self.catch_up().await;
            if let (Err(error), false) = (&caught_up, is_failing) {
                tracing::warn!(%error, "changes of users and tokens by other control planes cannot be read");
            }
            is_failing = caught_up.is_err();
            if news.is_err() || is_failing {
                tokio::time::sleep(RETRY_DELAY).await;
                let after = self.read().revision;
                watch = self.store.watch(after);
            }
        }
    }
}
