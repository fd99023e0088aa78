use std::collections::{HashMap, hash_map::Entry};

use serde::{Deserialize, Serialize};

use crate::{
    FieldError, PoolMatch, PoolName, WaitDuration, Worker, limits,
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
    /// Which requests belong to the pool; all, if absent.
    #[serde(default, rename = "match")]
    pub matches: PoolMatch,
    /// How long a request waits for a slot before it gets 503; `0` refuses at once. A client may ask for
    /// less.
    #[serde(default = "default_free_worker_timeout")]
    pub free_worker_timeout: WaitDuration,
    /// Most requests that may wait; further ones are refused at once.
    #[serde(default = "default_max_waiting", deserialize_with = "max_waiting")]
    pub max_waiting: u32,
    /// How long a slot is held after its request was abandoned (client gone, route timeout). For workers that continue to compute
    /// when the connection is closed.
    #[serde(default = "default_abandoned_hold")]
    pub abandoned_hold: WaitDuration,
    /// How long a worker may take for its whole answer, from the end of the request; `0` for no limit. The wait for a slot does
    /// not count.
    #[serde(default = "default_answer_timeout")]
    pub answer_timeout: WaitDuration,
    /// The workers.
    #[serde(default)]
    pub workers: Vec<Worker>,
}

impl Pool {
    /// Returns a pool with the default policy and no workers.
    #[must_use]
    pub fn new(name: PoolName, matches: PoolMatch) -> Self {
        let Policy { free_worker_timeout, max_waiting, abandoned_hold, answer_timeout } = Policy::default();
        let workers = Vec::new();
        Self { name, matches, free_worker_timeout, max_waiting, abandoned_hold, answer_timeout, workers }
    }

    /// Returns the pool's policy.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy {
            free_worker_timeout: self.free_worker_timeout,
            max_waiting: self.max_waiting,
            abandoned_hold: self.abandoned_hold,
            answer_timeout: self.answer_timeout,
        }
    }

    /// Returns the pool with this policy.
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Self {
        let Policy { free_worker_timeout, max_waiting, abandoned_hold, answer_timeout } = policy;
        Self { free_worker_timeout, max_waiting, abandoned_hold, answer_timeout, ..self }
    }

    /// Returns the longest time for which a request can hold a slot, in milliseconds. Envoy ends it then. `None`: no limit.
    #[must_use]
    pub fn held_ms_max(&self) -> Option<u64> {
        let stream_ms = self.stream_ms_max()?;
        Some(stream_ms + self.abandoned_hold.as_ms())
    }

    /// Returns the longest duration of a request's stream, in milliseconds, including waiting and sending. `None`: no limit.
    #[must_use]
    pub fn stream_ms_max(&self) -> Option<u64> {
        let answer_ms = self.answer_timeout.as_ms();
        (answer_ms > 0).then(|| self.free_worker_timeout.as_ms() + limits::UPLOAD_MS_MAX + answer_ms)
    }
}

/// Checks for values that contradict each other: a name, a match or a worker that is listed twice, too many pools, workers or
/// slots, TLS settings for plain HTTP. A worker belongs to one pool only.
///
/// # Errors
/// The first [`FieldError`], with a path relative to the list, for example `pools[1].workers[0].worker`.
pub fn check_pools(pools: &[Pool]) -> Result<(), FieldError> {
    if pools.len() > limits::POOLS_MAX {
        let reason = format!("{} pools are too many: at most {}", pools.len(), limits::POOLS_MAX);
        return Err(FieldError::new("pools".to_owned(), reason));
    }
    let mut names = HashMap::new();
    let mut matches = HashMap::new();
    let mut workers = HashMap::new();
    for (p, pool) in pools.iter().enumerate() {
        once(&mut names, &pool.name, p, format!("pools[{p}].name"), "two pools cannot have one name")?;
        once(&mut matches, &pool.matches, p, format!("pools[{p}].match"), "two pools cannot have one match")?;
        if pool.workers.len() > limits::WORKERS_PER_POOL_MAX {
            let reason = format!(
                "{} workers are too many: at most {}",
                pool.workers.len(),
                limits::WORKERS_PER_POOL_MAX
            );
            return Err(FieldError::of_pool(p, format!("pools[{p}].workers"), reason));
        }
        let slots: u64 = pool.workers.iter().map(|worker| u64::from(worker.capacity.get())).sum();
        if slots > limits::SLOTS_PER_POOL_MAX {
            let reason =
                format!("{slots} slots in one pool are too many: at most {}", limits::SLOTS_PER_POOL_MAX);
            return Err(FieldError::of_pool(p, format!("pools[{p}].workers"), reason));
        }
        for (w, worker) in pool.workers.iter().enumerate() {
            let path = format!("pools[{p}].workers[{w}]");
            let twice = "the same worker cannot stand twice";
            once(&mut workers, &worker.worker, p, format!("{path}.worker"), twice)?;
            if let Some((setting, reason)) = worker.contradiction() {
                let path = format!("{path}.{}", setting.as_str());
                return Err(FieldError::of_pool(p, path, reason.to_owned()));
            }
        }
    }
    Ok(())
}

/// Refuses a second `key`, in the pool with this index, and names the path of the first one.
fn once<K: std::hash::Hash + Eq>(
    seen: &mut HashMap<K, String>,
    key: K,
    pool: usize,
    path: String,
    rule: &str,
) -> Result<(), FieldError> {
    match seen.entry(key) {
        Entry::Occupied(first) => {
            Err(FieldError::of_pool(pool, path, format!("{rule}; the first is {}", first.get())))
        }
        Entry::Vacant(place) => {
            place.insert(path);
            Ok(())
        }
    }
}
