//! A typed view of documents, in memory, that follows the store.
//!
//! A domain describes its view with [`Replicated`]. [`Replica`] loads the view, keeps it current and changes it.
//! Several control planes may share a store. If two of them change the same view concurrently, the store refuses one
//! with a conflict, and that control plane repeats its change on the newer state. For this, every change writes one
//! document and expects its last seen revision, see [`crate::Turn`].

use std::{sync::Arc, time::Duration};

use tokio::sync::{Mutex, OwnedMutexGuard, watch};
use tracing::Instrument;

use super::{Batch, Commit, Kind, Listing, Store, StoreError, Who, Write};

/// How many times a change is attempted before it fails with [`StoreError::Contended`].
const ATTEMPTS_MAX: usize = 32;
/// How long [`Replica::follow`] waits after a failure before it reads the store again.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// The state of a domain as documents of a store: a plain value without I/O.
///
/// A state may have parts that are not stored. [`Self::load`] and [`Self::apply`] do not change them.
pub trait Replicated: Clone + Send + Sync + 'static {
    /// The failures of the domain.
    type Error: From<StoreError> + Send;
    /// The part of the state that other components watch, see [`Replica::published`]. `()` if there is none.
    type Published: PartialEq + Send + Sync;

    /// Names the view in log lines.
    const NAME: &'static str;
    /// The kinds of the documents that the view reads.
    const KINDS: &'static [Kind];

    /// Returns the revision of the store that the state reflects.
    fn revision(&self) -> u64;

    /// Sets the revision of the store that the state reflects. The replica calls it after [`Self::load`] and [`Self::apply`].
    fn set_revision(&mut self, revision: u64);

    /// Replaces the stored part of the state with a listing of all [`Self::KINDS`].
    ///
    /// # Errors
    /// [`StoreError::Document`] for a document that cannot be read. The replica then discards the state.
    fn load(&mut self, listing: Listing) -> Result<(), StoreError>;

    /// Applies one commit. The commit may have documents of other kinds, and the state may already contain all or part
    /// of it: applying it twice must give the same state as applying it once.
    ///
    /// # Errors
    /// [`StoreError::Document`] for a document that cannot be read. The replica then discards the state.
    fn apply(&mut self, commit: &Commit) -> Result<(), StoreError>;

    /// Checks the rules of the whole state. Every change and every dry run is checked.
    ///
    /// # Errors
    /// The first rule that is broken.
    fn check(&self) -> Result<(), Self::Error>;

    /// Returns the writes that turn the stored part of this state into that of `next`; none if both are the same. If there is any, one
    /// of them is the write of the turn.
    ///
    /// # Errors
    /// A document that cannot be written.
    fn writes_to(&self, next: &Self) -> Result<Vec<Write>, Self::Error>;

    /// Records the revision of the commit that turned `before` into this state in each document that the commit wrote.
    fn stamp(&mut self, before: &Self, revision: u64);

    /// Returns the part of the state that other components watch.
    fn publish(&self) -> Self::Published;
}

/// A view that follows the store and can be changed. Clones share the view.
pub struct Replica<S: Replicated> {
    inner: Arc<Inner<S>>,
}

struct Inner<S: Replicated> {
    store: Arc<dyn Store>,
    /// Held by the change or the read in progress. Readers of the state do not need it.
    turn: Arc<Mutex<()>>,
    state: watch::Sender<Arc<S>>,
    published: watch::Sender<Arc<S::Published>>,
}

impl<S: Replicated> Clone for Replica<S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<S: Replicated> std::fmt::Debug for Replica<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica").field("view", &S::NAME).finish_non_exhaustive()
    }
}

impl<S: Replicated> Replica<S> {
    /// Loads the view into `empty`, a state that has only its parts that are not stored. Commits of other control
    /// planes arrive only with [`Self::follow`], [`Self::catch_up`] and changes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(store: Arc<dyn Store>, empty: S) -> Result<Self, StoreError> {
        let listing = store.list(S::KINDS).await?;
        let (revision, mut state) = (listing.revision, empty);
        state.load(listing)?;
        state.set_revision(revision);
        let published = watch::Sender::new(Arc::new(state.publish()));
        let state = watch::Sender::new(Arc::new(state));
        Ok(Self { inner: Arc::new(Inner { store, turn: Arc::default(), state, published }) })
    }

    /// Returns the store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// Returns the state in force.
    #[must_use]
    pub fn current(&self) -> Arc<S> {
        self.inner.state.borrow().clone()
    }

    /// Returns the state in force, now and after each change of it.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<S>> {
        self.inner.state.subscribe()
    }

    /// Returns the published part of the state, now and whenever it differs.
    #[must_use]
    pub fn published(&self) -> watch::Receiver<Arc<S::Published>> {
        self.inner.published.subscribe()
    }

    /// Changes the state and stores the change. Returns the result of `make` and the state in force after it.
    ///
    /// `make` gets the newest state, whichever control plane wrote it, and is called again on a newer state after a
    /// conflict. The changed state is checked, stored as one batch, and put in force. If `make` changes nothing,
    /// nothing is stored. If the caller drops the future, the change is made completely or not at all, both in the
    /// store and in memory.
    ///
    /// # Errors
    /// Those of `make` and of [`Replicated::check`]. [`StoreError::Contended`] after [`ATTEMPTS_MAX`] conflicts, and
    /// any other [`StoreError`].
    pub async fn change<R, E: From<S::Error>>(
        &self,
        who: Who,
        make: impl Fn(&mut S) -> Result<R, E>,
    ) -> Result<(R, Arc<S>), E> {
        let mut turn = Arc::clone(&self.inner.turn).lock_owned().await;
        for _ in 0..ATTEMPTS_MAX {
            self.inner.catch_up().await.map_err(S::Error::from)?;
            let Prepared { before, next, writes, result } = self.plan(&make)?;
            if writes.is_empty() {
                return Ok((result, before));
            }
            let committed;
            (turn, committed) =
                self.commit_change(turn, Batch { who: who.clone(), writes }, before, next).await;
            match committed {
                Ok(state) => return Ok((result, state)),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(S::Error::from(error).into()),
            }
        }
        Err(S::Error::from(StoreError::Contended).into())
    }

    /// Makes and checks a change without storing it. Returns the result of `make` and the state that the change would leave.
    ///
    /// # Errors
    /// As [`Self::change`].
    pub async fn try_out<R, E: From<S::Error>>(
        &self,
        make: impl Fn(&mut S) -> Result<R, E>,
    ) -> Result<(R, Arc<S>), E> {
        let prepared = self.prepare(make).await?;
        Ok((prepared.result, Arc::new(prepared.next)))
    }

    /// Makes and checks a change, and returns it with its writes, for a caller that commits them in one batch with the writes of other
    /// views. The batch gets a conflict if the view has changed meanwhile: the caller then prepares the change again, a bounded number
    /// of times. After the commit the caller calls [`Self::catch_up`].
    ///
    /// # Errors
    /// As [`Self::change`].
    pub async fn prepare<R, E: From<S::Error>>(
        &self,
        make: impl Fn(&mut S) -> Result<R, E>,
    ) -> Result<Prepared<S, R>, E> {
        self.catch_up().await.map_err(S::Error::from)?;
        self.plan(&make)
    }

    /// Commits writes without the turn, and applies them to the view. Use it only for documents on which no rule of the
    /// whole state depends: a concurrent [`Self::change`] does not notice them.
    ///
    /// # Errors
    /// [`StoreError`]. After [`StoreError::Unavailable`] the batch may have been committed as a whole.
    pub async fn commit(&self, batch: Batch) -> Result<Arc<S>, StoreError> {
        self.inner.store.commit(batch).await?;
        if let Err(error) = self.catch_up().await {
            tracing::debug!("{}: a commit was made and cannot be read yet: {error}", S::NAME);
        }
        Ok(self.current())
    }

    /// Changes the state in this process alone, without storing it. Use it for values that are stored later. A read or
    /// a change in progress may overwrite it.
    pub fn amend(&self, alter: impl FnOnce(&mut S)) {
        self.inner.state.send_if_modified(|state| {
            alter(Arc::make_mut(state));
            false
        });
    }

    /// Applies all commits so far, of this and of other control planes.
    ///
    /// # Errors
    /// [`StoreError`]. The state is then unchanged.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        let _turn = self.inner.turn.lock().await;
        self.inner.catch_up().await
    }

    /// Applies the commits of other control planes for as long as it is polled. While the store cannot be read, the
    /// state stays unchanged, and one warning is logged for each outage.
    pub async fn follow(&self) {
        let mut watch = self.inner.store.watch(self.current().revision());
        let mut failing = false;
        loop {
            // After a failure the store is read immediately: the watch may already have delivered the commit that could
            // not be read.
            let watched = if failing { Ok(()) } else { watch.next().await.map(drop) };
            let caught_up = self.catch_up().await;
            match (&caught_up, failing) {
                (Err(error), false) => {
                    tracing::warn!(
                        "{}: changes of other control planes cannot be read, the last known state stays in force: {error}",
                        S::NAME
                    );
                }
                (Ok(()), true) => {
                    tracing::info!("{}: changes of other control planes can be read again", S::NAME)
                }
                _ => {}
            }
            failing = caught_up.is_err();
            if watched.is_err() || failing {
                tokio::time::sleep(RETRY_AFTER).await;
                watch = self.inner.store.watch(self.current().revision());
            }
        }
    }

    fn plan<R, E: From<S::Error>>(
        &self,
        make: &impl Fn(&mut S) -> Result<R, E>,
    ) -> Result<Prepared<S, R>, E> {
        let before = self.current();
        let mut next = S::clone(&before);
        let result = make(&mut next)?;
        let writes = before.writes_to(&next)?;
        if !writes.is_empty() {
            next.check()?;
        }
        Ok(Prepared { before, next, writes, result })
    }

    /// Commits a change in a separate task, so that a caller that drops its future cannot leave a change in the store
    /// that is missing in memory. Releases the turn.
    async fn commit_change(
        &self,
        turn: OwnedMutexGuard<()>,
        batch: Batch,
        before: Arc<S>,
        next: S,
    ) -> (OwnedMutexGuard<()>, Result<Arc<S>, StoreError>) {
        let inner = Arc::clone(&self.inner);
        let commit = async move {
            let committed = match inner.store.commit(batch).await {
                Ok(revision) => Ok(inner.put_in_force(&before, next, revision).await),
                Err(error) => Err(error),
            };
            (turn, committed)
        };
        match tokio::spawn(commit.in_current_span()).await {
            Ok(committed) => committed,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime shuts down and has cancelled the task.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

/// A change that is made and checked, but not committed.
#[derive(Debug)]
pub struct Prepared<S, R> {
    /// The state that was changed.
    pub before: Arc<S>,
    /// The state that the change would leave.
    pub next: S,
    /// The writes that store the change, including the write of the turn; none if it changes nothing.
    pub writes: Vec<Write>,
    /// The result of the change.
    pub result: R,
}

impl<S: Replicated> Inner<S> {
    /// Reads all new commits of the store. Requires the turn.
    async fn catch_up(&self) -> Result<(), StoreError> {
        loop {
            let after = self.state.borrow().revision();
            match self.store.changes(after).await {
                Ok(commits) if commits.is_empty() => return Ok(()),
                Ok(commits) => self.take_over(&commits)?,
                Err(StoreError::Forgotten { .. }) => {
                    let listing = self.store.list(S::KINDS).await?;
                    let revision = listing.revision;
                    return self.alter(|state| {
                        state.load(listing)?;
                        state.set_revision(revision);
                        Ok(())
                    });
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn take_over(&self, commits: &[Commit]) -> Result<(), StoreError> {
        let concerns = |commit: &Commit| commit.changes.iter().any(|change| S::KINDS.contains(&change.kind));
        if commits.iter().any(concerns) {
            return self.alter(|state| {
                commits.iter().try_for_each(|commit| {
                    state.apply(commit)?;
                    state.set_revision(commit.revision);
                    Ok(())
                })
            });
        }
        if let Some(last) = commits.last() {
            self.state.send_if_modified(|state| {
                Arc::make_mut(state).set_revision(last.revision);
                false
            });
        }
        Ok(())
    }

    /// Puts the state that `alter` returns in force, unless `alter` fails.
    fn alter(&self, alter: impl FnOnce(&mut S) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let mut altered = Ok(());
        self.state.send_if_modified(|state| {
            let mut next = S::clone(state);
            altered = alter(&mut next);
            if altered.is_ok() {
                *state = Arc::new(next);
            }
            altered.is_ok()
        });
        if altered.is_ok() {
            self.publish();
        }
        altered
    }

    /// Puts a committed change in force.
    async fn put_in_force(&self, before: &S, mut next: S, revision: u64) -> Arc<S> {
        next.stamp(before, revision);
        // Between the state and its change there may be commits that did not take the turn, or of other kinds.
        let has_gap = revision != before.revision() + 1;
        if !has_gap {
            next.set_revision(revision);
        }
        self.state.send_replace(Arc::new(next));
        self.publish();
        if has_gap && let Err(error) = self.catch_up().await {
            // The next read applies the missing commits, and the change a second time.
            tracing::debug!("{}: a change was made and cannot be read yet: {error}", S::NAME);
        }
        self.state.borrow().clone()
    }

    fn publish(&self) {
        let state = self.state.borrow().clone();
        let newest = Arc::new(state.publish());
        self.published.send_if_modified(|published| {
            let differs = *published != newest;
            if differs {
                *published = newest;
            }
            differs
        });
    }
}
