use serde::{Deserialize, Serialize};
use slotway_config::{PoolName, WaitDuration, Worker};

use super::{Cordon, Health, Heartbeat, Labels, Notes};

/// A worker as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WorkerRecord {
    /// Its place among the workers of its pool; lower ones come first.
    pub(crate) position: u64,
    /// Its pool and settings in force.
    #[serde(flatten)]
    pub(crate) entry: PoolWorker,
    /// What the configuration file said of it when it was last read; `None` for a worker that only REST
    /// named. It tells an edit of the file, which wins, from a file that says what it always said, which does
    /// not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) declared: Option<PoolWorker>,
    /// Whether it is in its pool.
    pub(crate) standing: Standing,
    /// The pool that it drains from, where that is another one than that of its entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) leaves: Option<PoolName>,
    /// That somebody wants it to get no requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cordoned: Option<Cordon>,
    /// What people sort it by.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub(crate) labels: Labels,
    /// What people write of it.
    #[serde(default, skip_serializing_if = "Notes::is_empty")]
    pub(crate) notes: Notes,
    /// How it is found out whether it is there; nobody asks it without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) heartbeat: Option<Heartbeat>,
    /// Over how long its capacity comes back when it is up again; at once without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) slow_start: Option<WaitDuration>,
    /// Whether it answers its heartbeat. Written by whoever watches it, not by people.
    #[serde(default, skip_serializing_if = "Health::is_up")]
    pub(crate) health: Health,
    /// The store's revision that wrote this; 0 for what is not stored yet.
    #[serde(skip)]
    pub(crate) revision: u64,
}

impl WorkerRecord {
    /// A worker that takes requests, and of which nothing else is said.
    pub(crate) fn new(position: u64, entry: PoolWorker) -> Self {
        Self {
            position,
            entry,
            declared: None,
            standing: Standing::Active,
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

    /// The worker as its pool shall have it now, with the capacity in force; none where it gets no requests.
    pub(crate) fn in_force(&self) -> Option<Worker> {
        if self.standing != Standing::Active || self.cordoned.is_some() {
            return None;
        }
        let worker = &self.entry.worker;
        let capacity = self.health.capacity_in_force(worker.capacity)?;
        Some(Worker { capacity, ..worker.clone() })
    }

    /// Takes it out of its pool. It drains from `generation` on, or from when it was cordoned.
    pub(crate) fn remove(&mut self, generation: u64) {
        self.standing = match self.standing {
            Standing::Active => Standing::Draining { since_generation: self.without_since(generation) },
            Standing::Moving { since_generation } => Standing::Draining { since_generation },
            drains @ (Standing::Draining { .. } | Standing::Removed) => drains,
        };
    }

    /// Puts it into another pool, in `generation`: as soon as it has drained from the one that it is in.
    pub(crate) fn move_to(&mut self, pool: &PoolName, generation: u64) {
        if self.entry.pool == *pool {
            return;
        }
        let left = self.pool_of_requests().cloned();
        self.entry.pool = pool.clone();
        self.standing = match self.standing {
            Standing::Removed => Standing::Active,
            // Its requests are there already.
            Standing::Moving { .. } | Standing::Draining { .. } if left.as_ref() == Some(pool) => {
                Standing::Active
            }
            Standing::Active => Standing::Moving { since_generation: self.without_since(generation) },
            Standing::Draining { since_generation } | Standing::Moving { since_generation } => {
                Standing::Moving { since_generation }
            }
        };
        self.leaves = left.filter(|_| matches!(self.standing, Standing::Moving { .. }));
    }

    /// Lets it back into its pool: at once if that is where its requests are, else once it has drained from there.
    pub(crate) fn bring_back(&mut self) {
        self.standing = match (self.standing, &self.leaves) {
            (moving @ Standing::Moving { .. }, _) => moving,
            (Standing::Draining { since_generation }, Some(_)) => Standing::Moving { since_generation },
            (Standing::Draining { .. } | Standing::Removed | Standing::Active, _) => Standing::Active,
        };
    }

    /// It has drained: it is in the pool that it moves to, or only known to be removed.
    pub(crate) fn drained(&mut self) {
        self.leaves = None;
        match self.standing {
            Standing::Moving { .. } => self.standing = Standing::Active,
            Standing::Draining { .. } | Standing::Removed | Standing::Active => {
                let (entry, declared) = (self.entry.clone(), self.declared.clone());
                *self = Self {
                    declared,
                    standing: Standing::Removed,
                    revision: self.revision,
                    ..Self::new(self.position, entry)
                };
            }
        }
    }

    /// The pool that its requests are in; unknown of one that an older version of this program has moved.
    pub(crate) fn pool_of_requests(&self) -> Option<&PoolName> {
        match self.standing {
            Standing::Moving { .. } => self.leaves.as_ref(),
            // It may have been on its way to another pool when it was removed.
            Standing::Draining { .. } => self.leaves.as_ref().or(Some(&self.entry.pool)),
            Standing::Active | Standing::Removed => Some(&self.entry.pool),
        }
    }

    /// The first generation without it where it leaves its pool with `generation`.
    fn without_since(&self, generation: u64) -> u64 {
        self.cordoned.as_ref().map_or(generation, |cordon| cordon.since_generation)
    }
}

/// A worker and the pool that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PoolWorker {
    pub(crate) pool: PoolName,
    pub(crate) worker: Worker,
}

/// Whether a worker is in its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Standing {
    /// It is in its pool, and gets requests there unless it is cordoned or down.
    Active,
    /// It was removed with this generation; its cluster stays until its requests have ended.
    Draining {
        /// The first generation without it.
        since_generation: u64,
    },
    /// It was moved to the pool of its record. It drains from the old one first: two pools with slots of
    /// one worker would together exceed its capacity.
    Moving {
        /// The first generation without it.
        since_generation: u64,
    },
    /// It was removed over REST and has drained. Kept, because the file still declares it and must not bring
    /// it back.
    Removed,
}

impl Standing {
    /// The first generation without the worker, while it drains.
    pub(crate) fn drains_since(self) -> Option<u64> {
        match self {
            Self::Draining { since_generation } | Self::Moving { since_generation } => Some(since_generation),
            Self::Active | Self::Removed => None,
        }
    }
}
