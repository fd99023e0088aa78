//! Two control planes on one store. Here both use the same SQLite store in one process. `tests/cli/several.rs` and
//! `tests/e2e` test the same with processes on PostgreSQL.

use super::*;
use slotway_store::{Batch, CHANGES_MAX, Expected, Write};
use slotway_test_contended_store::ContendedStore;

/// The number of attempts of a replica at a change.
const ATTEMPTS_MAX: usize = 32;

/// Two control planes, each with its own coordinators.
pub(super) struct Pair {
    pub(super) one: Pools,
    pub(super) other: Pools,
    pub(super) one_setup: Setup,
    other_setup: Setup,
    pub(super) store: Arc<dyn Store>,
}

impl Pair {
    pub(super) async fn open(pools: &[Pool]) -> Self {
        let (one_setup, other_setup) = (Setup::new(), Setup::new());
        let store = one_setup.store().await;
        let open =
            async |setup: &Setup| setup.open_over(Arc::clone(&store), pools, settings()).await.unwrap();
        let (one, other) = (open(&one_setup).await, open(&other_setup).await);
        other.set_connected(vec!["theirs".to_owned()], Instant::now());
        Self { one, other, one_setup, other_setup, store }
    }

    /// Removes a worker at the first control plane, whose coordinators have no requests there.
    async fn remove_at_one(&self, worker: &str) {
        self.one.set_connected(vec!["ours".to_owned()], Instant::now());
        self.one.remove(Who::ADMIN_TOKEN, &url(worker)).await.unwrap();
        self.one_setup.report("ours", generation(&self.one), None);
        self.one.settle(Instant::now()).await.unwrap();
        assert_eq!(draining(&self.one), [""; 0], "the first control plane has released it");
    }

    /// Lets the second control plane read the store to its end.
    pub(super) async fn catch_up(&self) {
        catch_up(&self.other).await;
    }
}

/// Lets a control plane read the store to its end.
async fn catch_up(pools: &Pools) {
    pools.caught_up(u64::MAX).await.unwrap();
}

#[tokio::test]
async fn a_follower_has_the_changes_and_the_generation_of_the_other() {
    let pair = Pair::open(&file(&[(A, 3)])).await;
    assert_eq!(generation(&pair.one), generation(&pair.other), "a second start changes nothing");
    let mut desired = pair.other.desired();
    let follow = async {
        pair.other.follow().await;
    };
    let change = async {
        for capacity in 4..10 {
            pair.one.upsert(Who::ADMIN_TOKEN, &[entry(A, capacity), entry(B, 1)]).await.unwrap();
            let now = generation(&pair.one);
            desired.wait_for(|desired| desired.generation == now).await.unwrap();
            assert_eq!(in_force(&pair.other), in_force(&pair.one));
        }
    };
    tokio::select! {
        () = follow => panic!("following must not end"),
        () = change => {}
    }
}

#[tokio::test]
async fn of_two_concurrent_changes_neither_is_lost() {
    let pair = Pair::open(&file(&[])).await;
    let many = async |workers: &Pools, name: &str| {
        for number in 0..20 {
            let own = entry(&format!("http://{name}-{number}"), 1);
            workers.upsert(Who::ADMIN_TOKEN, &[own, entry(A, number + 1)]).await.unwrap();
        }
    };
    tokio::join!(many(&pair.one, "x"), many(&pair.other, "y"));
    // Neither control plane follows the store. Each reads the other's change before its own next change.
    pair.catch_up().await;
    catch_up(&pair.one).await;
    assert_eq!(in_force(&pair.one).len(), 41);
    let sorted = |workers: &Pools| {
        let mut lines = in_force(workers);
        lines.sort();
        lines
    };
    assert_eq!(sorted(&pair.one), sorted(&pair.other));
    assert_eq!(generation(&pair.one), generation(&pair.other));
}

#[tokio::test]
async fn a_refusal_is_based_on_the_other_control_planes_change() {
    let pair = Pair::open(&file(&[(A, 3)])).await;
    pair.one.upsert(Who::ADMIN_TOKEN, &[in_pool(B, 1, "second")]).await.unwrap();
    let refused = pair.other.upsert(Who::ADMIN_TOKEN, &[in_pool(B, 1, "first")]).await.unwrap_err();
    assert!(matches!(refused, PoolsError::EntryInOtherPool { .. }), "{refused}");
    pair.other.remove(Who::ADMIN_TOKEN, &url(B)).await.unwrap();
    // A change that was valid in one control plane's state conflicts with the other's change.
    pair.one.upsert(Who::ADMIN_TOKEN, &[in_pool(B, 1, "second")]).await.unwrap();
    assert_eq!(in_force(&pair.one), [line("first", A, 3), line("second", B, 1)]);
}

#[tokio::test]
async fn a_worker_that_the_other_has_released_keeps_its_cluster_until_our_coordinators_have_drained_it() {
    let pair = Pair::open(&file(&[(A, 3), (B, 4)])).await;
    pair.remove_at_one(A).await;
    pair.catch_up().await;
    let now = generation(&pair.one);
    assert_eq!(
        (in_force(&pair.other), draining(&pair.other)),
        (vec![line("first", B, 4)], vec![A.to_owned()])
    );
    assert_eq!(generation(&pair.other), now, "both have the same generation");
    let row = pair.other.overview(Instant::now()).into_iter().find(|row| row.worker == A).unwrap();
    assert_eq!((row.state, row.capacity), (WorkerCondition::Draining, 3));

    let settled = async || {
        pair.other.settle(Instant::now()).await.unwrap();
        draining(&pair.other).is_empty()
    };
    assert!(!settled().await, "the coordinator has not reported");
    pair.other_setup.report("theirs", now, Some((A, 0, 1, WorkerState::Draining)));
    assert!(!settled().await, "the coordinator has a request there");
    pair.other_setup.report("theirs", now, Some((A, 0, 0, WorkerState::Gone)));
    assert!(settled().await);
    assert!(generation(&pair.other) > now, "removing its cluster is a change");
    catch_up(&pair.one).await;
    assert_eq!(generation(&pair.one), generation(&pair.other));
    assert!(pair.other.overview(Instant::now()).iter().all(|row| row.worker != A));
}

#[tokio::test]
async fn a_worker_that_the_other_puts_into_another_pool_gets_no_slots_there_before_our_requests_have_ended() {
    let pair = Pair::open(&file(&[(A, 3)])).await;
    pair.remove_at_one(A).await;
    pair.one.upsert(Who::ADMIN_TOKEN, &[in_pool(A, 2, "second")]).await.unwrap();
    assert_eq!(in_force(&pair.one), [line("second", A, 2)]);
    pair.catch_up().await;
    assert_eq!((in_force(&pair.other), draining(&pair.other)), (vec![], vec![A.to_owned()]));
    // A change of this control plane starts from the stored state, and does not give the worker slots either.
    pair.other.upsert(Who::ADMIN_TOKEN, &[entry(B, 1)]).await.unwrap();
    assert_eq!(
        (in_force(&pair.other), draining(&pair.other)),
        (vec![line("first", B, 1)], vec![A.to_owned()])
    );
    pair.other_setup.report("theirs", generation(&pair.other), None);
    pair.other.settle(Instant::now()).await.unwrap();
    assert_eq!(in_force(&pair.other), [line("first", B, 1), line("second", A, 2)]);
}

#[tokio::test]
async fn a_worker_that_the_file_moves_gets_no_slots_in_its_new_pool_before_our_requests_have_ended() {
    let pair = Pair::open(&file(&[(A, 3), (B, 4)])).await;
    let mut moved = file(&[(A, 3)]);
    moved[1].workers = file(&[(B, 2)])[0].workers.clone();
    // The first control plane restarts with another file, like in a rolling change.
    let one = pair.one_setup.open_over(Arc::clone(&pair.store), &moved, settings()).await.unwrap();
    one.set_connected(vec!["ours".to_owned()], Instant::now());
    pair.one_setup.report("ours", generation(&one), None);
    one.settle(Instant::now()).await.unwrap();
    assert_eq!(in_force(&one), [line("first", A, 3), line("second", B, 2)]);

    pair.catch_up().await;
    for capacity in [3, 5] {
        assert_eq!(
            (in_force(&pair.other), draining(&pair.other)),
            (vec![line("first", A, 3)], vec![B.to_owned()])
        );
        one.upsert(Who::ADMIN_TOKEN, &[entry(B, capacity)]).await.unwrap();
        pair.catch_up().await;
    }
    pair.other_setup.report("theirs", generation(&pair.other), None);
    pair.other.settle(Instant::now()).await.unwrap();
    assert_eq!(in_force(&pair.other), [line("first", A, 3), line("second", B, 5)]);
}

#[tokio::test]
async fn a_worker_that_returns_to_its_pool_is_in_force_at_once() {
    let pair = Pair::open(&file(&[(A, 3)])).await;
    for (back, capacity) in [(&pair.one, 5), (&pair.other, 6)] {
        pair.remove_at_one(A).await;
        pair.catch_up().await;
        assert_eq!(draining(&pair.other), [A]);
        back.upsert(Who::ADMIN_TOKEN, &[entry(A, capacity)]).await.unwrap();
        pair.catch_up().await;
        let expected = (vec![line("first", A, capacity)], vec![]);
        assert_eq!((in_force(&pair.other), draining(&pair.other)), expected);
    }
}

#[tokio::test]
async fn a_control_plane_that_missed_more_changes_than_the_store_keeps_reads_everything_again() {
    let pair = Pair::open(&file(&[(A, 3), (B, 4)])).await;
    pair.remove_at_one(A).await;
    pair.one.upsert(Who::ADMIN_TOKEN, &[entry(B, 5), entry("http://c", 1)]).await.unwrap();
    let writes = |value: &str| {
        let key = |number| Write::put(Kind::FACT, format!("{number}"), value, Expected::Anything);
        Batch { who: Who::SYSTEM, writes: (0..=CHANGES_MAX / 2).map(key).collect() }
    };
    for value in ["1", "2"] {
        pair.store.commit(writes(value)).await.unwrap();
    }
    pair.catch_up().await;
    assert_eq!(in_force(&pair.other), [line("first", B, 5), line("first", "http://c", 1)]);
    assert_eq!(draining(&pair.other), [A], "the worker is retained, as if its removal had been seen");
    assert_eq!(generation(&pair.other), generation(&pair.one));
    pair.other.upsert(Who::ADMIN_TOKEN, &[entry(B, 6)]).await.unwrap();
}

#[tokio::test]
async fn a_change_with_a_conflict_each_time_is_refused_and_not_made() {
    let setup = Setup::new();
    let store = setup.store().await;
    let contended = ContendedStore::new(Arc::clone(&store));
    let over = async |store| setup.open_over(store, &file(&[(A, 3)]), settings()).await;
    let workers = over(Arc::clone(&contended) as Arc<dyn Store>).await.unwrap();

    contended.others_win(ATTEMPTS_MAX);
    let refused = workers.upsert(Who::ADMIN_TOKEN, &[entry(A, 4)]).await;
    assert!(matches!(refused, Err(PoolsError::Store(StoreError::Contended))), "{refused:?}");
    assert_eq!(contended.left(), 0, "all attempts were used");
    assert_eq!(in_force(&workers), [line("first", A, 3)]);
    contended.others_win(ATTEMPTS_MAX - 1);
    workers.upsert(Who::ADMIN_TOKEN, &[entry(A, 5)]).await.unwrap();
    assert_eq!(
        (contended.left(), in_force(&workers)),
        (0, vec![line("first", A, 5)]),
        "one attempt is enough"
    );

    contended.others_win(ATTEMPTS_MAX);
    let edit = file(&[(A, 3), (B, 1)]);
    let edited = setup.open_over(Arc::clone(&contended) as Arc<dyn Store>, &edit, settings());
    assert!(
        matches!(edited.await.err(), Some(PoolsError::Store(StoreError::Contended))),
        "a start with a change is refused too"
    );
    assert_eq!(
        in_force(&over(store).await.unwrap()),
        [line("first", A, 5)],
        "the refused start changes nothing"
    );
}
