//! Two control planes on one store. Here it is a SQLite one that both have in hand; over PostgreSQL, with processes,
//! the same is in `tests/cli/several.rs` and `tests/e2e`.

use super::*;
use crate::store::{Batch, CHANGES_MAX, Expected, Kind, Write};
use slotway_test_contended_store::ContendedStore;

/// Two control planes, each with its own coordinators.
pub(super) struct Pair {
    pub(super) one: Workers,
    pub(super) other: Workers,
    pub(super) one_reports: House,
    other_reports: House,
    pub(super) store: Arc<dyn Store>,
}

impl Pair {
    pub(super) async fn open(pools: &[Pool]) -> Self {
        let (one_reports, other_reports) = (House::new(), House::new());
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(one_reports.directory.path(), &crate::kinds::ALL).await.unwrap());
        let open = async |house: &House| {
            let reports = Arc::clone(&house.reports);
            Workers::open(Arc::clone(&store), reports, pools, settings(), NOBODY_GRACE).await.unwrap()
        };
        let (one, other) = (open(&one_reports).await, open(&other_reports).await);
        other.set_connected(vec!["theirs".to_owned()], Instant::now());
        Self { one, other, one_reports, other_reports, store }
    }

    /// Removes a worker at the one, whose coordinators have nothing there.
    async fn remove_at_one(&self, worker: &str) {
        self.one.set_connected(vec!["ours".to_owned()], Instant::now());
        self.one.remove(Who::ADMIN_TOKEN, &url(worker)).await.unwrap();
        self.one_reports.report("ours", generation(&self.one), None);
        self.one.settle(Instant::now()).await.unwrap();
        assert_eq!(draining(&self.one), [""; 0], "the one has let go of it");
    }

    /// The other hears of all there is.
    pub(super) async fn catch_up(&self) {
        self.other.book.follow_up().await.unwrap();
    }
}

#[tokio::test]
async fn whoever_follows_has_what_the_other_changes_and_its_generation() {
    let pair = Pair::open(&file(&[(A, 3)])).await;
    assert_eq!(generation(&pair.one), generation(&pair.other), "a second start changes nothing");
    let mut desired = pair.other.desired();
    let follow = async {
        pair.other.follow().await;
    };
    let change = async {
        for capacity in 4..10 {
            pair.one.upsert(Who::ADMIN_TOKEN, vec![entry(A, capacity), entry(B, 1)]).await.unwrap();
            let now = generation(&pair.one);
            desired.wait_for(|desired| desired.generation == now).await.unwrap();
            assert_eq!(in_force(&pair.other), in_force(&pair.one));
        }
    };
    tokio::select! {
        () = follow => panic!("it does not end"),
        () = change => {}
    }
}

#[tokio::test]
async fn of_two_that_change_something_at_once_neither_is_lost() {
    let pair = Pair::open(&file(&[])).await;
    let many = async |workers: &Workers, name: &str| {
        for number in 0..20 {
            let own = entry(&format!("http://{name}-{number}"), 1);
            workers.upsert(Who::ADMIN_TOKEN, vec![own, entry(A, number + 1)]).await.unwrap();
        }
    };
    tokio::join!(many(&pair.one, "x"), many(&pair.other, "y"));
    // Neither follows; each takes in what the other did before its own next change.
    pair.catch_up().await;
    pair.one.book.follow_up().await.unwrap();
    assert_eq!(in_force(&pair.one).len(), 41);
    let sorted = |workers: &Workers| {
        let mut lines = in_force(workers);
        lines.sort();
        lines
    };
    assert_eq!(sorted(&pair.one), sorted(&pair.other));
    assert_eq!(generation(&pair.one), generation(&pair.other));
}

#[tokio::test]
async fn a_refusal_is_about_what_the_other_has_made_of_it() {
    let pair = Pair::open(&file(&[(A, 3)])).await;
    pair.one.upsert(Who::ADMIN_TOKEN, vec![in_pool(B, 1, "second")]).await.unwrap();
    let refused = pair.other.upsert(Who::ADMIN_TOKEN, vec![in_pool(B, 1, "first")]).await.unwrap_err();
    assert!(matches!(refused, Error::Conflict { .. }), "{refused}");
    pair.other.remove(Who::ADMIN_TOKEN, &url(B)).await.unwrap();
    // What is as it was asked for by one is not what the other made of it meanwhile.
    pair.one.upsert(Who::ADMIN_TOKEN, vec![in_pool(B, 1, "second")]).await.unwrap();
    assert_eq!(in_force(&pair.one), [line("first", A, 3), line("second", B, 1)]);
}

#[tokio::test]
async fn what_the_other_has_let_go_of_keeps_its_cluster_until_our_coordinators_have_too() {
    let pair = Pair::open(&file(&[(A, 3), (B, 4)])).await;
    pair.remove_at_one(A).await;
    pair.catch_up().await;
    let now = generation(&pair.one);
    assert_eq!(
        (in_force(&pair.other), draining(&pair.other)),
        (vec![line("first", B, 4)], vec![A.to_owned()])
    );
    assert_eq!(generation(&pair.other), now, "one generation for all");
    let row = pair.other.overview(Instant::now()).into_iter().find(|row| row.worker == A).unwrap();
    assert_eq!((row.state, row.capacity), (WorkerStanding::Draining, 3));

    let settled = async || {
        pair.other.settle(Instant::now()).await.unwrap();
        draining(&pair.other).is_empty()
    };
    assert!(!settled().await, "its coordinator has not reported");
    pair.other_reports.report("theirs", now, Some((A, 0, 1, WorkerState::Draining)));
    assert!(!settled().await, "it has a request there");
    pair.other_reports.report("theirs", now, Some((A, 0, 0, WorkerState::Gone)));
    assert!(settled().await);
    assert!(generation(&pair.other) > now, "its cluster may go, which is a change");
    pair.one.book.follow_up().await.unwrap();
    assert_eq!(generation(&pair.one), generation(&pair.other));
    assert!(pair.other.overview(Instant::now()).iter().all(|row| row.worker != A));
}

#[tokio::test]
async fn a_worker_that_the_other_puts_into_another_pool_gets_no_slots_there_before_our_requests_have_ended() {
    let pair = Pair::open(&file(&[(A, 3)])).await;
    pair.remove_at_one(A).await;
    pair.one.upsert(Who::ADMIN_TOKEN, vec![in_pool(A, 2, "second")]).await.unwrap();
    assert_eq!(in_force(&pair.one), [line("second", A, 2)]);
    pair.catch_up().await;
    assert_eq!((in_force(&pair.other), draining(&pair.other)), (vec![], vec![A.to_owned()]));
    // A change of our own goes on from what is stored, and does not let it in either.
    pair.other.upsert(Who::ADMIN_TOKEN, vec![entry(B, 1)]).await.unwrap();
    assert_eq!(
        (in_force(&pair.other), draining(&pair.other)),
        (vec![line("first", B, 1)], vec![A.to_owned()])
    );
    pair.other_reports.report("theirs", generation(&pair.other), None);
    pair.other.settle(Instant::now()).await.unwrap();
    assert_eq!(in_force(&pair.other), [line("first", B, 1), line("second", A, 2)]);
}

#[tokio::test]
async fn a_worker_that_the_file_moves_gets_no_slots_in_its_new_pool_before_our_requests_have_ended() {
    let pair = Pair::open(&file(&[(A, 3), (B, 4)])).await;
    let mut moved = file(&[(A, 3)]);
    moved[1].workers = file(&[(B, 2)])[0].workers.clone();
    // The one starts again with another file, as an operator does who rolls it out.
    let reports = Arc::clone(&pair.one_reports.reports);
    let one =
        Workers::open(Arc::clone(&pair.store), reports, &moved, settings(), NOBODY_GRACE).await.unwrap();
    one.set_connected(vec!["ours".to_owned()], Instant::now());
    pair.one_reports.report("ours", generation(&one), None);
    one.settle(Instant::now()).await.unwrap();
    assert_eq!(in_force(&one), [line("first", A, 3), line("second", B, 2)]);

    pair.catch_up().await;
    for capacity in [3, 5] {
        assert_eq!(
            (in_force(&pair.other), draining(&pair.other)),
            (vec![line("first", A, 3)], vec![B.to_owned()])
        );
        one.upsert(Who::ADMIN_TOKEN, vec![entry(B, capacity)]).await.unwrap();
        pair.catch_up().await;
    }
    pair.other_reports.report("theirs", generation(&pair.other), None);
    pair.other.settle(Instant::now()).await.unwrap();
    assert_eq!(in_force(&pair.other), [line("first", A, 3), line("second", B, 5)]);
}

#[tokio::test]
async fn a_worker_that_comes_back_to_its_pool_is_in_force_at_once() {
    let pair = Pair::open(&file(&[(A, 3)])).await;
    for (back, capacity) in [(&pair.one, 5), (&pair.other, 6)] {
        pair.remove_at_one(A).await;
        pair.catch_up().await;
        assert_eq!(draining(&pair.other), [A]);
        back.upsert(Who::ADMIN_TOKEN, vec![entry(A, capacity)]).await.unwrap();
        pair.catch_up().await;
        let expected = (vec![line("first", A, capacity)], vec![]);
        assert_eq!((in_force(&pair.other), draining(&pair.other)), expected);
    }
}

#[tokio::test]
async fn who_has_missed_more_than_the_store_remembers_reads_all_anew() {
    let pair = Pair::open(&file(&[(A, 3), (B, 4)])).await;
    pair.remove_at_one(A).await;
    pair.one.upsert(Who::ADMIN_TOKEN, vec![entry(B, 5), entry("http://c", 1)]).await.unwrap();
    let writes = |value: &str| {
        let key = |number| Write::put(Kind::FACT, format!("{number}"), value, Expected::Anything);
        Batch { who: Who::SYSTEM, writes: (0..=CHANGES_MAX / 2).map(key).collect() }
    };
    for value in ["1", "2"] {
        pair.store.commit(writes(value)).await.unwrap();
    }
    pair.catch_up().await;
    assert_eq!(in_force(&pair.other), [line("first", B, 5), line("first", "http://c", 1)]);
    assert_eq!(draining(&pair.other), [A], "it is held, as if its removal had been seen");
    assert_eq!(generation(&pair.other), generation(&pair.one));
    pair.other.upsert(Who::ADMIN_TOKEN, vec![entry(B, 6)]).await.unwrap();
}

#[tokio::test]
async fn a_change_that_others_win_than_each_time_is_refused_as_busy_and_not_made() {
    let house = House::new();
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(house.directory.path(), &crate::kinds::ALL).await.unwrap());
    let contended = ContendedStore::new(Arc::clone(&store));
    let over = async |store| {
        Workers::open(store, Arc::clone(&house.reports), &file(&[(A, 3)]), settings(), NOBODY_GRACE).await
    };
    let workers = over(Arc::clone(&contended) as Arc<dyn Store>).await.unwrap();

    contended.others_win(book::TRIES_MAX);
    let refused = workers.upsert(Who::ADMIN_TOKEN, vec![entry(A, 4)]).await;
    assert!(matches!(refused, Err(Error::Busy)), "{refused:?}");
    assert_eq!(contended.left(), 0, "it was tried as often as it may be");
    assert_eq!(in_force(&workers), [line("first", A, 3)]);
    contended.others_win(book::TRIES_MAX - 1);
    workers.upsert(Who::ADMIN_TOKEN, vec![entry(A, 5)]).await.unwrap();
    assert_eq!((contended.left(), in_force(&workers)), (0, vec![line("first", A, 5)]), "once is enough");

    contended.others_win(book::TRIES_MAX);
    let edit = file(&[(A, 3), (B, 1)]);
    let edited = Workers::open(
        Arc::clone(&contended) as Arc<dyn Store>,
        Arc::clone(&house.reports),
        &edit,
        settings(),
        NOBODY_GRACE,
    );
    assert!(
        matches!(edited.await.err(), Some(Error::Busy)),
        "a start that changes something is refused, too"
    );
    assert_eq!(in_force(&over(store).await.unwrap()), [line("first", A, 5)], "and changes nothing");
}
