//! The guarantees of a replica, on each database.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use slotway_store::{
    AuditQuery, AuditRow, Batch, Commit, Document, Documents, Expected, Kind, Listing, Replica, Replicated,
    Store, StoreError, StoreFuture, Trouble, Turn, Watch, Who, Write,
};
use slotway_test_contended_store::ContendedStore;
use tokio::sync::{Notify, RwLock, watch};

use crate::fixture::{Fixture, SETTINGS, WITHIN, WORKER, commit, until};

/// The maximum sum of all numbers.
const SUM_MAX: u64 = 1_000;

#[derive(Debug, thiserror::Error)]
enum NumbersError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the sum {0} is too large")]
    TooLarge(u64),
}

/// Numbers by name, with a bounded sum. `local` is not stored.
#[derive(Debug, Clone)]
struct Numbers {
    revision: u64,
    turn: Turn,
    numbers: Documents<u64>,
    local: u64,
}

impl Numbers {
    fn empty() -> Self {
        Self { revision: 0, turn: Turn::new("numbers"), numbers: Documents::new(WORKER), local: 0 }
    }

    fn get(&self, name: &str) -> u64 {
        self.numbers.get(name).map_or(0, |number| number.value)
    }

    fn add(&mut self, name: &str, by: u64) -> u64 {
        let sum = self.get(name) + by;
        self.numbers.set(name, sum);
        sum
    }

    fn sum(&self) -> u64 {
        self.numbers.iter().map(|(_, number)| number.value).sum()
    }

    fn take_over(
        &mut self,
        kind: Kind,
        key: &str,
        revision: u64,
        value: Option<&str>,
    ) -> Result<(), StoreError> {
        if !self.turn.take_over(kind, key, revision, value) {
            self.numbers.take_over(kind, key, revision, value)?;
        }
        Ok(())
    }
}

impl Replicated for Numbers {
    type Error = NumbersError;
    type Published = u64;

    const NAME: &'static str = "numbers";
    const KINDS: &'static [Kind] = &[WORKER, Kind::FACT];

    fn revision(&self) -> u64 {
        self.revision
    }

    fn set_revision(&mut self, revision: u64) {
        self.revision = revision;
    }

    fn load(&mut self, listing: Listing) -> Result<(), StoreError> {
        *self = Self { local: self.local, ..Self::empty() };
        for Document { kind, key, revision, value } in listing.documents {
            self.take_over(kind, &key, revision, Some(&value))?;
        }
        Ok(())
    }

    fn apply(&mut self, commit: &Commit) -> Result<(), StoreError> {
        commit.changes.iter().try_for_each(|change| {
            self.take_over(change.kind, &change.key, commit.revision, change.value.as_deref())
        })
    }

    fn check(&self) -> Result<(), NumbersError> {
        if self.sum() <= SUM_MAX { Ok(()) } else { Err(NumbersError::TooLarge(self.sum())) }
    }

    fn writes_to(&self, next: &Self) -> Result<Vec<Write>, NumbersError> {
        let mut writes = self.numbers.writes_to(&next.numbers)?;
        if !writes.is_empty() {
            writes.push(self.turn.write());
        }
        Ok(writes)
    }

    fn stamp(&mut self, before: &Self, revision: u64) {
        self.turn.stamp(revision);
        self.numbers.stamp(&before.numbers, revision);
    }

    fn publish(&self) -> u64 {
        self.sum()
    }
}

async fn numbers(store: &Arc<dyn Store>) -> Replica<Numbers> {
    Replica::open(Arc::clone(store), Numbers::empty()).await.unwrap()
}

async fn add(replica: &Replica<Numbers>, name: &str, by: u64) -> Result<u64, NumbersError> {
    let (sum, state) =
        replica.change(Who::SYSTEM, |numbers| Ok::<_, NumbersError>(numbers.add(name, by))).await?;
    assert_eq!(state.get(name), sum, "the state after the change contains the change");
    Ok(sum)
}

/// A store whose reads can be made to fail, and whose commits can be delayed.
struct Faulty {
    store: Arc<dyn Store>,
    is_down: AtomicBool,
    /// Held while changes are read.
    reading: RwLock<()>,
    forgets: AtomicBool,
    /// Whether a commit waits for `go_on` after it has been counted.
    holds_commits: AtomicBool,
    commits_held: AtomicUsize,
    go_on: Notify,
}

impl Faulty {
    fn over(store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            store,
            is_down: AtomicBool::default(),
            reading: RwLock::default(),
            forgets: AtomicBool::default(),
            holds_commits: AtomicBool::default(),
            commits_held: AtomicUsize::default(),
            go_on: Notify::new(),
        })
    }

    /// From now on changes cannot be read. Waits for the reads under way: they could see what is committed next.
    async fn goes_down(&self) {
        let _reads_ended = self.reading.write().await;
        self.is_down.store(true, Ordering::Relaxed);
    }

    fn fault(&self, after: u64) -> Result<(), StoreError> {
        if self.is_down.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable { place: "here".to_owned(), reason: "a test".to_owned() });
        }
        if self.forgets.swap(false, Ordering::Relaxed) {
            return Err(StoreError::Forgotten { after });
        }
        Ok(())
    }
}

impl Store for Faulty {
    fn get<'a>(&'a self, kind: Kind, key: &'a str) -> StoreFuture<'a, Option<Document>> {
        self.store.get(kind, key)
    }

    fn list<'a>(&'a self, kinds: &'a [Kind]) -> StoreFuture<'a, Listing> {
        self.store.list(kinds)
    }

    fn commit(&self, batch: Batch) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            if self.holds_commits.load(Ordering::Relaxed) {
                self.commits_held.fetch_add(1, Ordering::Relaxed);
                self.go_on.notified().await;
            }
            self.store.commit(batch).await
        })
    }

    fn changes(&self, after: u64) -> StoreFuture<'_, Vec<Commit>> {
        Box::pin(async move {
            let _reading = self.reading.read().await;
            self.fault(after)?;
            self.store.changes(after).await
        })
    }

    fn watch(&self, after: u64) -> Watch {
        self.store.watch(after)
    }

    fn audit<'a>(&'a self, query: &'a AuditQuery) -> StoreFuture<'a, Vec<AuditRow>> {
        self.store.audit(query)
    }

    fn trouble(&self) -> watch::Receiver<Option<Trouble>> {
        self.store.trouble()
    }
}

pub(crate) async fn concurrent_changes_of_two_replicas_lose_none(fixture: &Fixture) {
    let store = fixture.open().await;
    let replicas = [numbers(&store).await, numbers(&store).await];
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..20 {
        let replica = replicas[number % 2].clone();
        tasks.spawn(async move { add(&replica, "a", 1).await.unwrap() });
    }
    let mut sums = tasks.join_all().await;
    sums.sort_unstable();
    assert_eq!(sums, (1..=20).collect::<Vec<_>>());
    for replica in &replicas {
        replica.catch_up().await.unwrap();
        assert_eq!(replica.current().get("a"), 20);
    }
}

pub(crate) async fn a_change_retries_a_bounded_number_of_conflicts(fixture: &Fixture) {
    let store = ContendedStore::new(fixture.open().await);
    let behind: Arc<dyn Store> = store.clone();
    let replica = numbers(&behind).await;
    store.others_win(31);
    assert_eq!(add(&replica, "a", 1).await.unwrap(), 1);
    assert_eq!(store.left(), 0);

    let before = replica.current().revision;
    store.others_win(100);
    let refused = add(&replica, "a", 1).await.unwrap_err();
    assert!(matches!(refused, NumbersError::Store(StoreError::Contended)), "{refused}");
    assert_eq!(store.left(), 100 - 32);
    store.others_win(0);
    replica.catch_up().await.unwrap();
    assert_eq!(replica.current().get("a"), 1);
    assert!(replica.current().revision > before);
}

pub(crate) async fn the_whole_state_is_checked_at_every_change(fixture: &Fixture) {
    let store = fixture.open().await;
    let replica = numbers(&store).await;
    add(&replica, "a", SUM_MAX - 1).await.unwrap();
    let before = replica.current();
    let refused = add(&replica, "b", 2).await.unwrap_err();
    assert!(matches!(refused, NumbersError::TooLarge(sum) if sum == SUM_MAX + 1), "{refused}");
    let tried = replica.try_out(|numbers| Ok::<_, NumbersError>(numbers.add("b", 2))).await;
    assert!(matches!(tried, Err(NumbersError::TooLarge(_))));
    let (sum, would_be) =
        replica.try_out(|numbers| Ok::<_, NumbersError>(numbers.add("b", 1))).await.unwrap();
    assert_eq!((sum, would_be.get("b")), (1, 1));
    assert!(Arc::ptr_eq(&before, &replica.current()), "the state is unchanged");
    assert_eq!(store.list(Numbers::KINDS).await.unwrap().revision, before.revision);
}

pub(crate) async fn a_change_that_changes_nothing_stores_nothing(fixture: &Fixture) {
    let store = fixture.open().await;
    let replica = numbers(&store).await;
    add(&replica, "a", 1).await.unwrap();
    let (before, watched) = (replica.current(), replica.subscribe());
    add(&replica, "a", 0).await.unwrap();
    assert!(Arc::ptr_eq(&before, &replica.current()));
    assert!(!watched.has_changed().unwrap());
    assert_eq!(store.list(Numbers::KINDS).await.unwrap().revision, before.revision);
}

pub(crate) async fn documents_have_the_revision_of_the_change_that_wrote_them(fixture: &Fixture) {
    let store = fixture.open().await;
    let (one, other) = (numbers(&store).await, numbers(&store).await);
    add(&one, "a", 1).await.unwrap();
    // Creates a gap between the state and its next change.
    commit(&*store, vec![Write::put(SETTINGS, "file", "{}", Expected::Anything)]).await;
    add(&one, "b", 1).await.unwrap();
    other.catch_up().await.unwrap();
    let revisions = |replica: &Replica<Numbers>| {
        let state = replica.current();
        let stored = state.numbers.iter().map(|(name, number)| (name.to_owned(), number.revision));
        (state.revision, stored.collect::<Vec<_>>())
    };
    let documents = store.list(&[WORKER]).await.unwrap();
    let stored = documents.documents.iter().map(|document| (document.key.clone(), document.revision));
    assert_eq!(revisions(&one), (documents.revision, stored.collect()));
    assert_eq!(revisions(&one), revisions(&other));
}

pub(crate) async fn a_change_keeps_commits_that_did_not_take_the_turn(fixture: &Fixture) {
    let store = Faulty::over(fixture.open().await);
    let behind: Arc<dyn Store> = store.clone();
    let replica = numbers(&behind).await;
    store.holds_commits.store(true, Ordering::Relaxed);
    let changing = tokio::spawn({
        let replica = replica.clone();
        async move { add(&replica, "a", 1).await.unwrap() }
    });
    until("the commit", async || (store.commits_held.load(Ordering::Relaxed) == 1).then_some(())).await;
    let direct = Write::put(WORKER, "direct", "7", Expected::Anything);
    commit(&*store.store, vec![direct]).await;
    store.go_on.notify_one();
    changing.await.unwrap();
    let state = replica.current();
    assert_eq!((state.get("a"), state.get("direct")), (1, 7));
    store.holds_commits.store(false, Ordering::Relaxed);
    let write = Write::put(WORKER, "direct", "8", Expected::Anything);
    let state = replica.commit(Batch { who: Who::SYSTEM, writes: vec![write] }).await.unwrap();
    assert_eq!((state.get("a"), state.get("direct")), (1, 8));
}

pub(crate) async fn changes_of_two_views_are_committed_together_or_not_at_all(fixture: &Fixture) {
    let store = fixture.open().await;
    let (one, other) = (numbers(&store).await, numbers(&store).await);
    let prepared = one.prepare(|numbers| Ok::<_, NumbersError>(numbers.add("a", 1))).await.unwrap();
    assert_eq!((prepared.before.get("a"), prepared.next.get("a"), prepared.result), (0, 1, 1));
    let batch = || {
        let own = Write::put(SETTINGS, "file", "{}", Expected::Anything);
        let writes = prepared.writes.iter().cloned().chain([own]).collect();
        Batch { who: Who::SYSTEM, writes }
    };
    add(&other, "a", 5).await.unwrap();
    let refused = store.commit(batch()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
    assert!(store.get(SETTINGS, "file").await.unwrap().is_none());
    let prepared = one.prepare(|numbers| Ok::<_, NumbersError>(numbers.add("a", 1))).await.unwrap();
    let revision = store.commit(Batch { writes: prepared.writes, ..batch() }).await.unwrap();
    one.catch_up().await.unwrap();
    assert_eq!((one.current().get("a"), one.current().revision), (6, revision));
}

pub(crate) async fn a_change_whose_future_is_dropped_is_made_as_a_whole(fixture: &Fixture) {
    let store = Faulty::over(fixture.open().await);
    let behind: Arc<dyn Store> = store.clone();
    let replica = numbers(&behind).await;
    store.holds_commits.store(true, Ordering::Relaxed);
    tokio::select! {
        _ = add(&replica, "a", 1) => panic!("the commit is delayed"),
        () = until("the commit", async || (store.commits_held.load(Ordering::Relaxed) == 1).then_some(())) => {}
    }
    assert_eq!(replica.current().get("a"), 0);
    store.go_on.notify_one();
    until("the change", async || (replica.current().get("a") == 1).then_some(())).await;
}

pub(crate) async fn a_follower_publishes_differences_and_survives_an_outage(fixture: &Fixture) {
    let store = Faulty::over(fixture.open().await);
    let behind: Arc<dyn Store> = store.clone();
    let (here, elsewhere) = (numbers(&behind).await, numbers(&store.store).await);
    here.amend(|numbers| numbers.local = 5);
    let mut published = here.published();
    let following = tokio::spawn({
        let here = here.clone();
        async move { here.follow().await }
    });
    add(&elsewhere, "a", 1).await.unwrap();
    tokio::time::timeout(WITHIN, published.changed()).await.unwrap().unwrap();
    assert_eq!(**published.borrow_and_update(), 1);

    store.goes_down().await;
    add(&elsewhere, "a", 1).await.unwrap();
    assert!(add(&here, "a", 1).await.is_err());
    assert_eq!(here.current().get("a"), 1, "the state is unchanged");
    store.forgets.store(true, Ordering::Relaxed);
    store.is_down.store(false, Ordering::Relaxed);
    tokio::time::timeout(WITHIN, published.changed()).await.unwrap().unwrap();
    assert_eq!(**published.borrow_and_update(), 2);
    assert_eq!(here.current().local, 5, "the part that is not stored is unchanged");

    // A commit that changes nothing in the view publishes nothing.
    let revision = commit(&*store.store, vec![Write::put(WORKER, "a", "2", Expected::Anything)]).await;
    until("the commit", async || (here.current().revision == revision).then_some(())).await;
    assert!(!published.has_changed().unwrap());
    following.abort();
}

pub(crate) async fn an_unreadable_document_leaves_the_state_unchanged(fixture: &Fixture) {
    let store = fixture.open().await;
    let replica = numbers(&store).await;
    add(&replica, "a", 1).await.unwrap();
    let before = replica.current();
    let writes = ["b", "c"].map(|name| {
        Write::put(WORKER, name, if name == "b" { "3" } else { "\"three\"" }, Expected::Anything)
    });
    commit(&*store, writes.to_vec()).await;
    let error = replica.catch_up().await.unwrap_err();
    assert!(matches!(error, StoreError::Document { kind: "worker", ref key, .. } if key == "c"), "{error}");
    assert!(Arc::ptr_eq(&before, &replica.current()));
    assert!(Replica::open(store, Numbers::empty()).await.is_err());
}
