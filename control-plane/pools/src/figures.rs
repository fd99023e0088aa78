use slotway_config::{PoolName, PoolReport, WorkerReport, WorkerUrl};

use crate::CoordinatorFigures;

/// The figures of the coordinators that are shown: fresh ones, or outdated ones if no coordinator has fresh ones.
pub(crate) struct Figures<'a> {
    shown: Vec<&'a CoordinatorFigures>,
    is_fresh: bool,
}

impl<'a> Figures<'a> {
    pub(crate) fn new(latest: &'a [CoordinatorFigures]) -> Self {
        let fresh: Vec<_> = latest.iter().filter(|figures| figures.is_fresh()).collect();
        let is_fresh = !fresh.is_empty();
        Self { shown: if is_fresh { fresh } else { latest.iter().collect() }, is_fresh }
    }

    /// Returns whether they are recent enough to count as current.
    pub(crate) fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    /// Returns the number of coordinators.
    pub(crate) fn coordinators(&self) -> usize {
        self.shown.len()
    }

    /// Returns the reports about a worker of all coordinators that have it.
    pub(crate) fn worker(&self, url: &WorkerUrl) -> Vec<&'a WorkerReport> {
        self.shown.iter().filter_map(|figures| figures.workers.get(url)).collect()
    }

    /// Returns the reports about a pool of all coordinators that have it, with their age in milliseconds.
    pub(crate) fn pool(&self, name: &PoolName) -> Vec<(&'a PoolReport, u64)> {
        let of = |figures: &&'a CoordinatorFigures| {
            let pool = figures.pools.iter().find(|line| line.pool == *name)?;
            Some((pool, age_ms(figures)))
        };
        self.shown.iter().filter_map(of).collect()
    }

    /// Returns the age of the oldest of them, in milliseconds.
    pub(crate) fn age_ms(&self) -> Option<u64> {
        self.shown.iter().map(|figures| age_ms(figures)).max()
    }

    /// Returns the oldest generation that is in force at any of the coordinators.
    pub(crate) fn generation_in_force(&self) -> Option<u64> {
        self.shown.iter().map(|figures| figures.generation).min()
    }
}

fn age_ms(figures: &CoordinatorFigures) -> u64 {
    u64::try_from(figures.age.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the sum of a figure over the coordinators; none if no coordinator reports it.
pub(crate) fn total<T>(of: &[T], figure: impl Fn(&T) -> u32) -> Option<u32> {
    of.iter().map(figure).reduce(u32::saturating_add)
}
