use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::body::Bytes;
use prometheus_client::{metrics::gauge::Gauge, registry::Registry};
use slotway_api_types::SyncState;
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};

use super::{EventSources, changed, difference::SentFigures, frame, kinds::Kinds, outbox::Outbox};
use crate::{ApiError, coordinator_types::sync_state};
use slotway_store::{Commit, StoreError};

/// The largest number of listeners.
const LISTENERS_MAX: usize = 256;
/// The shortest interval of figures.
const FIGURES_EVERY: Duration = Duration::from_millis(250);
/// The longest interval of figures: a silent coordinator sends no notification.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The interval of comments.
const COMMENT_EVERY: Duration = Duration::from_secs(15);
/// The pause after a failed read of the store.
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// The listeners, and the followed revision of the store.
#[derive(Debug, Default)]
pub struct Hub {
    inner: Mutex<Inner>,
    /// Notified for a new listener, which has no figures yet.
    newcomers: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    is_running: bool,
    /// The last sent revision.
    revision: u64,
    next: u64,
    listeners: BTreeMap<u64, Subscriber>,
}

#[derive(Debug)]
struct Subscriber {
    outbox: Arc<Outbox>,
    kinds: Kinds,
    /// Events up to this revision are sent, or are read from the store for this listener.
    after: u64,
    has_figures: bool,
}

/// A listener; dropping it unsubscribes.
#[derive(Debug)]
pub(super) struct Listener {
    hub: Arc<Hub>,
    number: u64,
    pub(super) outbox: Arc<Outbox>,
    pub(super) kinds: Kinds,
    /// The last revision that it received, if stated.
    pub(super) after: Option<u64>,
    /// Its outbox has all events after this revision.
    pub(super) joined_at: u64,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.hub.lock().listeners.remove(&self.number);
    }
}

/// Ends all listeners when the hub stops for any reason.
struct Running<'a>(&'a Hub);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.is_running = false;
        inner.listeners.values().for_each(|subscriber| subscriber.outbox.end());
        inner.listeners.clear();
    }
}

impl Hub {
    /// Returns the number of listeners.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.lock().listeners.len()
    }

    /// Registers the current metrics of listeners.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let listeners = Gauge::<i64>::default();
        listeners.set(i64::try_from(self.listeners()).unwrap_or(i64::MAX));
        registry.register("event_listeners", "Clients that listen to events", listeners);
    }

    /// Subscribes a listener that has received everything up to `after`.
    ///
    /// # Errors
    /// [`ApiError::NoEvents`] at the limit of listeners, or during the shutdown.
    pub(super) fn subscribe(
        self: &Arc<Self>,
        kinds: Kinds,
        after: Option<u64>,
    ) -> Result<Listener, ApiError> {
        let mut inner = self.lock();
        if !inner.is_running {
            return Err(ApiError::NoEvents(
                "this control plane is stopping, or not ready yet. Use another one, or retry later",
            ));
        }
        if inner.listeners.len() >= LISTENERS_MAX {
            return Err(ApiError::NoEvents("the limit of 256 listeners is reached. Retry later"));
        }
        let (number, joined_at) = (inner.next, inner.revision);
        inner.next += 1;
        let outbox = Arc::<Outbox>::default();
        let subscriber = Subscriber {
            outbox: Arc::clone(&outbox),
            kinds,
            after: after.unwrap_or(joined_at).max(joined_at),
            has_figures: false,
        };
        inner.listeners.insert(number, subscriber);
        drop(inner);
        self.newcomers.notify_one();
        Ok(Listener { hub: Arc::clone(self), number, outbox, kinds, after, joined_at })
    }

    /// Sends changes to the listeners until it is dropped.
    ///
    /// # Errors
    /// None: failures are retried.
    pub async fn run(&self, sources: EventSources) -> Result<(), ApiError> {
        let _running = self.start(sources.workers.current().revision());
        tokio::join!(self.follow_store(&sources), self.follow_status(&sources));
        Ok(())
    }

    /// Sends the events of each commit.
    async fn follow_store(&self, sources: &EventSources) {
        let mut watch = sources.store.watch(self.lock().revision);
        loop {
            match watch.next().await {
                Ok(commit) => self.tell(sources, commit).await,
                Err(StoreError::Forgotten { .. }) => watch = self.begin_anew(sources).await,
                Err(error) => {
                    tracing::debug!("the store cannot be followed: {error}");
                    sleep(AGAIN_AFTER).await;
                }
            }
        }
    }

    /// Sends differences of figures and coordinators, and comments as keep-alives.
    async fn follow_status(&self, sources: &EventSources) {
        let (mut reports, mut coordinators) =
            (sources.reports.changes(), sources.coordinators.nodes().changes());
        let mut desired = sources.workers.desired();
        let mut told = SentFigures::default();
        let mut look = every(LOOK_EVERY);
        let mut comments = every(COMMENT_EVERY);
        let mut figures_at = Instant::now();
        let mut differs = true;
        loop {
            tokio::select! {
                // The senders live as long as the sources.
                _ = reports.changed() => differs = true,
                _ = coordinators.changed() => differs = true,
                _ = desired.changed() => differs = true,
                () = self.newcomers.notified() => differs = true,
                _ = look.tick() => differs = true,
                _ = comments.tick() => self.send(|inner| frame::comment(inner.revision)),
                () = sleep_until(figures_at), if differs => {
                    differs = false;
                    figures_at = Instant::now() + FIGURES_EVERY;
                    self.tell_figures(sources, &mut told);
                }
            }
        }
    }

    fn start(&self, revision: u64) -> Running<'_> {
        let mut inner = self.lock();
        inner.is_running = true;
        inner.revision = revision;
        Running(self)
    }

    /// Sends a commit. It counts as sent only afterwards, so that a new listener does not miss it.
    async fn tell(&self, sources: &EventSources, commit: Commit) {
        if !self.passes_over(commit.revision) {
            let events = events_of(sources, &commit).await;
            self.deliver(commit.revision, events.as_deref());
        }
    }

    /// Advances to a revision without listeners.
    fn passes_over(&self, revision: u64) -> bool {
        let mut inner = self.lock();
        let is_empty = inner.listeners.is_empty();
        if is_empty {
            inner.revision = revision;
        }
        is_empty
    }

    /// Sends the events of a revision, or `resync` if there are too many.
    fn deliver(&self, revision: u64, events: Option<&[changed::Changed]>) {
        let mut inner = self.lock();
        inner.revision = revision;
        let mut pieces: HashMap<Kinds, Option<Bytes>> = HashMap::new();
        for subscriber in inner.listeners.values().filter(|subscriber| subscriber.after < revision) {
            let piece = match events {
                Some(events) => pieces
                    .entry(subscriber.kinds)
                    .or_insert_with(|| changed::piece(events, subscriber.kinds))
                    .clone(),
                None => Some(frame::resync(revision)),
            };
            if let Some(piece) = piece {
                subscriber.outbox.push(piece);
            }
        }
        inner.listeners.retain(|_, subscriber| !subscriber.outbox.is_closed());
    }

    /// Restarts after more commits than the store keeps.
    async fn begin_anew(&self, sources: &EventSources) -> slotway_store::Watch {
        let revision = loop {
            match sources.store.list(&[]).await {
                Ok(listing) => break listing.revision,
                Err(error) => tracing::debug!("the store cannot be read: {error}"),
            }
            sleep(AGAIN_AFTER).await;
        };
        self.lock().revision = revision;
        self.send(|_| frame::resync(revision));
        sources.store.watch(revision)
    }

    /// Sends differences of figures and coordinators; new listeners receive all of them.
    fn tell_figures(&self, sources: &EventSources, told: &mut SentFigures) {
        let wanted =
            self.lock().listeners.values().fold(Kinds::NONE, |all, subscriber| all.and(subscriber.kinds));
        if wanted == Kinds::NONE {
            // The next listener receives everything anyway.
            *told = SentFigures::default();
            return;
        }
        let view = sources.workers.view(std::time::Instant::now());
        let differing = told.figures(&view, wanted);
        let coordinators =
            if wanted.has(Kinds::COORDINATOR) { told.coordinators(states(sources)) } else { Vec::new() };
        let newcomers = self.lock().listeners.values().any(|subscriber| !subscriber.has_figures);
        // New listeners receive everything.
        let whole = newcomers.then(|| {
            let mut nothing = SentFigures::default();
            (nothing.figures(&view, wanted), nothing.coordinators(states(sources)))
        });
        let mut pieces: HashMap<(Kinds, bool), Bytes> = HashMap::new();
        let mut inner = self.lock();
        for subscriber in inner.listeners.values_mut() {
            let is_new = !subscriber.has_figures;
            let (figures, coordinators) = match &whole {
                Some((figures, coordinators)) if is_new => (figures, coordinators),
                // It has subscribed meanwhile, and is served next time.
                None if is_new => continue,
                _ => (&differing, &coordinators),
            };
            subscriber.has_figures = true;
            let piece = pieces.entry((subscriber.kinds, is_new)).or_insert_with(|| {
                let mut text = String::new();
                let own = figures.only(subscriber.kinds);
                let wants_figures = subscriber.kinds.has_one_of(Kinds::POOL.and(Kinds::WORKER));
                if wants_figures && (is_new || !own.is_empty()) {
                    text.push_str(&frame::event("figures", None, &own));
                }
                if subscriber.kinds.has(Kinds::COORDINATOR) && (is_new || !coordinators.is_empty()) {
                    text.push_str(&frame::event("coordinators", None, coordinators));
                }
                Bytes::from(text)
            });
            if !piece.is_empty() {
                subscriber.outbox.push(piece.clone());
            }
        }
        inner.listeners.retain(|_, subscriber| !subscriber.outbox.is_closed());
    }

    /// Sends the same text to all listeners.
    fn send(&self, piece: impl Fn(&Inner) -> Bytes) {
        let mut inner = self.lock();
        let piece = piece(&inner);
        inner.listeners.values().for_each(|subscriber| subscriber.outbox.push(piece.clone()));
        inner.listeners.retain(|_, subscriber| !subscriber.outbox.is_closed());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the events of a commit; none if there are too many.
async fn events_of(sources: &EventSources, commit: &Commit) -> Option<Vec<changed::Changed>> {
    loop {
        match changed::of(sources, std::slice::from_ref(commit)).await {
            Ok(events) => return Some(events),
            Err(ApiError::Store(StoreError::Forgotten { .. })) => return None,
            Err(error) => {
                tracing::debug!("what was changed cannot be read: {error}");
                sleep(AGAIN_AFTER).await;
            }
        }
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
/// Returns the state of each coordinator, by name.
fn states(sources: &EventSources) -> BTreeMap<String, SyncState> {
    let states = sources.coordinators.nodes().states();
    states.into_iter().map(|(node, state)| (node, sync_state(state))).collect()
}
