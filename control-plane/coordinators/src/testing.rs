//! Values for tests.

use slotway_config::{Capacity, Pool, PoolMatch, Protocol, Worker};
use slotway_pools::{DEFAULT_READY_PATH, Desired, ListenerSettings};

pub(crate) fn worker(url: &str, capacity: u32) -> Worker {
    Worker {
        worker: url.parse().unwrap(),
        capacity: Capacity::new(capacity).unwrap(),
        protocol: Protocol::Http1,
        connections: None,
        tls: None,
    }
}

/// Returns a desired state with one pool of these workers.
pub(crate) fn desired(generation: u64, workers: &[(&str, u32)]) -> Desired {
    let mut pool = Pool::new("main".parse().unwrap(), PoolMatch::default());
    pool.workers = workers.iter().map(|(url, capacity)| worker(url, *capacity)).collect();
    Desired {
        generation,
        revision: generation,
        pools: vec![pool],
        draining: Vec::new(),
        listener: ListenerSettings {
            listen: "127.0.0.1:10000".parse().unwrap(),
            debug_headers: false,
            lane_lease: slotway_config::default_lane_lease(),
            access_log: None,
            filter_wasm: "/slotway_filter.wasm".into(),
            ready_path: DEFAULT_READY_PATH.to_owned(),
            groups: Default::default(),
            lanes: 2,
        },
    }
}
