use slotway_config::{PoolName, PoolReport, WorkerReport, WorkerUrl};

use crate::coordinators::Latest;

/// What the coordinators say, as far as it is shown. Figures that are out of date are shown, with their age, only as long as there are
/// no better ones.
pub(super) struct Figures<'a> {
    shown: Vec<&'a Latest>,
    is_fresh: bool,
}

impl<'a> Figures<'a> {
    pub(super) fn new(reports: &'a [Latest]) -> Self {
        let fresh: Vec<_> = reports.iter().filter(|report| report.is_fresh()).collect();
        let is_fresh = !fresh.is_empty();
        Self { shown: if is_fresh { fresh } else { reports.iter().collect() }, is_fresh }
    }

    /// Whether they are recent enough to be taken for what holds now.
    pub(super) fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    /// How many coordinators they are of.
    pub(super) fn coordinators(&self) -> usize {
        self.shown.len()
    }

    /// A worker's, of each coordinator that has it.
    pub(super) fn worker(&self, url: &WorkerUrl) -> Vec<&'a WorkerReport> {
        self.shown.iter().filter_map(|report| report.workers.get(url)).collect()
    }

    /// A pool's, of each coordinator that has it, with how old they are.
    pub(super) fn pool(&self, name: &PoolName) -> Vec<(&'a PoolReport, u64)> {
        let of = |report: &&'a Latest| {
            let pool = report.pools.iter().find(|line| line.pool == *name)?;
            Some((pool, age_ms(report)))
        };
        self.shown.iter().filter_map(of).collect()
    }

    /// How old the oldest of them is, in milliseconds.
    pub(super) fn age_ms(&self) -> Option<u64> {
        self.shown.iter().map(|report| age_ms(report)).max()
    }

    /// The oldest generation in force at one of them.
    pub(super) fn generation_in_force(&self) -> Option<u64> {
        self.shown.iter().map(|report| report.generation).min()
    }
}

fn age_ms(report: &Latest) -> u64 {
    u64::try_from(report.age.as_millis()).unwrap_or(u64::MAX)
}

/// The sum of a figure over the coordinators; none where nobody reports it.
pub(super) fn total<T>(of: &[T], figure: impl Fn(&T) -> u32) -> Option<u32> {
    of.iter().map(figure).reduce(u32::saturating_add)
}
