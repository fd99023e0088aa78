use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, VecDeque},
};

use clap::ValueEnum;

use crate::commands::{json_resource::JsonResource, kind::Kind, live::Change};

/// The largest number of samples of a history.
pub(super) const HISTORY_MAX: usize = 240;

/// The state of `top` without clock and terminal: figures and display settings.
#[derive(Debug)]
pub(super) struct Board {
    /// The address of the control plane.
    pub(super) origin: String,
    /// The state of the connection.
    pub(super) link: Link,
    /// The pools by name.
    pub(super) pools: BTreeMap<String, Pool>,
    /// The workers by name.
    pub(super) workers: BTreeMap<String, Worker>,
    /// The state of each Envoy by node id.
    pub(super) coordinators: BTreeMap<String, String>,
    /// The order of the workers.
    pub(super) order: Order,
    /// Whether the order is reversed.
    pub(super) reversed: bool,
    /// The only shown pool; all if none.
    pub(super) only: Option<String>,
    /// The index of the first shown worker.
    pub(super) first: usize,
    /// Whether updates are paused.
    pub(super) is_paused: bool,
    /// Whether the keys are shown.
    pub(super) tells_keys: bool,
    /// The changes since the pause.
    held: Vec<Change>,
}

/// The state of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    /// Changes arrive.
    Live,
    /// The control plane cannot be reached; the figures are old.
    Lost(String),
}

/// A pool and its observed maxima.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pool {
    pub(super) free: Option<u64>,
    pub(super) in_flight: Option<u64>,
    pub(super) in_flight_high: u64,
    pub(super) slots: Option<u64>,
    pub(super) waiting: Option<u64>,
    pub(super) waiting_high: u64,
    pub(super) oldest_wait_ms: u64,
    /// The largest number of waiting requests of each second, the newest last.
    pub(super) history: VecDeque<u64>,
    /// The largest number of waiting requests since the last sample.
    peak: u64,
    position: u64,
}

/// A worker and its observed maxima.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Worker {
    pub(super) pool: String,
    pub(super) state: String,
    pub(super) capacity: u64,
    pub(super) in_flight: Option<u64>,
    pub(super) in_flight_high: u64,
    pub(super) free: Option<u64>,
    pub(super) parked: u64,
}

/// The order of workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Order {
    /// By pool and name
    #[default]
    Pool,
    /// By name
    Name,
    /// By state
    State,
    /// Most requests first
    InFlight,
    /// Most free slots first
    Free,
    /// Largest capacity first
    Capacity,
}

impl Order {
    const ALL: [Self; 6] = [Self::Pool, Self::Name, Self::State, Self::InFlight, Self::Free, Self::Capacity];

    /// Returns the name of the order.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Pool => "pool",
            Self::Name => "name",
            Self::State => "state",
            Self::InFlight => "in flight",
            Self::Free => "free",
            Self::Capacity => "capacity",
        }
    }

    /// Returns the next order, after the last the first.
    pub(super) fn next(self) -> Self {
        let at = Self::ALL.iter().position(|order| *order == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    fn compare(self, (a_name, a): (&str, &Worker), (b_name, b): (&str, &Worker)) -> Ordering {
        let by = match self {
            Self::Pool => a.pool.cmp(&b.pool),
            Self::Name => Ordering::Equal,
            Self::State => a.state.cmp(&b.state),
            Self::InFlight => b.in_flight.cmp(&a.in_flight),
            Self::Free => b.free.cmp(&a.free),
            Self::Capacity => b.capacity.cmp(&a.capacity),
        };
        by.then_with(|| a_name.cmp(b_name))
    }
}

impl Board {
    /// Returns an empty board.
    pub(super) fn new(origin: String, order: Order, only: Option<String>) -> Self {
        Self {
            origin,
            link: Link::Live,
            pools: BTreeMap::new(),
            workers: BTreeMap::new(),
            coordinators: BTreeMap::new(),
            order,
            reversed: false,
            only,
            first: 0,
            is_paused: false,
            tells_keys: false,
            held: Vec::new(),
        }
    }

    /// Applies changes, or holds them while paused. Only the newest change of each resource is held.
    pub(super) fn take(&mut self, changes: Vec<Change>) {
        if !self.is_paused {
            changes.into_iter().for_each(|change| self.take_one(change));
            return;
        }
        let newer: BTreeSet<_> = changes.iter().map(|change| (change.kind, change.name.clone())).collect();
        self.held.retain(|change| !newer.contains(&(change.kind, change.name.clone())));
        self.held.extend(changes);
    }

    /// Pauses, or resumes with the held changes.
    pub(super) fn pause(&mut self) {
        self.is_paused = !self.is_paused;
        let held = std::mem::take(&mut self.held);
        self.take(held);
    }

    /// Adds a sample to each history; called once a second.
    pub(super) fn sample(&mut self) {
        if self.is_paused {
            return;
        }
        for pool in self.pools.values_mut() {
            if pool.history.len() >= HISTORY_MAX {
                pool.history.pop_front();
            }
            pool.history.push_back(pool.peak);
            pool.peak = pool.waiting.unwrap_or_default();
        }
    }

    /// Returns the shown pools, in the order in which their matches are tried.
    pub(super) fn pools_shown(&self) -> Vec<(&str, &Pool)> {
        let shown = self.pools.iter().map(|(name, pool)| (name.as_str(), pool));
        let mut shown: Vec<_> = shown.filter(|(name, _)| self.shows(name)).collect();
        shown.sort_by_key(|(name, pool)| (pool.position, *name));
        shown
    }

    /// Returns the shown workers in order.
    pub(super) fn workers_shown(&self) -> Vec<(&str, &Worker)> {
        let shown = self.workers.iter().map(|(name, worker)| (name.as_str(), worker));
        let mut shown: Vec<_> = shown.filter(|(_, worker)| self.shows(&worker.pool)).collect();
        shown.sort_by(|a, b| self.order.compare(*a, *b));
        if self.reversed {
            shown.reverse();
        }
        shown
    }

    /// Shows only the next pool, and after the last one all of them.
    pub(super) fn next_pool(&mut self) {
        let names: Vec<_> = self.pools.keys().collect();
        let next = match &self.only {
            None => names.first(),
            Some(only) => names.iter().find(|name| **name > only),
        };
        self.only = next.map(|name| (*name).clone());
        self.first = 0;
    }

    fn shows(&self, pool: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == pool)
    }

    fn take_one(&mut self, change: Change) {
        let Change { kind, name, now } = change;
        match now {
            Some(resource) if kind == Kind::POOL => self.pools.entry(name).or_default().take(&resource),
            Some(resource) if kind == Kind::WORKER => self.workers.entry(name).or_default().take(&resource),
            Some(resource) if kind == Kind::COORDINATOR => {
                let state = resource.text("status.state").unwrap_or_default().to_owned();
                self.coordinators.insert(name, state);
            }
            None if kind == Kind::POOL => drop(self.pools.remove(&name)),
            None if kind == Kind::WORKER => drop(self.workers.remove(&name)),
            None if kind == Kind::COORDINATOR => drop(self.coordinators.remove(&name)),
            _ => {}
        }
    }
}

impl Pool {
    fn take(&mut self, resource: &JsonResource) {
        self.free = resource.number("status.free");
        self.in_flight = resource.number("status.in_flight");
        self.slots = resource.number("status.slots");
        self.waiting = resource.number("status.waiting");
        self.oldest_wait_ms = resource.number("status.oldest_wait_ms").unwrap_or_default();
        self.position = resource.number("spec.position").unwrap_or(self.position);
        self.in_flight_high = self.in_flight_high.max(self.in_flight.unwrap_or_default());
        self.waiting_high = self.waiting_high.max(self.waiting.unwrap_or_default());
        self.peak = self.peak.max(self.waiting.unwrap_or_default());
    }
}

impl Worker {
    fn take(&mut self, resource: &JsonResource) {
        resource.text("spec.pool").unwrap_or_default().clone_into(&mut self.pool);
        resource.text("status.state").unwrap_or("unknown").clone_into(&mut self.state);
        self.capacity = resource.number("spec.capacity").unwrap_or_default();
        self.in_flight = resource.number("status.in_flight");
        self.free = resource.number("status.free");
        self.parked = resource.number("status.parked").unwrap_or_default();
        self.in_flight_high = self.in_flight_high.max(self.in_flight.unwrap_or_default());
    }
}
