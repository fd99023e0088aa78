use serde::{Deserialize, Serialize};
use slotway_config::{PoolName, WaitDuration, Worker};

use crate::{Cordon, Health, Heartbeat, Labels, Notes};

/// A worker as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerRecord {
    /// Its position among the workers of its pool; lower ones come first.
    pub position: u64,
    /// Its pool and settings in force.
    #[serde(flatten)]
    pub entry: PoolWorker,
    /// The configuration file's entry when it was last read; `None` for a worker that only REST created. An edited
    /// entry wins over a change over REST, an unchanged one does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<PoolWorker>,
    /// Whether it is in its pool.
    #[serde(rename = "standing")]
    pub membership: Membership,
    /// The pool that the worker drains from, if it is not the pool of its entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves: Option<PoolName>,
    /// The operator's cordon: the worker gets no requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cordoned: Option<Cordon>,
    /// The operator's labels.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// The operator's notes.
    #[serde(default, skip_serializing_if = "Notes::is_empty")]
    pub notes: Notes,
    /// Its heartbeat; without one it is not probed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Heartbeat>,
    /// The duration of its slow start; none if the whole capacity returns at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<WaitDuration>,
    /// Whether it answers its heartbeat. Only the watchdog writes it.
    #[serde(default, skip_serializing_if = "Health::is_up")]
    pub health: Health,
    /// The revision of the store that wrote it; 0 if it is not stored yet.
    #[serde(skip)]
    pub revision: u64,
}

impl WorkerRecord {
    /// Returns a worker that takes requests, with nothing else set.
    pub(crate) fn new(position: u64, entry: PoolWorker) -> Self {
        Self {
            position,
            entry,
            declared: None,
            membership: Membership::Active,
            leaves: None,
            cordoned: None,
            labels: Labels::default(),
            notes: Notes::default(),
            heartbeat: None,
            slow_start: None,
            health: Health::Up,
            revision: 0,
        }
    }

    /// Returns the worker for its pool's configuration, with the capacity in force; none if it gets no requests.
    pub(crate) fn in_force(&self) -> Option<Worker> {
        if self.membership != Membership::Active || self.cordoned.is_some() {
            return None;
        }
        let worker = &self.entry.worker;
        let capacity = self.health.capacity_in_force(worker.capacity)?;
        Some(Worker { capacity, ..worker.clone() })
    }

    /// Removes the worker from its pool. It drains from `generation` on, or from the generation of its cordon.
    pub(crate) fn remove(&mut self, generation: u64) {
        self.membership = match self.membership {
            Membership::Active => Membership::Draining { since_generation: self.without_since(generation) },
            Membership::Moving { since_generation } => Membership::Draining { since_generation },
            drains @ (Membership::Draining { .. } | Membership::Removed) => drains,
        };
    }

    /// Moves the worker to another pool, in `generation`. It joins that pool once it has drained from its present one.
    pub(crate) fn move_to(&mut self, pool: &PoolName, generation: u64) {
        if self.entry.pool == *pool {
            return;
        }
        let left = self.pool_of_requests().cloned();
        self.entry.pool = pool.clone();
        self.membership = match self.membership {
            Membership::Removed => Membership::Active,
            // Its requests are already in that pool.
            Membership::Moving { .. } | Membership::Draining { .. } if left.as_ref() == Some(pool) => {
                Membership::Active
            }
            Membership::Active => Membership::Moving { since_generation: self.without_since(generation) },
            Membership::Draining { since_generation } | Membership::Moving { since_generation } => {
                Membership::Moving { since_generation }
            }
        };
        self.leaves = left.filter(|_| matches!(self.membership, Membership::Moving { .. }));
    }

    /// Makes a removed or draining worker active again: at once if its requests are in its pool, else once it has
    /// drained.
    pub(crate) fn bring_back(&mut self) {
        self.membership = match (self.membership, &self.leaves) {
            (moving @ Membership::Moving { .. }, _) => moving,
            (Membership::Draining { since_generation }, Some(_)) => Membership::Moving { since_generation },
            (Membership::Draining { .. } | Membership::Removed | Membership::Active, _) => Membership::Active,
        };
    }

    /// Records that the worker has drained: it is in its new pool, or removed.
    pub(crate) fn drained(&mut self) {
        self.leaves = None;
        match self.membership {
            Membership::Moving { .. } => self.membership = Membership::Active,
            Membership::Draining { .. } | Membership::Removed | Membership::Active => {
                let (entry, declared) = (self.entry.clone(), self.declared.clone());
                *self = Self {
                    declared,
                    membership: Membership::Removed,
                    revision: self.revision,
                    ..Self::new(self.position, entry)
                };
            }
        }
    }

    /// Returns the pool of its requests; unknown for a worker that an older version of Slotway has moved.
    pub(crate) fn pool_of_requests(&self) -> Option<&PoolName> {
        match self.membership {
            Membership::Moving { .. } => self.leaves.as_ref(),
            // The worker may have been moving to another pool when it was removed.
            Membership::Draining { .. } => self.leaves.as_ref().or(Some(&self.entry.pool)),
            Membership::Active | Membership::Removed => Some(&self.entry.pool),
        }
    }

    /// Returns the first generation without the worker if it leaves its pool with `generation`.
    fn without_since(&self, generation: u64) -> u64 {
        self.cordoned.as_ref().map_or(generation, |cordon| cordon.since_generation)
    }
}

/// A worker that the store has released, or assigned to another pool, before the coordinators of this control plane
/// have drained it; see `retained`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RetainedWorker {
    /// Its record before the release: draining or moving.
    pub(crate) record: WorkerRecord,
    /// The first generation without it.
    pub(crate) since_generation: u64,
}

/// A worker and the pool that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolWorker {
    /// The pool.
    pub pool: PoolName,
    /// The worker.
    pub worker: Worker,
}

/// Whether a worker is in its pool, as the store has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Membership {
    /// It is in its pool, and gets requests there unless it is cordoned or down.
    Active,
    /// It was removed with this generation; its cluster stays until its requests have ended.
    Draining {
        /// The first generation without it.
        since_generation: u64,
    },
    /// It was moved to the pool of its record. It drains from the old one first: two pools with slots of one worker would together
    /// exceed its capacity.
    Moving {
        /// The first generation without it.
        since_generation: u64,
    },
    /// It was removed over REST and has drained. The record stays, because the file still declares the worker and must not bring it back.
    Removed,
}

impl Membership {
    /// Returns the first generation without the worker, while it drains.
    #[must_use]
    pub fn drains_since(self) -> Option<u64> {
        match self {
            Self::Draining { since_generation } | Self::Moving { since_generation } => Some(since_generation),
            Self::Active | Self::Removed => None,
        }
    }
}
