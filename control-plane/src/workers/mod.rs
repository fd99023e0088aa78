//! The workers: who there is, who changed it, and what Envoy shall have because of it.
//!
//! Workers come from two sides, the configuration file and REST, and the newer word counts:
//!
//! * A worker of the file is declared at every start. What REST changed since stays changed: its capacity,
//!   and that it was removed.
//! * Once the file's entry for a worker changes (also: appears, or goes), that is the newer word. It takes
//!   effect at the next start, over whatever REST said before. A worker that the file moves to another pool
//!   drains from the old one first.
//! * A worker that only REST named stays until REST removes it.
//!
//! Pools and policies are the same: the file's word counts where it is newer than REST's, for a pool's match, its policy and the
//! order of the file's pools, each for itself ([`pools`]).
//!
//! To tell an edited entry from one that says what it always said, the store keeps what the file last
//! declared.
//!
//! A worker that is cordoned, or does not answer its heartbeat, gets no requests and stays. One that REST or the file puts into another
//! pool drains from the old one first.
//!
//! A removed worker leaves its pool at once, but its cluster stays in Envoy while requests are under way:
//! until every connected coordinator has reported that it has the change and no request there
//! ([`Workers::settle`]).
//!
//! Several control planes may share a store. Each changes it only as long as nobody else has since it last looked, and
//! follows what the others change ([`Workers::follow`]).

mod book;
mod condition;
mod cordon;
mod documents;
mod figures;
mod file_word;
mod follow;
mod health;
mod heartbeat;
mod heartbeats;
mod held;
mod labels;
mod metrics;
mod overview;
mod pool_record;
mod pools;
mod put_pool;
mod put_worker;
mod record;
mod restored;
mod roster;
mod status;
mod upsert;
mod visibility;
mod watched;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::Deserialize;
use slotway_config::{Capacity, Pool, PoolName, Protocol, WorkerTls, WorkerUrl};
use tokio::sync::watch;
use tracing::Instrument;

use crate::{
    coordinators::Reports,
    error::Error,
    model::{Desired, ListenerSettings},
    store::{Store, Who},
};
use book::Book;
pub use condition::WorkerCondition;
pub use cordon::Cordon;
pub(crate) use documents::GENERATION;
pub use health::Health;
pub(crate) use health::{FIRST_STEP, is_last_step, step_takes};
pub use heartbeat::Heartbeat;
pub use heartbeats::{HeartbeatStatus, Heartbeats};
pub use labels::{Labels, Notes};
pub use overview::{WorkerRow, WorkerStanding};
pub use put_pool::PoolSpec;
pub use put_worker::WorkerSpec;
pub(crate) use put_worker::{Act, WantedWorker};
pub(crate) use record::{Standing, WorkerRecord};
pub(crate) use restored::restored;
pub(crate) use roster::{Breach, BreachOf, Roster};
pub(crate) use status::View;
pub use status::{PoolStatus, WorkerStatus};
pub use visibility::is_visible_document;
pub use watched::{HealthChange, WatchedWorker};

/// How long nobody may be connected before a removed worker counts as drained: longer than an Envoy takes to
/// connect again.
pub const NOBODY_GRACE: Duration = Duration::from_secs(60);

/// One entry of `POST /coordinator/workers`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerEntry {
    /// The base URL.
    pub worker: WorkerUrl,
    /// How many requests it may have at once.
    pub capacity: Capacity,
    /// Its pool; if absent the one that it is in, for a new worker the first pool of the file.
    #[serde(default)]
    pub pool: Option<PoolName>,
    /// The protocol towards it; if absent as it was, for a new worker HTTP/1.1.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// How its certificate is checked; if absent as it was.
    #[serde(default)]
    pub tls: Option<WorkerTls>,
}

/// What became of a worker that was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It has requests under way, or may have.
    Draining,
    /// It is gone.
    Removed,
}

/// The workers that are known, kept in the store, and what Envoy shall have, on a watch channel.
pub struct Workers {
    book: Arc<Book>,
    reports: Arc<Reports>,
    heartbeats: Heartbeats,
    presence: Mutex<Presence>,
    nobody_grace: Duration,
}

/// Which coordinators are connected.
struct Presence {
    connected: Vec<String>,
    nobody_since: Option<Instant>,
}

impl Workers {
    /// Loads the stored workers and brings them together with those that the file declares. Where nothing has
    /// changed since the last start, the generation stays, and so does everything in Envoy.
    ///
    /// Others on the same store are heard of only while [`Workers::follow`] runs.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Roster`].
    pub async fn open(
        store: Arc<dyn Store>,
        reports: Arc<Reports>,
        declared: &[Pool],
        listener: ListenerSettings,
        nobody_grace: Duration,
    ) -> Result<Self, Error> {
        let book = Book::open(store, declared, listener).await?;
        let presence = Presence { connected: Vec::new(), nobody_since: Some(Instant::now()) };
        let (book, presence, heartbeats) = (Arc::new(book), Mutex::new(presence), Heartbeats::default());
        Ok(Self { book, reports, heartbeats, presence, nobody_grace })
    }

    /// What Envoy shall have, now and after each change.
    #[must_use]
    pub fn desired(&self) -> watch::Receiver<Arc<Desired>> {
        self.book.desired.subscribe()
    }

    /// Brings what a changed file declares together with what is there, as [`Workers::open`] does at a start. Nothing is changed where both
    /// together break a rule.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Roster`], [`Error::Busy`].
    pub async fn redeclare(&self, declared: &[Pool], listener: ListenerSettings) -> Result<(), Error> {
        let (book, declared) = (Arc::clone(&self.book), declared.to_vec());
        let task = tokio::spawn(async move { book.redeclare(&declared, &listener).await });
        task.await.map_err(|error| Error::System { doing: "making a change", reason: error.to_string() })?
    }

    /// How the workers' heartbeats went.
    #[must_use]
    pub fn heartbeats(&self) -> &Heartbeats {
        &self.heartbeats
    }

    /// The store's revision that is in force here.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.book.roster().revision
    }

    /// Waits until what stands in the store at this revision is in force here, too.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn caught_up(&self, revision: u64) -> Result<(), Error> {
        if self.revision() >= revision { Ok(()) } else { self.book.follow_up().await }
    }

    /// Adds the workers, or changes those that are there: all of them, or none. One that drains takes
    /// requests again.
    ///
    /// # Errors
    /// [`Error::BadBody`], [`Error::Conflict`], [`Error::Store`].
    pub async fn upsert(&self, who: Who, entries: Vec<WorkerEntry>) -> Result<(), Error> {
        self.change(who, move |next| next.upsert(&entries)).await.map(drop)
    }

    /// Takes a worker out of its pool. It gets no further requests; those under way end as they would.
    ///
    /// # Errors
    /// [`Error::UnknownWorker`], [`Error::Store`].
    pub async fn remove(&self, who: Who, url: &WorkerUrl) -> Result<Removal, Error> {
        let removed = url.clone();
        self.change(who, move |next| next.remove(&removed)).await?;
        self.settle(Instant::now()).await?;
        let roster = self.book.roster();
        let draining = roster.held.contains_key(url) || roster.draining().any(|(other, _)| other == url);
        Ok(if draining { Removal::Draining } else { Removal::Removed })
    }

    /// Says which coordinators are connected, so that a drain waits for each of them.
    pub fn set_connected(&self, connected: Vec<String>, now: Instant) {
        let mut presence = self.presence();
        presence.nobody_since = match (connected.is_empty(), presence.nobody_since) {
            (true, since) => Some(since.unwrap_or(now)),
            (false, _) => None,
        };
        presence.connected = connected;
    }

    /// Lets go of the removed workers that have drained: every connected coordinator has the change and no
    /// request of the worker's, or nobody has been connected for a while.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn settle(&self, now: Instant) -> Result<(), Error> {
        let roster = self.book.roster();
        let draining = roster.draining().filter(|(url, since)| self.has_drained(url, *since, now));
        let over: Vec<_> = draining.map(|(url, since)| (url.clone(), since)).collect();
        let held = roster.held.iter().map(|(url, held)| (url, held.since_generation));
        let held = held.filter(|(url, since)| self.has_drained(url, *since, now));
        let let_go: Vec<_> = held.map(|(url, since)| (url.clone(), since)).collect();
        if over.is_empty() && let_go.is_empty() {
            return Ok(());
        }
        let drained = move |next: &mut Roster| {
            over.iter().for_each(|(url, since_generation)| next.drained(url, *since_generation));
            let_go.iter().for_each(|(url, since_generation)| next.let_go(url, *since_generation));
            Ok(())
        };
        self.change(Who::SYSTEM, drained).await.map(drop)
    }

    /// Whether no request is left at a worker that has been without slots since a generation: every connected coordinator has
    /// the change and no request of the worker's, or nobody has been connected for a while.
    pub(crate) fn has_drained(&self, url: &WorkerUrl, since_generation: u64, now: Instant) -> bool {
        let presence = self.presence();
        match presence.nobody_since {
            Some(since) => now.saturating_duration_since(since) >= self.nobody_grace,
            None => presence.connected.iter().all(|name| self.reports.drained(name, url, since_generation)),
        }
    }

    /// Makes a change, or tries it out: all is looked at as if it were made, and nothing is. Returns what `make` does, and what is in
    /// force after it.
    ///
    /// # Errors
    /// What `make` says, [`Error::Busy`], [`Error::Store`].
    pub(crate) async fn revise<R: Send + 'static>(
        &self,
        who: Who,
        is_dry: bool,
        make: impl Fn(&mut Roster) -> Result<R, Error> + Send + Sync + 'static,
    ) -> Result<(R, Arc<Roster>), Error> {
        if is_dry { self.book.try_out(make).await } else { self.change(who, make).await }
    }

    /// All workers, with the figures that the coordinators last reported.
    #[must_use]
    pub fn overview(&self, now: Instant) -> Vec<WorkerRow> {
        overview::rows(&self.book.roster(), &self.reports.latest(now))
    }

    fn presence(&self) -> MutexGuard<'_, Presence> {
        self.presence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change in a task of its own: a caller that goes away half-way (its client did) must not leave
    /// the store with a change that memory lacks.
    async fn change<R: Send + 'static>(
        &self,
        who: Who,
        make: impl Fn(&mut Roster) -> Result<R, Error> + Send + Sync + 'static,
    ) -> Result<(R, Arc<Roster>), Error> {
        let book = Arc::clone(&self.book);
        let task = tokio::spawn(async move { book.change(who, make).await }.in_current_span());
        task.await.map_err(|error| Error::System { doing: "making a change", reason: error.to_string() })?
    }
}

#[cfg(test)]
mod tests;
