//! Pools and policies of two control planes on one store.

use slotway_config::{Policy, PoolMatch, PoolName};

use super::{shared::Pair, *};
use crate::store::{Batch, CHANGES_MAX, Expected, Kind, Write};

fn name(text: &str) -> PoolName {
    text.parse().unwrap()
}

async fn put(workers: &Workers, pool: &str, prefix: &str, position: Option<u32>) -> Result<(), Error> {
    let (pool, matches) = (name(pool), PoolMatch { prefix: prefix.to_owned() });
    let make = move |next: &mut Roster| {
        next.put_pools([(pool.clone(), PoolSpec { matches: matches.clone(), position })]);
        Ok(next.check()?)
    };
    workers.revise(Who::ADMIN_TOKEN, false, make).await.map(drop)
}

async fn delete(workers: &Workers, pool: &str) -> Result<(), Error> {
    let pool = name(pool);
    workers.revise(Who::ADMIN_TOKEN, false, move |next| next.delete_pool(&pool)).await.map(drop)
}

/// Names, prefixes and versions of the pools and their policies, in match order.
fn pools(workers: &Workers) -> Vec<(String, String, u64, u64)> {
    let roster = workers.view(Instant::now()).roster;
    let row = |(name, record): (&PoolName, &pool_record::PoolRecord)| {
        let policy = roster.pools.policy(name).unwrap();
        (name.to_string(), record.matches.prefix.clone(), record.revision, policy.revision)
    };
    roster.pools.in_order().into_iter().map(row).collect()
}

#[tokio::test]
async fn a_pool_that_one_makes_changes_or_deletes_is_so_at_the_other_under_the_same_version() {
    let pair = Pair::open(&file(&[(A, 3)])).await;
    assert_eq!(pools(&pair.one), pools(&pair.other));
    put(&pair.one, "third", "/third", None).await.unwrap();
    // A worker of the other goes into it before it has heard of it by itself.
    pair.other.upsert(Who::ADMIN_TOKEN, vec![in_pool(B, 1, "third")]).await.unwrap();
    put(&pair.other, "third", "/3", Some(2)).await.unwrap();
    let policy = move |next: &mut Roster| {
        next.put_policy(&name("third"), Policy { max_waiting: 1, ..Policy::default() })
    };
    pair.one.revise(Who::ADMIN_TOKEN, false, policy).await.unwrap();
    pair.catch_up().await;
    assert_eq!(pools(&pair.one), pools(&pair.other));
    assert_eq!(pools(&pair.one)[2].1, "/3");
    assert_eq!(generation(&pair.one), generation(&pair.other));
    assert_eq!(pair.one.desired().borrow().pools, pair.other.desired().borrow().pools);

    let refused = delete(&pair.one, "third").await.unwrap_err();
    assert!(refused.to_string().contains(B), "the worker that the other has put there: {refused}");
    delete(&pair.one, "second").await.unwrap();
    let refused =
        pair.other.upsert(Who::ADMIN_TOKEN, vec![in_pool("http://c", 1, "second")]).await.unwrap_err();
    assert!(refused.to_string().contains("there is no pool"), "{refused}");
    assert_eq!(pools(&pair.one), pools(&pair.other));
}

#[tokio::test]
async fn of_two_that_give_one_match_to_two_pools_the_second_is_refused() {
    let pair = Pair::open(&file(&[])).await;
    put(&pair.one, "x", "/same", None).await.unwrap();
    let refused = put(&pair.other, "y", "/same", None).await.unwrap_err();
    assert!(matches!(refused, Error::Conflict { .. }) && refused.to_string().contains('x'), "{refused}");
}

#[tokio::test]
async fn who_has_missed_more_than_the_store_remembers_reads_the_pools_anew_too() {
    let pair = Pair::open(&file(&[(A, 3)])).await;
    put(&pair.one, "third", "/third", None).await.unwrap();
    delete(&pair.one, "second").await.unwrap();
    let writes = |value: &str| {
        let key = |number| Write::put(Kind::FACT, format!("{number}"), value, Expected::Anything);
        Batch { who: Who::SYSTEM, writes: (0..=CHANGES_MAX / 2).map(key).collect() }
    };
    for value in ["1", "2"] {
        pair.store.commit(writes(value)).await.unwrap();
    }
    pair.catch_up().await;
    assert_eq!(pools(&pair.one), pools(&pair.other));
    assert_eq!(pools(&pair.other).len(), 2);
}

#[tokio::test]
async fn a_start_of_another_one_with_the_same_file_leaves_what_rest_made_of_the_pools() {
    let pair = Pair::open(&file(&[(A, 3)])).await;
    put(&pair.one, "second", "/changed", None).await.unwrap();
    put(&pair.one, "third", "/third", None).await.unwrap();
    let before = (pools(&pair.one), generation(&pair.one));
    let reports = Arc::clone(&pair.one_reports.reports);
    let third = Workers::open(Arc::clone(&pair.store), reports, &file(&[(A, 3)]), settings(), NOBODY_GRACE)
        .await
        .unwrap();
    assert_eq!((pools(&third), generation(&third)), before);
}
