use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{SystemTime, UNIX_EPOCH},
};

use slotway_config::Pool;
use tokio::sync::watch;

use super::{documents::Stored, roster::Roster};
use crate::{
    error::Error,
    model::{Desired, ListenerSettings},
    store::{Batch, Store, StoreError, Who},
};

/// How often a change is tried where others are faster each time.
pub(super) const TRIES_MAX: usize = 32;

/// The roster in force, in memory and in the store.
pub(super) struct Book {
    pub(super) store: Arc<dyn Store>,
    /// One change at a time. Held while the store writes; whoever reads does not wait for it.
    changing: tokio::sync::Mutex<()>,
    roster: RwLock<Arc<Roster>>,
    pub(super) desired: watch::Sender<Arc<Desired>>,
}

impl Book {
    /// Brings the stored workers and those of the file together, and stores what that changes.
    pub(super) async fn open(
        store: Arc<dyn Store>,
        declared: &[Pool],
        listener: ListenerSettings,
    ) -> Result<Self, Error> {
        for _ in 0..TRIES_MAX {
            let stored = Stored::load(&*store).await?;
            let generation = next_generation(stored.generation);
            let mut roster = Roster::new(
                declared,
                listener.clone(),
                stored.records.clone(),
                stored.pools.clone(),
                generation,
            )?;
            let mut writes = stored.until(&roster)?;
            writes.extend(roster.settings_write(stored.settings.as_ref())?);
            (roster.revision, roster.generation_revision) = (stored.revision, stored.generation_revision);
            if stored.generation != 0 && writes.is_empty() {
                roster.generation = stored.generation;
            } else {
                writes.push(roster.generation_write()?);
                match store.commit(Batch { who: Who::CONFIG_FILE, writes }).await {
                    Ok(revision) => {
                        stored.stamp(&mut roster, revision);
                        (roster.revision, roster.generation_revision) = (revision, revision);
                    }
                    // Another control plane starts, too.
                    Err(StoreError::Conflict { .. }) => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            for record in roster.without_pool() {
                let (url, pool) = (&record.entry.worker.worker, &record.entry.pool);
                tracing::warn!(
                    "worker {url} was added over REST to pool {pool}, which is no longer there: it gets no requests"
                );
            }
            return Ok(Self {
                store,
                changing: tokio::sync::Mutex::new(()),
                desired: watch::Sender::new(Arc::new(roster.desired())),
                roster: RwLock::new(Arc::new(roster)),
            });
        }
        Err(Error::Busy)
    }

    pub(super) fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.roster.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes a change, under a new generation if it is something to Envoy, stores it, then puts it in force; returns what `make` does, and what is in force.
    /// Nothing happens where it changes nothing. Where another control plane is faster, it is made anew on what that one has left.
    pub(super) async fn change<R>(
        &self,
        who: Who,
        make: impl Fn(&mut Roster) -> Result<R, Error>,
    ) -> Result<(R, Arc<Roster>), Error> {
        let _one_at_a_time = self.changing.lock().await;
        for _ in 0..TRIES_MAX {
            let (roster, mut next, result) = self.tried(&make).await?;
            let mut writes = roster.until(&next)?;
            // To let go of what was held changes no document, but Envoy has to be told, and that is what a generation is.
            if writes.is_empty() && roster.held == next.held {
                return Ok((result, roster));
            }
            writes.push(next.generation_write()?);
            match self.store.commit(Batch { who: who.clone(), writes }).await {
                Ok(revision) => {
                    // What others committed in between was not about workers, since the generation was as expected.
                    roster.stamp(&mut next, revision);
                    (next.revision, next.generation_revision) = (revision, revision);
                    return Ok((result, self.put_in_force(next)));
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy)
    }

    /// Brings what a changed file says together with what is there, and stores what that changes, under a new generation.
    pub(super) async fn redeclare(
        &self,
        declared: &[Pool],
        listener: &ListenerSettings,
    ) -> Result<(), Error> {
        let _one_at_a_time = self.changing.lock().await;
        for _ in 0..TRIES_MAX {
            self.catch_up().await?;
            let roster = self.roster();
            let mut next =
                roster.redeclared(declared, listener.clone(), next_generation(roster.generation))?;
            let mut writes = roster.until(&next)?;
            if roster.listener != next.listener {
                writes.extend(next.settings_write(None)?);
            }
            if writes.is_empty() {
                return Ok(());
            }
            writes.push(next.generation_write()?);
            match self.store.commit(Batch { who: Who::CONFIG_FILE, writes }).await {
                Ok(revision) => {
                    roster.stamp(&mut next, revision);
                    (next.revision, next.generation_revision) = (revision, revision);
                    self.put_in_force(next);
                    return Ok(());
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy)
    }

    /// What would come of a change: all is looked at as if it were made, and nothing is.
    pub(super) async fn try_out<R>(
        &self,
        make: impl Fn(&mut Roster) -> Result<R, Error>,
    ) -> Result<(R, Arc<Roster>), Error> {
        let _one_at_a_time = self.changing.lock().await;
        let (_, next, result) = self.tried(&make).await?;
        Ok((result, Arc::new(next)))
    }

    /// What is in force, what a change makes of it, and what it returns. Only with `changing` held.
    async fn tried<R>(
        &self,
        make: impl Fn(&mut Roster) -> Result<R, Error>,
    ) -> Result<(Arc<Roster>, Roster, R), Error> {
        // Whoever asks for a change asks for it after all that others were told is done.
        self.catch_up().await?;
        let roster = self.roster();
        let (next, result) = roster.changed_by(next_generation(roster.generation), make)?;
        Ok((roster, next, result))
    }

    /// Takes in what others have committed.
    pub(super) async fn follow_up(&self) -> Result<(), Error> {
        let _one_at_a_time = self.changing.lock().await;
        self.catch_up().await
    }

    /// Only with `changing` held.
    async fn catch_up(&self) -> Result<(), Error> {
        loop {
            let roster = self.roster();
            let commits = match self.store.changes(roster.revision).await {
                Ok(commits) if commits.is_empty() => return Ok(()),
                Ok(commits) => commits,
                Err(StoreError::Forgotten { .. }) => return self.reload().await,
                Err(error) => return Err(error.into()),
            };
            let mut next = Roster::clone(&roster);
            for commit in commits {
                next.take_over(commit.revision, &commit.changes)?;
            }
            self.put_in_force(next);
        }
    }

    /// Reads everything anew, having missed more than the store remembers.
    async fn reload(&self) -> Result<(), Error> {
        let stored = Stored::load(&*self.store).await?;
        let mut next = Roster::clone(&self.roster());
        next.generation = stored.generation;
        next.generation_revision = stored.generation_revision;
        next.revision = stored.revision;
        next.pools = stored.pools;
        let gone: Vec<_> =
            next.records.keys().filter(|url| !stored.records.contains_key(*url)).cloned().collect();
        gone.iter().for_each(|url| next.replace(url, None));
        for (url, record) in stored.records {
            if next.records.get(&url) != Some(&record) {
                next.replace(&url, Some(record));
            }
        }
        self.put_in_force(next);
        Ok(())
    }

    fn put_in_force(&self, mut next: Roster) -> Arc<Roster> {
        next.release_returned();
        let desired = Arc::new(next.desired());
        let next = Arc::new(next);
        *self.roster.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&next);
        // A commit that was not about workers is nothing to Envoy.
        self.desired.send_if_modified(|before| {
            let differs = *before != desired;
            if differs {
                *before = desired;
            }
            differs
        });
        next
    }
}

/// The generation after `generation`. The clock has a part in it so that a lost database does not take it
/// back.
pub(super) fn next_generation(generation: u64) -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_us = u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX);
    now_us.max(generation.saturating_add(1))
}
