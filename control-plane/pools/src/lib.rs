//! Pools, policies, workers and groups: the domain that decides the desired state of Envoy. [`Pools`] keeps them in the
//! store, changes them and publishes [`Desired`].
//!
//! Workers come from the configuration file and from REST, and the newer of both wins:
//!
//! * A worker of the file is declared at every start. Changes over REST since then stay: another capacity, or its removal.
//! * If the file's entry for a worker changes (or appears, or goes), the entry is newer. It takes effect at the next start or reload, over
//!   earlier changes over REST. A worker that the file moves to another pool drains from the old one first.
//! * A worker that only REST named stays until REST removes it.
//!
//! Pools and policies follow the same rule: a pool's match, its policy and the order of the file's pools each count separately
//! ([`PoolSet`]).
//!
//! The store keeps the last declaration of the file, to distinguish an edited entry from an unchanged one.
//!
//! A worker that is cordoned, or does not answer its heartbeat, gets no requests but stays in its pool. A worker that
//! REST or the file moves to another pool drains from the old one first.
//!
//! A removed worker leaves its pool at once. Its cluster remains in Envoy while requests are under way: until every
//! connected coordinator has reported that it has the change and no request at the worker ([`Pools::settle`]).
//!
//! Several control planes may share a store; see [`slotway_store::Replica`]. Each knows its own coordinators only, see `retained`.
//!
//! [`Observations`] provides the reports of the coordinators and the results of the watchdog.

mod ca_directories;
mod condition;
mod cordon;
mod declare;
mod desired;
mod error;
mod figures;
mod groups;
mod health;
mod heartbeat;
mod labels;
mod listener_record;
mod metrics;
mod observations;
mod overview;
mod pool_record;
mod pool_set;
mod put_pool;
mod put_worker;
mod replicated;
mod restore;
mod retained;
mod service;
mod state;
mod status;
mod upsert;
mod visibility;
mod watched;
mod worker_record;

use slotway_store::Kind;

pub use ca_directories::CaDirectories;
pub use condition::WorkerCondition;
pub use cordon::Cordon;
pub use desired::{DEFAULT_READY_PATH, Desired, DrainingWorker, ListenerSettings};
pub use error::{PoolsError, RuleSubject, RuleViolation, WorkerField};
pub use groups::{DEFAULT_GROUP, GROUP_BYTES_MAX, Groups};
pub use health::{Health, SlowStartSteps};
pub use heartbeat::Heartbeat;
pub use labels::{Labels, Notes};
pub use observations::{CoordinatorFigures, FIGURES_FRESH_FOR, HeartbeatStatus, Observations};
pub use overview::WorkerOverview;
pub use pool_record::{DeclaredPool, PolicyRecord, PoolRecord};
pub use pool_set::PoolSet;
pub use put_pool::PoolSpec;
pub use put_worker::{ChangeContext, WantedWorker, WorkerSpec};
pub use restore::restore_writes;
pub use service::{DISCONNECTED_GRACE, Pools, PoolsSettings};
pub use state::PoolsState;
pub use status::{PoolStatus, StatusView, WorkerStatus};
pub use upsert::WorkerEntry;
pub use visibility::is_visible_document;
pub use watched::{HealthChange, WatchedWorker};
pub use worker_record::{Membership, PoolWorker, WorkerRecord};

/// A worker, by its base URL.
pub const WORKER: Kind = Kind::new("worker");
/// A pool, by its name: its match and its position.
pub const POOL: Kind = Kind::new("pool");
/// A pool's policy, by the pool's name.
pub const POLICY: Kind = Kind::new("policy");
/// The settings of the configuration file other than pools and workers.
pub const SETTINGS: Kind = Kind::new("settings");
/// The kinds of documents of this domain.
pub const KINDS: [Kind; 4] = [WORKER, POOL, POLICY, SETTINGS];
/// The fact with the generation. Backups contain it, because a generation must not decrease on a machine with a slow
/// clock.
pub const GENERATION: &str = "generation";

#[cfg(test)]
mod tests;
