//! Bounds: numbers by name on which a root counts. A higher bound does no harm, a lower one may; so where several sets of bounds
//! may be in use, the highest number of each name holds, and a lowered number comes into force later than the root that needs
//! less.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    recent::Recent,
    resource_set::{ResourceSet, XdsResource},
};

/// How a source writes down its bounds.
#[derive(Debug)]
pub struct BoundsFormat {
    /// Makes the one resource that carries all of them. Equal bounds make equal resources.
    pub encode: fn(&BTreeMap<String, u32>) -> XdsResource,
    /// A bound that is higher than every other one.
    pub open: u32,
}

/// A number for each name, and the resource that carries them.
#[derive(Debug)]
pub struct Bounds {
    by_name: BTreeMap<String, u32>,
    format: &'static BoundsFormat,
    encoded: OnceLock<Arc<ResourceSet>>,
    /// The higher ones of these and others, by the version of the others; `None` where these are no lower.
    raised: Recent<Option<Arc<Self>>>,
}

impl Bounds {
    /// Returns bounds of these numbers by name.
    pub fn new(format: &'static BoundsFormat, bounds: impl IntoIterator<Item = (String, u32)>) -> Self {
        Self {
            by_name: bounds.into_iter().collect(),
            format,
            encoded: OnceLock::new(),
            raised: Recent::default(),
        }
    }

    /// Returns bounds of the same names that bound nothing.
    pub(crate) fn open(&self) -> Self {
        Self::new(self.format, self.by_name.keys().map(|name| (name.clone(), self.format.open)))
    }

    /// Returns the bound of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// Returns the names whose bound is lower in `next` or missing from it, each with its bound here.
    fn lowered_in<'a>(&'a self, next: &'a Self) -> impl Iterator<Item = (&'a str, u32)> {
        let lowered =
            |(name, bound): &(&String, &u32)| next.by_name.get(*name).is_none_or(|next| next < *bound);
        self.by_name.iter().filter(lowered).map(|(name, bound)| (name.as_str(), *bound))
    }

    /// Returns whether no name has a lower bound here than in `other`.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || self.raised_to(other).is_none()
    }

    /// Returns the highest bound of each name in `first` and `others`.
    pub(crate) fn highest<'a>(
        first: &'a Arc<Self>,
        others: impl IntoIterator<Item = &'a Arc<Self>>,
    ) -> Arc<Self> {
        others.into_iter().fold(first.clone(), |highest, bounds| {
            if Arc::ptr_eq(&highest, bounds) {
                return highest;
            }
            highest.raised_to(bounds).as_ref().clone().unwrap_or(highest)
        })
    }

    /// Returns the higher ones of these and `other`; `None` where these are no lower. A thousand nodes need the same, so the
    /// result is kept.
    fn raised_to(&self, other: &Self) -> Arc<Option<Arc<Self>>> {
        let version = other.resources().version();
        if version == self.resources().version() {
            return Arc::new(None);
        }
        self.raised.recall(version).unwrap_or_else(|| {
            let mut highest = self.by_name.clone();
            for (name, bound) in &other.by_name {
                let own = highest.entry(name.clone()).or_default();
                *own = (*own).max(*bound);
            }
            let is_raised = highest != self.by_name;
            let raised = Arc::new(is_raised.then(|| Arc::new(Self::new(self.format, highest))));
            self.raised.remember(version, raised.clone());
            raised
        })
    }

    /// Returns the bounds as the one resource of their type.
    pub fn resources(&self) -> &Arc<ResourceSet> {
        self.encoded
            .get_or_init(|| Arc::new(ResourceSet::from_iter([Arc::new((self.format.encode)(&self.by_name))])))
    }
}

/// The bounds that a root needs, and the higher ones of earlier roots that are kept up for a while.
#[derive(Debug, Clone)]
pub struct LingeringBounds {
    needed: Arc<Bounds>,
    in_force: Arc<Bounds>,
    /// Bounds that were higher before, and until when each is kept up.
    peaks: Arc<BTreeMap<String, (u32, Instant)>>,
}

impl LingeringBounds {
    /// Returns bounds with nothing before them.
    #[must_use]
    pub fn new(needed: Bounds) -> Self {
        let needed = Arc::new(needed);
        Self { in_force: needed.clone(), needed, peaks: Arc::default() }
    }

    /// Returns the bounds for the root that follows at `now` and needs `next`: what it lowers is kept up for `linger`.
    #[must_use]
    pub fn followed_by(&self, next: Bounds, now: Instant, linger: Duration) -> Self {
        let mut peaks = BTreeMap::clone(&self.peaks);
        peaks.retain(|_, (_, until)| now < *until);
        for (name, bound) in self.needed.lowered_in(&next).filter(|_| !linger.is_zero()) {
            let peak = peaks.entry(name.to_owned()).or_insert((bound, now));
            *peak = (peak.0.max(bound), now + linger);
        }
        let format = next.format;
        let needed = Arc::new(next);
        let kept_up = Bounds::new(format, peaks.iter().map(|(name, (bound, _))| (name.clone(), *bound)));
        let in_force = Bounds::highest(&needed, [&Arc::new(kept_up)]);
        Self { needed, in_force, peaks: Arc::new(peaks) }
    }

    /// Returns what the root needs.
    #[must_use]
    pub fn needed(&self) -> &Arc<Bounds> {
        &self.needed
    }

    /// Returns what the node shall have: what the root needs, raised to what is kept up.
    #[must_use]
    pub fn in_force(&self) -> &Arc<Bounds> {
        &self.in_force
    }

    /// Returns when the next bound is no longer kept up; `None` if none is.
    #[must_use]
    pub fn until(&self) -> Option<Instant> {
        self.peaks.values().map(|(_, until)| *until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bounds;

    const LINGER: Duration = Duration::from_secs(5);
    const NAME: &str = "a";

    fn followed_by(bounds_before: &LingeringBounds, next: u32, now: Instant) -> LingeringBounds {
        let lingering = bounds_before.followed_by(bounds(&[(NAME, next)]), now, LINGER);
        assert!(lingering.in_force().covers(lingering.needed()));
        lingering
    }

    #[test]
    fn a_lowered_bound_is_kept_up_for_a_while_and_a_raised_one_is_there_at_once() {
        let start = Instant::now();
        let in_force = |lingering: &LingeringBounds| lingering.in_force().get(NAME).unwrap();
        let four = LingeringBounds::new(bounds(&[(NAME, 4)]));
        let one = followed_by(&four, 1, start);
        assert_eq!(in_force(&one), 4, "it is kept up");
        assert_eq!(one.until(), Some(start + LINGER));
        let six = followed_by(&one, 6, start + LINGER / 2);
        assert_eq!(in_force(&six), 6);
        let two = followed_by(&six, 2, start + LINGER / 2);
        assert_eq!(in_force(&two), 6, "lowered again, from the higher one");
        let still_two = followed_by(&two, 2, start + LINGER * 2);
        assert_eq!(in_force(&still_two), 2, "without another change");
        assert_eq!(still_two.until(), None);
    }

    #[test]
    fn a_name_that_goes_is_kept_up_like_a_lowered_one() {
        let now = Instant::now();
        let before = LingeringBounds::new(bounds(&[(NAME, 4), ("b", 1)]));
        let after = before.followed_by(bounds(&[("b", 1)]), now, LINGER);
        assert_eq!((after.in_force().get(NAME), after.needed().get(NAME)), (Some(4), None));
        let at_once = before.followed_by(bounds(&[("b", 1)]), now, Duration::ZERO);
        assert_eq!(at_once.in_force().get(NAME), None);
    }
}
