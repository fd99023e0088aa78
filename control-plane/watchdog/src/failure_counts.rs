//! Distinguishes a failure of the watchdog's own network from failures of workers.
//!
//! To a watchdog without network, all workers fail at once; taking all of them out would stop a working service. So a
//! worker is taken out only while at most half of the probed workers of its pool, and at most half of all, fail. If all
//! failing workers are on one host, the host has more likely failed than the watchdog's network, and they are taken
//! out.

use std::collections::HashMap;

use slotway_config::{PoolName, WorkerUrl};

/// The numbers of failing workers, for each pool and for all pools together.
#[derive(Debug, Default)]
pub(crate) struct FailureCounts {
    all: Count,
    by_pool: HashMap<PoolName, Count>,
}

/// The number of probed workers, and of those with a failed last probe.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    probed: usize,
    failing: usize,
    /// The number of failing workers on each host that has any.
    hosts: HashMap<String, usize>,
}

impl FailureCounts {
    /// Adds a worker after its first probe.
    pub(crate) fn add(&mut self, pool: &PoolName, worker: &WorkerUrl, fails: bool) {
        self.all.add(worker, fails);
        self.by_pool.entry(pool.clone()).or_default().add(worker, fails);
    }

    /// Removes a worker. Pass the same arguments as to [`Self::add`].
    pub(crate) fn remove(&mut self, pool: &PoolName, worker: &WorkerUrl, fails: bool) {
        self.all.remove(worker, fails);
        if let Some(count) = self.by_pool.get_mut(pool) {
            count.remove(worker, fails);
            if count.probed == 0 {
                self.by_pool.remove(pool);
            }
        }
    }

    /// Returns whether so many workers fail that no further worker of this pool may be taken out.
    pub(crate) fn is_cut_off(&self, pool: &PoolName) -> bool {
        self.all.is_cut_off() || self.by_pool.get(pool).is_some_and(Count::is_cut_off)
    }
}

impl Count {
    fn add(&mut self, worker: &WorkerUrl, fails: bool) {
        self.probed += 1;
        if fails {
            self.failing += 1;
            *self.hosts.entry(worker.host().to_owned()).or_default() += 1;
        }
    }

    fn remove(&mut self, worker: &WorkerUrl, fails: bool) {
        self.probed = self.probed.saturating_sub(1);
        if fails {
            self.failing = self.failing.saturating_sub(1);
            if let Some(here) = self.hosts.get_mut(worker.host()) {
                *here = here.saturating_sub(1);
                if *here == 0 {
                    self.hosts.remove(worker.host());
                }
            }
        }
    }

    fn is_cut_off(&self) -> bool {
        2 * self.failing > self.probed && self.hosts.len() > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each row has probed workers as `pool host fails`, and whether the pool `a` is cut off.
    #[test]
    fn a_pool_is_cut_off_if_more_than_half_fail_on_several_hosts() {
        for (workers, cut_off) in [
            ("", false),
            ("a 1 no", false),
            ("a 1 yes", false),
            ("a 1 yes, a 1 yes, a 1 yes", false),
            ("a 1 yes, a 2 no", false),
            ("a 1 yes, a 2 yes, a 3 no, a 4 no", false),
            ("a 1 yes, a 2 yes, a 3 no", true),
            ("a 1 yes, a 2 yes", true),
            ("a 1 yes, b 2 yes", true),
            ("a 1 yes, b 1 yes", false),
            ("a 1 yes, a 2 yes, b 3 no, b 4 no", true),
            ("a 1 yes, b 3 yes, b 4 yes, a 5 no, a 6 no, a 7 no", false),
        ] {
            let mut counts = FailureCounts::default();
            let each: Vec<_> = workers
                .split(", ")
                .filter(|line| !line.is_empty())
                .enumerate()
                .map(|(port, line)| {
                    let words: Vec<_> = line.split(' ').collect();
                    let pool: PoolName = words[0].parse().unwrap();
                    let worker: WorkerUrl =
                        format!("http://10.0.0.{}:{}", words[1], port + 1).parse().unwrap();
                    (pool, worker, words[2] == "yes")
                })
                .collect();
            each.iter().for_each(|(pool, worker, fails)| counts.add(pool, worker, *fails));
            assert_eq!(counts.is_cut_off(&"a".parse().unwrap()), cut_off, "{workers}");
            each.iter().for_each(|(pool, worker, fails)| counts.remove(pool, worker, *fails));
            assert_eq!((&counts.all, counts.by_pool.len()), (&Count::default(), 0), "{workers}");
        }
    }
}
