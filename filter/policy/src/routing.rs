//! The choice of a request's pool.

use slotway_config::PoolMatch;

/// Chooses a request's pool: the first pool whose match fits. `P` identifies a pool in the shell.
#[derive(Debug, Clone)]
pub struct PoolRouter<P> {
    pools: Vec<(PoolMatch, P)>,
    needs_path: bool,
}

impl<P: Copy> PoolRouter<P> {
    /// Makes a router of the pools in the order of their configuration.
    #[must_use]
    pub fn new(pools: Vec<(PoolMatch, P)>) -> Self {
        let needs_path = pools.first().is_some_and(|(matches, _)| !matches.is_all());
        Self { pools, needs_path }
    }

    /// Returns the pool of a request; `None` where no match fits. `path` is called only if the answer depends on it.
    #[must_use]
    pub fn route(&self, path: impl FnOnce() -> String) -> Option<P> {
        if !self.needs_path {
            return self.pools.first().map(|(_, pool)| *pool);
        }
        let path = path();
        self.pools.iter().find(|(matches, _)| matches.matches(&path)).map(|(_, pool)| *pool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching(prefix: &str) -> PoolMatch {
        PoolMatch { prefix: prefix.to_owned() }
    }

    #[test]
    fn the_first_match_that_fits_wins() {
        let router = PoolRouter::new(vec![(matching("/ocr/large"), 1), (matching("/ocr"), 2)]);
        assert_eq!(router.route(|| "/ocr/large/a?b".to_owned()), Some(1));
        assert_eq!(router.route(|| "/ocr/small".to_owned()), Some(2));
        assert_eq!(router.route(|| "/other".to_owned()), None);
    }

    #[test]
    fn a_first_pool_that_takes_every_request_needs_no_path() {
        let router = PoolRouter::new(vec![(matching("/"), 1), (matching("/ocr"), 2)]);
        assert_eq!(router.route(|| unreachable!("the path is not needed")), Some(1));
        assert_eq!(PoolRouter::<u8>::new(Vec::new()).route(String::new), None);
    }
}
