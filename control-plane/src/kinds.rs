//! The kinds of documents that this program knows.

use slotway_store::Kind;

pub use slotway_identity::kinds::{SESSION, TOKEN, TOKEN_USE, USER};
pub use slotway_pools::{POLICY, POOL, SETTINGS, WORKER};

/// A worker that is marked as a server, by its base URL.
pub const SERVER: Kind = Kind::new("server");
/// How many servers may run.
pub const SERVER_LIMITS: Kind = Kind::new("server_limits");
/// What servers may use.
pub const RESOURCE_PROFILES: Kind = Kind::new("resource_profiles");
/// A backup job, by its name.
pub const BACKUP_JOB: Kind = Kind::new("backup_job");

/// All of them.
pub const ALL: [Kind; 13] = [
    WORKER,
    POOL,
    POLICY,
    SERVER,
    SERVER_LIMITS,
    RESOURCE_PROFILES,
    BACKUP_JOB,
    SETTINGS,
    USER,
    TOKEN,
    TOKEN_USE,
    SESSION,
    Kind::FACT,
];
