//! Whether it is rather the watchdog that is cut off than the workers that have failed.
//!
//! A watchdog whose own network is cut finds that everything fails at once; to take everything out would stop a service that works. So a worker
//! is taken out only while at most half of the watched workers of its pool, and at most half of all, fail; unless those that fail
//! are all on one host, which then is the likelier to have failed.

use std::collections::HashMap;

use slotway_config::{PoolName, WorkerUrl};

/// How many workers fail, in each pool and in all.
#[derive(Debug, Default)]
pub(super) struct Census {
    all: Count,
    by_pool: HashMap<PoolName, Count>,
}

/// Workers that have been asked, and those that failed when they were last asked.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    asked: usize,
    failing: usize,
    /// Of each host on which some fail, how many.
    hosts: HashMap<String, usize>,
}

impl Census {
    /// Counts a worker that has been asked.
    pub(super) fn add(&mut self, pool: &PoolName, worker: &WorkerUrl, fails: bool) {
        self.all.add(worker, fails);
        self.by_pool.entry(pool.clone()).or_default().add(worker, fails);
    }

    /// Counts it no longer. It must have been added with the same words.
    pub(super) fn remove(&mut self, pool: &PoolName, worker: &WorkerUrl, fails: bool) {
        self.all.remove(worker, fails);
        if let Some(count) = self.by_pool.get_mut(pool) {
            count.remove(worker, fails);
            if count.asked == 0 {
                self.by_pool.remove(pool);
            }
        }
    }

    /// Whether so many fail that no more of this pool may be taken out.
    pub(super) fn is_cut_off(&self, pool: &PoolName) -> bool {
        self.all.is_cut_off() || self.by_pool.get(pool).is_some_and(Count::is_cut_off)
    }
}

impl Count {
    fn add(&mut self, worker: &WorkerUrl, fails: bool) {
        self.asked += 1;
        if fails {
            self.failing += 1;
            *self.hosts.entry(worker.host().to_owned()).or_default() += 1;
        }
    }

    fn remove(&mut self, worker: &WorkerUrl, fails: bool) {
        self.asked = self.asked.saturating_sub(1);
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
        2 * self.failing > self.asked && self.hosts.len() > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asked workers as `pool host fails` each, and whether the pool `a` is cut off.
    #[test]
    fn it_is_cut_off_where_more_than_half_fail_on_several_hosts() {
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
            let mut census = Census::default();
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
            each.iter().for_each(|(pool, worker, fails)| census.add(pool, worker, *fails));
            assert_eq!(census.is_cut_off(&"a".parse().unwrap()), cut_off, "{workers}");
            each.iter().for_each(|(pool, worker, fails)| census.remove(pool, worker, *fails));
            assert_eq!((&census.all, census.by_pool.len()), (&Count::default(), 0), "{workers}");
        }
    }
}
