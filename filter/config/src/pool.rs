use std::collections::{HashMap, hash_map::Entry};

use serde::{Deserialize, Serialize};

use crate::{
    FieldError, PoolMatch, PoolName, Scheme, WaitDuration, Worker, limits,
    policy::{
        Policy, default_abandoned_hold, default_answer_timeout, default_free_worker_timeout,
        default_max_waiting, max_waiting,
    },
};

/// Workers of one usage, with one slot queue, one waiting line and one policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// The pool's name.
    pub name: PoolName,
    /// Which requests belong to it; all, if absent.
    #[serde(default, rename = "match")]
    pub matches: PoolMatch,
    /// How long a request waits for a slot before it gets 503; `0` refuses at once. A client may ask for
    /// less.
    #[serde(default = "default_free_worker_timeout")]
    pub free_worker_timeout: WaitDuration,
    /// How many requests may wait; the next one is refused at once.
    #[serde(default = "default_max_waiting", deserialize_with = "max_waiting")]
    pub max_waiting: u32,
    /// How long a slot stays taken after its request was abandoned (client gone, route timeout), for workers
    /// that go on computing when their caller has gone.
    #[serde(default = "default_abandoned_hold")]
    pub abandoned_hold: WaitDuration,
    /// How long a worker may take for its whole answer, from the end of the request; `0` is for ever. Time
    /// spent waiting for a slot does not count.
    #[serde(default = "default_answer_timeout")]
    pub answer_timeout: WaitDuration,
    /// The workers.
    #[serde(default)]
    pub workers: Vec<Worker>,
}

impl Pool {
    /// A pool with the default policy and no workers.
    #[must_use]
    pub fn new(name: PoolName, matches: PoolMatch) -> Self {
        let Policy { free_worker_timeout, max_waiting, abandoned_hold, answer_timeout } = Policy::default();
        let workers = Vec::new();
        Self { name, matches, free_worker_timeout, max_waiting, abandoned_hold, answer_timeout, workers }
    }

    /// The longest that a request can have a slot, in milliseconds: Envoy ends it then. `None`: for ever.
    #[must_use]
    pub fn held_ms_max(&self) -> Option<u64> {
        let stream_ms = self.stream_ms_max()?;
        Some(stream_ms + self.abandoned_hold.as_ms())
    }

    /// The longest that a request's stream can last, in milliseconds, waiting and sending included. `None`: for ever.
    #[must_use]
    pub fn stream_ms_max(&self) -> Option<u64> {
        let answer_ms = self.answer_timeout.as_ms();
        (answer_ms > 0).then(|| self.free_worker_timeout.as_ms() + limits::UPLOAD_MS_MAX + answer_ms)
    }
}

/// Finds what no single value shows: a name, a match or a worker that stands twice, too many of something,
/// TLS settings for plain HTTP. A worker belongs to one pool only, since its capacity is one.
///
/// # Errors
/// The first [`FieldError`], its path relative to the list, for example `pools[1].workers[0].worker`.
pub fn check_pools(pools: &[Pool]) -> Result<(), FieldError> {
    if pools.len() > limits::POOLS_MAX {
        let reason = format!("{} pools are too many: at most {}", pools.len(), limits::POOLS_MAX);
        return Err(FieldError::new("pools".to_owned(), reason));
    }
    let mut names = HashMap::new();
    let mut matches = HashMap::new();
    let mut workers = HashMap::new();
    for (p, pool) in pools.iter().enumerate() {
        once(&mut names, &pool.name, format!("pools[{p}].name"), "two pools cannot have one name")?;
        once(&mut matches, &pool.matches, format!("pools[{p}].match"), "two pools cannot have one match")?;
        if pool.workers.len() > limits::WORKERS_PER_POOL_MAX {
            let reason = format!(
                "{} workers are too many: at most {}",
                pool.workers.len(),
                limits::WORKERS_PER_POOL_MAX
            );
            return Err(FieldError::new(format!("pools[{p}].workers"), reason));
        }
        let slots: u64 = pool.workers.iter().map(|worker| u64::from(worker.capacity.get())).sum();
        if slots > limits::SLOTS_PER_POOL_MAX {
            let reason =
                format!("{slots} slots in one pool are too many: at most {}", limits::SLOTS_PER_POOL_MAX);
            return Err(FieldError::new(format!("pools[{p}].workers"), reason));
        }
        for (w, worker) in pool.workers.iter().enumerate() {
            let path = format!("pools[{p}].workers[{w}]");
            let twice = "the same worker cannot stand twice";
            once(&mut workers, &worker.worker, format!("{path}.worker"), twice)?;
            if worker.tls.is_some() && worker.worker.scheme() == Scheme::Http {
                let reason = "only an https worker can have TLS settings".to_owned();
                return Err(FieldError::new(format!("{path}.tls"), reason));
            }
        }
    }
    Ok(())
}

/// Refuses a second `key`, naming where the first one stands.
fn once<K: std::hash::Hash + Eq>(
    seen: &mut HashMap<K, String>,
    key: K,
    path: String,
    rule: &str,
) -> Result<(), FieldError> {
    match seen.entry(key) {
        Entry::Occupied(first) => Err(FieldError::new(path, format!("{rule}; the first is {}", first.get()))),
        Entry::Vacant(place) => {
            place.insert(path);
            Ok(())
        }
    }
}
