//! Pools that both the file and REST change.

use slotway_config::{PoolMatch, PoolName};

use super::*;

fn name(text: &str) -> PoolName {
    text.parse().unwrap()
}

/// The file with a worker in its second pool.
fn with_second(worker: &str, capacity: u32) -> Vec<Pool> {
    let mut pools = file(&[(A, 3)]);
    pools[1].workers = file(&[(worker, capacity)])[0].workers.clone();
    pools
}

/// Opens the pools with a worker in the second pool, and deletes both over REST.
async fn without_second(setup: &Setup) -> Pools {
    let workers = setup.open(&with_second(B, 4)).await;
    workers.set_connected(vec!["one".to_owned()], Instant::now());
    setup.report("one", u64::MAX, None);
    assert!(!workers.remove(Who::ADMIN_TOKEN, &url(B)).await.unwrap());
    change(&workers, |next| next.delete_pool(&name("second"))).await.unwrap();
    workers
}

fn pools(workers: &Pools) -> Vec<String> {
    workers.desired().borrow().pools.iter().map(|pool| pool.name.to_string()).collect()
}

#[tokio::test]
async fn a_worker_of_a_deleted_pool_is_created_again_in_the_first_pool() {
    let setup = Setup::new();
    let workers = without_second(&setup).await;
    assert_eq!(pools(&workers), ["first"]);
    workers.upsert(Who::ADMIN_TOKEN, &[entry(B, 2)]).await.unwrap();
    assert_eq!(in_force(&workers), [line("first", A, 3), line("first", B, 2)]);
}

#[tokio::test]
async fn a_pool_that_rest_deleted_is_restored_when_the_file_changes_a_worker_in_it() {
    let setup = Setup::new();
    drop(without_second(&setup).await);
    let workers = setup.open(&with_second(B, 4)).await;
    assert_eq!(pools(&workers), ["first"], "the file has not changed");
    drop(workers);
    let workers = setup.open(&with_second(B, 5)).await;
    assert_eq!(pools(&workers), ["first", "second"]);
    assert_eq!(in_force(&workers), [line("first", A, 3), line("second", B, 5)]);
}

#[tokio::test]
async fn a_file_with_the_match_of_a_pool_of_rest_is_refused_with_both_names() {
    let setup = Setup::new();
    let workers = setup.open(&file(&[(A, 3)])).await;
    change(&workers, |next| {
        let spec = PoolSpec { matches: PoolMatch { prefix: "/third".to_owned() }, position: None };
        next.put_pools([(name("made"), spec)]);
        Ok(())
    })
    .await
    .unwrap();
    drop(workers);
    let mut edited = file(&[(A, 3)]);
    edited.push(Pool::new(name("third"), PoolMatch { prefix: "/third".to_owned() }));
    let refused = setup.try_open(&edited, settings()).await.err().unwrap().to_string();
    assert!(
        refused.contains("made") && refused.contains("third") && refused.contains("change the file"),
        "{refused}"
    );
    assert_eq!(pools(&setup.open(&file(&[(A, 3)])).await).len(), 3, "all pools exist");
}

#[tokio::test]
async fn a_worker_of_a_pool_that_the_file_has_removed_can_be_moved_to_another_pool() {
    let setup = Setup::new();
    let workers = setup.open(&file(&[(A, 3)])).await;
    workers.upsert(Who::ADMIN_TOKEN, &[in_pool(B, 1, "second")]).await.unwrap();
    drop(workers);
    let workers = setup.open(&file(&[(A, 3)])[..1]).await;
    workers.set_connected(vec!["one".to_owned()], Instant::now());
    assert_eq!((pools(&workers), draining(&workers)), (vec!["first".to_owned()], vec![B.to_owned()]));
    let spec = serde_json::json!({ "capacity": 2, "pool": "first" });
    let wanted = WantedWorker {
        worker: url(B),
        spec: serde_json::from_value(spec).unwrap(),
        labels: Labels::default(),
        notes: Notes::default(),
    };
    change(&workers, |next| next.put_worker(wanted.clone(), &context())).await.unwrap();
    assert_eq!(draining(&workers), [B], "the worker may have requests of its old pool");
    setup.report("one", generation(&workers), None);
    workers.settle(Instant::now()).await.unwrap();
    assert_eq!(in_force(&workers), [line("first", A, 3), line("first", B, 2)]);
}
