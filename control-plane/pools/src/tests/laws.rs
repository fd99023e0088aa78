//! Invariants of the state under any sequence of operations.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*};
use slotway_config::{Policy, PoolMatch, PoolName, check_pools};

use slotway_store::Replicated;

use super::*;

const POOLS: [&str; 4] = ["a", "b", "c", "d"];
const PREFIXES: [&str; 5] = ["/", "/a", "/b", "/a/b", "/c"];
const URLS: [&str; 5] = ["http://v", "http://w", "http://x", "http://y", "http://z"];

/// A pool of the file by indices: its name, its prefix, and its workers with their capacities.
type FilePool = (usize, usize, Vec<(usize, u32)>);

/// One operation on the state.
#[derive(Debug, Clone)]
enum Operation {
    /// The file is edited and the control plane restarted. Each pool has its prefix and its workers.
    File(Vec<FilePool>),
    Upsert(Vec<(usize, u32, Option<usize>)>),
    PutWorker {
        worker: usize,
        capacity: u32,
        pool: Option<usize>,
        cordoned: Option<bool>,
        heartbeat: bool,
    },
    Remove(usize),
    Cordon(usize),
    Uncordon(usize),
    Health(usize, Health),
    PutPools(Vec<(usize, usize, Option<u32>)>),
    DeletePool(usize),
    PutPolicy(usize, u32),
    Label(usize, String),
    /// All draining workers have drained.
    Settle,
}

fn anything() -> impl Strategy<Value = Operation> {
    let worker = || 0..URLS.len();
    let pool = || 0..POOLS.len();
    let prefix = || 0..PREFIXES.len();
    let capacity = || 1_u32..5;
    let health = prop_oneof![
        Just(Health::Up),
        Just(Health::down(1, "x")),
        (1_u32..12).prop_map(|step| Health::Starting { since_ms: 1, step })
    ];
    prop_oneof![
        vec((pool(), prefix(), vec((worker(), capacity()), 0..3)), 1..4).prop_map(Operation::File),
        vec((worker(), capacity(), proptest::option::of(pool())), 1..4).prop_map(Operation::Upsert),
        (worker(), capacity(), proptest::option::of(pool()), any::<Option<bool>>(), any::<bool>()).prop_map(
            |(worker, capacity, pool, cordoned, heartbeat)| Operation::PutWorker {
                worker,
                capacity,
                pool,
                cordoned,
                heartbeat
            }
        ),
        worker().prop_map(Operation::Remove),
        worker().prop_map(Operation::Cordon),
        worker().prop_map(Operation::Uncordon),
        (worker(), health).prop_map(|(worker, health)| Operation::Health(worker, health)),
        vec((pool(), prefix(), proptest::option::of(0_u32..5)), 1..4).prop_map(Operation::PutPools),
        pool().prop_map(Operation::DeletePool),
        (pool(), 0_u32..9).prop_map(|(pool, waiting)| Operation::PutPolicy(pool, waiting)),
        (worker(), "[a-z]{1,3}").prop_map(|(worker, value)| Operation::Label(worker, value)),
        Just(Operation::Settle),
    ]
}

fn pool_name(number: usize) -> PoolName {
    POOLS[number].parse().unwrap()
}

fn prefix_of(number: usize) -> PoolMatch {
    PoolMatch { prefix: PREFIXES[number].to_owned() }
}

/// Returns a valid file of these pools, or none.
fn file_of(pools: &[FilePool]) -> Option<Vec<Pool>> {
    let worker = |(worker, capacity): &(usize, u32)| {
        serde_json::from_value(serde_json::json!({ "worker": URLS[*worker], "capacity": capacity })).unwrap()
    };
    let pool = |(name, prefix, workers): &FilePool| {
        let mut pool = Pool::new(pool_name(*name), prefix_of(*prefix));
        pool.workers = workers.iter().map(worker).collect();
        pool
    };
    let pools: Vec<_> = pools.iter().map(pool).collect();
    check_pools(&pools).is_ok().then_some(pools)
}

/// Returns the state after an operation; none if the operation is refused.
fn after(state: &PoolsState, act: &Operation, generation: u64) -> Option<PoolsState> {
    if let Operation::File(pools) = act {
        let file = file_of(pools)?;
        let mut next = state.clone();
        return next.declare(&file, &settings(), generation).ok().map(|()| next);
    }
    let by = context();
    let make = |next: &mut PoolsState| -> Result<(), PoolsError> {
        match act {
            Operation::File(_) => {}
            Operation::Upsert(entries) => {
                let entry = |(worker, capacity, pool): &(usize, u32, Option<usize>)| WorkerEntry {
                    pool: pool.map(pool_name),
                    ..entry(URLS[*worker], *capacity)
                };
                next.upsert(&entries.iter().map(entry).collect::<Vec<_>>())?;
            }
            Operation::PutWorker { worker, capacity, pool, cordoned, heartbeat } => {
                let heartbeat = heartbeat.then(|| serde_json::json!({ "path": "/" }));
                let spec = serde_json::json!({
                    "capacity": capacity, "pool": pool.map(|pool| POOLS[pool]), "cordoned": cordoned, "heartbeat": heartbeat,
                });
                let wanted = WantedWorker {
                    worker: url(URLS[*worker]),
                    spec: serde_json::from_value(spec).unwrap(),
                    labels: Labels::default(),
                    notes: Notes::default(),
                };
                next.put_worker(wanted, &by)?;
            }
            Operation::Remove(worker) => next.remove(&url(URLS[*worker]))?,
            Operation::Cordon(worker) => next.cordon(&url(URLS[*worker]), "", &by)?,
            Operation::Uncordon(worker) => next.uncordon(&url(URLS[*worker]))?,
            Operation::Health(worker, health) => {
                if let Some(record) = next.records.get_mut(&url(URLS[*worker])) {
                    record.health = health.clone();
                }
            }
            Operation::PutPools(pools) => {
                let spec = |(name, prefix, position): &(usize, usize, Option<u32>)| {
                    (pool_name(*name), PoolSpec { matches: prefix_of(*prefix), position: *position })
                };
                let pools: BTreeMap<_, _> = pools.iter().map(spec).collect();
                next.put_pools(pools);
            }
            Operation::DeletePool(pool) => next.delete_pool(&pool_name(*pool))?,
            Operation::PutPolicy(pool, waiting) => {
                next.put_policy(&pool_name(*pool), Policy { max_waiting: *waiting, ..Policy::default() })?;
            }
            Operation::Label(worker, value) => {
                if let Some(record) = next.records.get_mut(&url(URLS[*worker])) {
                    let labels = BTreeMap::from([("l".to_owned(), value.clone())]);
                    record.labels = labels.try_into().unwrap();
                }
            }
            Operation::Settle => {
                let all: Vec<_> = next.draining().map(|(url, since)| (url.clone(), since)).collect();
                all.iter().for_each(|(url, since)| next.drained(url, *since));
            }
        }
        Ok(next.check_rules()?)
    };
    let mut next = state.clone();
    next.under_new_generation(generation, make).ok()?;
    (!state.writes_to(&next).unwrap().is_empty()).then_some(next)
}

/// Asserts the invariants of one state.
fn holds(state: &PoolsState) {
    let desired = state.desired();
    let mut seen = BTreeSet::new();
    for pool in &desired.pools {
        for worker in &pool.workers {
            assert!(seen.insert(&worker.worker), "{} gets requests twice", worker.worker);
            let record = &state.records[&worker.worker];
            assert!(worker.capacity <= record.entry.worker.capacity);
            assert!(record.cordoned.is_none() && !matches!(record.health, Health::Down { .. }));
            assert_eq!((&record.entry.pool, record.membership.drains_since()), (&pool.name, None));
        }
    }
    for draining in &desired.draining {
        assert!(seen.insert(&draining.worker.worker), "{} is in a pool and out", draining.worker.worker);
    }
    let there = state.present().map(|(url, _)| url).collect::<BTreeSet<_>>();
    assert_eq!(seen, there, "exactly the present workers have clusters");
    check_pools(&desired.pools).unwrap();

    let names: BTreeSet<_> = state.pools.pools.keys().collect();
    assert_eq!(names, state.pools.policies.keys().collect(), "each pool has a policy");
    let positions: Vec<_> = state.pools.in_order().iter().map(|(_, record)| record.position).collect();
    assert_eq!(positions, (0..).take(positions.len()).collect::<Vec<_>>());
    for (url, record) in &state.records {
        assert!(
            record.membership != Membership::Removed || record.declared.is_some(),
            "{url} is kept without a reason"
        );
        let moves = matches!(record.membership, Membership::Moving { .. });
        assert!(!moves || record.leaves.is_some(), "{url} moves without an old pool");
        assert!(record.leaves.is_none() || record.membership.drains_since().is_some(), "{url} has arrived");
        assert_ne!(record.leaves.as_ref(), Some(&record.entry.pool), "{url} moves to its own pool");
    }
}

/// Returns the desired state of Envoy with a fixed generation.
fn to_envoy(state: &PoolsState) -> Desired {
    Desired { generation: 0, revision: 0, ..state.desired() }
}

proptest! {
    #[test]
    fn after_any_operations_each_worker_is_in_one_place(acts in vec(anything(), 1..40)) {
        let start = vec![(0, 0, vec![(0, 2)]), (1, 1, vec![])];
        let mut file = file_of(&start).unwrap();
        let mut state = PoolsState::empty(settings(), CaDirectories::default());
        state.declare(&file, &settings(), 1).unwrap();
        holds(&state);
        let mut generation = 1;
        for act in &acts {
            generation += 1;
            let Some(next) = after(&state, act, generation) else { continue };
            holds(&next);
            if to_envoy(&next) != to_envoy(&state) {
                prop_assert!(next.generation > state.generation, "{act:?}");
            }
            if matches!(act, Operation::Label(..)) {
                prop_assert_eq!(next.generation, state.generation);
            }
            // A worker that has changed its pool has drained: it has no request in its old pool.
            for pool in &next.desired().pools {
                for worker in &pool.workers {
                    let before = state.records.get(&worker.worker);
                    let moves = before.is_some_and(|before| {
                        before.membership != Membership::Removed && before.pool_of_requests() != Some(&pool.name)
                    });
                    prop_assert!(!moves || matches!(act, Operation::Settle), "{} in {}: {act:?}", worker.worker, pool.name);
                }
            }
            if let Operation::File(pools) = act {
                file = file_of(pools).unwrap();
            }
            state = next;
            // The stored state is the whole state: a start with the same file changes nothing.
            let mut again = state.clone();
            again.declare(&file, &settings(), generation + 1).unwrap();
            prop_assert!(state.writes_to(&again).unwrap().is_empty(), "{act:?}");
        }
        // Once everything has settled, the only draining workers are those that are cordoned, down, or in a removed
        // pool.
        if let Some(rest) = after(&state, &Operation::Settle, generation + 1) {
            state = rest;
        }
        prop_assert_eq!(state.draining().count(), 0);
    }
}
