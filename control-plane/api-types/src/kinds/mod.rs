//! The kinds of resources: one descriptor each, and the wire types of those that REST serves in the ordinary way.

mod backup_job;
mod coordinator;
mod people;
mod policy;
mod pool;
mod resource_profile;
mod server;
mod server_limits;
mod worker;

pub use backup_job::{
    BACKUP_JOB, BackupJobSpec, BackupJobStatus, BackupRetention, BackupSchedule, BackupSubject, BackupTarget,
    FileTarget, FilesSubject, S3Target, StoreSubject,
};
pub use coordinator::COORDINATOR;
pub use people::{TOKEN, USER};
pub use policy::{POLICY, PolicySpec, PolicyStatus};
pub use pool::{POOL, PoolSpec, PoolStatus};
pub use resource_profile::{RESOURCE_PROFILE, ResourceProfileSpec, ResourceProfileStatus, SparkProfile};
pub use server::{SERVER, ServerSpec, ServerStatus};
pub use server_limits::{SERVER_LIMITS, ServerLimitsSpec, ServerLimitsStatus};
pub use worker::{
    Heartbeat, HeartbeatStatus, RemovedWorker, WORKER, WorkerCondition, WorkerRow, WorkerSpec, WorkerStatus,
};

use crate::ResourceKind;

/// All kinds, in the order in which they are listed; `slotway delete -f` deletes in this order.
pub static ALL: [&ResourceKind; 10] = [
    &WORKER,
    &POOL,
    &POLICY,
    &COORDINATOR,
    &USER,
    &TOKEN,
    &SERVER,
    &SERVER_LIMITS,
    &RESOURCE_PROFILE,
    &BACKUP_JOB,
];

/// Returns the kinds that REST serves in the ordinary way.
pub fn ordinary() -> impl Iterator<Item = &'static ResourceKind> {
    ALL.into_iter().filter(|kind| kind.ordinary.is_some())
}

/// Returns the kind that the field `kind` of a resource names.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static ResourceKind> {
    ALL.into_iter().find(|kind| kind.name == name)
}

/// Returns the kind of documents that the store knows by this name.
#[must_use]
pub fn by_stored(stored: &str) -> Option<&'static ResourceKind> {
    ALL.into_iter().find(|kind| kind.stored == Some(stored))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_kinds_share_a_word_or_a_path() {
        let mut seen = BTreeSet::new();
        for kind in ALL {
            let mut words: BTreeSet<_> = [kind.word, kind.words].into();
            words.extend(kind.aliases);
            for word in words {
                assert!(seen.insert(word.to_owned()), "{word} names two kinds");
                let found: Vec<_> = ALL.into_iter().filter(|other| other.is_named(word)).collect();
                assert_eq!(found, [kind], "{word}");
            }
            assert!(seen.insert(format!("/{}", kind.path)), "{} stands twice", kind.path);
            assert!(kind.stored.is_none_or(|stored| seen.insert(format!("stored {stored}"))));
            assert!(kind.is_named(kind.name) && kind.is_named(kind.path), "{}", kind.name);
        }
    }
}
