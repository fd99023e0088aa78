//! Pools and policies of two control planes on one store.

use slotway_config::{Policy, PoolMatch, PoolName};

use super::{shared::Pair, *};
use slotway_store::{Batch, CHANGES_MAX, Expected, Write};

fn name(text: &str) -> PoolName {
    text.parse().unwrap()
}

async fn put(workers: &Pools, pool: &str, prefix: &str, position: Option<u32>) -> Result<(), PoolsError> {
    let (pool, matches) = (name(pool), PoolMatch { prefix: prefix.to_owned() });
    change(workers, |next| {
        next.put_pools([(pool.clone(), PoolSpec { matches: matches.clone(), position })]);
        Ok(())
    })
    .await
}

async fn delete(workers: &Pools, pool: &str) -> Result<(), PoolsError> {
    change(workers, |next| next.delete_pool(&name(pool))).await
}

/// Returns names, prefixes and versions of the pools and their policies, in match order.
fn pools(workers: &Pools) -> Vec<(String, String, u64, u64)> {
    let state = workers.current();
    let row = |(name, record): (&PoolName, &pool_record::PoolRecord)| {
        let policy = state.pools.policy(name).unwrap();
        (name.to_string(), record.matches.prefix.clone(), record.revision, policy.revision)
    };
    state.pools.in_order().into_iter().map(row).collect()
}

#[tokio::test]
async fn a_change_of_a_pool_arrives_at_the_other_control_plane_under_the_same_version() {
    let pair = Pair::open(&file(&[(A, 3)])).await;
    assert_eq!(pools(&pair.one), pools(&pair.other));
    put(&pair.one, "third", "/third", None).await.unwrap();
    // The other control plane puts a worker into the pool before it has followed the store.
    pair.other.upsert(Who::ADMIN_TOKEN, &[in_pool(B, 1, "third")]).await.unwrap();
    put(&pair.other, "third", "/3", Some(2)).await.unwrap();
    let policy = Policy { max_waiting: 1, ..Policy::default() };
    change(&pair.one, |next| next.put_policy(&name("third"), policy)).await.unwrap();
    pair.catch_up().await;
    assert_eq!(pools(&pair.one), pools(&pair.other));
    assert_eq!(pools(&pair.one)[2].1, "/3");
    assert_eq!(generation(&pair.one), generation(&pair.other));
    assert_eq!(pair.one.desired().borrow().pools, pair.other.desired().borrow().pools);

    let refused = delete(&pair.one, "third").await.unwrap_err();
    assert!(
        refused.to_string().contains(B),
        "the error must name the other control plane's worker: {refused}"
    );
    delete(&pair.one, "second").await.unwrap();
    let refused = pair.other.upsert(Who::ADMIN_TOKEN, &[in_pool("http://c", 1, "second")]).await.unwrap_err();
    assert!(refused.to_string().contains("there is no pool"), "{refused}");
    assert_eq!(pools(&pair.one), pools(&pair.other));
}

#[tokio::test]
async fn of_two_concurrent_pools_with_one_match_the_second_is_refused() {
    let pair = Pair::open(&file(&[])).await;
    put(&pair.one, "x", "/same", None).await.unwrap();
    let refused = put(&pair.other, "y", "/same", None).await.unwrap_err();
    assert!(matches!(refused, PoolsError::Rule(_)) && refused.to_string().contains('x'), "{refused}");
}

#[tokio::test]
async fn a_control_plane_that_missed_more_changes_than_the_store_keeps_reads_the_pools_again() {
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
async fn a_start_of_another_control_plane_with_the_same_file_keeps_changes_over_rest() {
    let pair = Pair::open(&file(&[(A, 3)])).await;
    put(&pair.one, "second", "/changed", None).await.unwrap();
    put(&pair.one, "third", "/third", None).await.unwrap();
    let before = (pools(&pair.one), generation(&pair.one));
    let third =
        pair.one_setup.open_over(Arc::clone(&pair.store), &file(&[(A, 3)]), settings()).await.unwrap();
    assert_eq!((pools(&third), generation(&third)), before);
}
