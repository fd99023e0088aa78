//! The domains as backups need them: which documents are part of a backup, and how each domain restores its own.

use slotway_backups::{
    BackupsError, RestoreOutcome, RestorePart, RestoredJobs, StoreBackup, StoreScope, replaced,
};
use slotway_identity::guard_write;
use slotway_pools::{GENERATION, Membership, PoolsError, WorkerRecord, restore_writes};
use slotway_runtime::Clock;
use slotway_servers::ServersError;
use slotway_store::{Document, Expected, Listing, Write};

use crate::kinds;

/// Returns the scope of backups of the store.
pub(crate) fn store_scope() -> StoreScope {
    StoreScope {
        kinds: &kinds::ALL,
        // The generation must not fall on a machine whose clock is behind.
        facts: &[GENERATION],
        parts: vec![
            Box::new(RestoredSettings),
            Box::new(RestoredServers),
            Box::new(RestoredJobs),
            Box::new(RestoredUsers),
            Box::new(RestoredPools),
        ],
    }
}

/// Returns the number of resources of each kind in a backup: `3 workers, 1 pool`; `None` if it has none.
pub(crate) fn in_words(backup: &StoreBackup) -> Option<String> {
    let mut counts = Vec::new();
    for kind in slotway_api_types::kinds::ALL {
        match kind.stored.map_or(0, |stored| backup.count(stored)) {
            0 => {}
            // There is one of this kind.
            _ if kind.title == kind.titles => counts.push(kind.title.to_owned()),
            1 => counts.push(format!("1 {}", kind.title)),
            number => counts.push(format!("{number} {}", kind.titles)),
        }
    }
    (!counts.is_empty()).then(|| counts.join(", "))
}

/// The settings of the configuration file, which are no resource.
struct RestoredSettings;

impl RestorePart for RestoredSettings {
    fn writes(&self, present: &Listing, backup: &Listing) -> Result<Vec<Write>, BackupsError> {
        Ok(replaced(present, backup, &[kinds::SETTINGS]))
    }

    fn outcome(&self, _: &Write, _: Option<&Document>) -> Option<RestoreOutcome> {
        None
    }
}

struct RestoredServers;

impl RestorePart for RestoredServers {
    fn upgraded(&self, listing: Listing) -> Result<Listing, BackupsError> {
        slotway_servers::upgraded(listing).map_err(unfit_servers)
    }

    fn writes(&self, present: &Listing, backup: &Listing) -> Result<Vec<Write>, BackupsError> {
        slotway_servers::turn_write(backup).map_err(unfit_servers)?;
        let mut writes = replaced(present, backup, slotway_servers::KINDS);
        if !writes.is_empty() {
            writes.push(slotway_servers::turn_write(present).map_err(unfit_servers)?);
        }
        Ok(writes)
    }
}

fn unfit_servers(error: ServersError) -> BackupsError {
    match error {
        ServersError::Store(error) => error.into(),
        error => BackupsError::Unfit { reason: error.to_string() },
    }
}

/// Users and tokens. Sessions and the times when tokens were used are not restored.
struct RestoredUsers;

impl RestorePart for RestoredUsers {
    fn writes(&self, present: &Listing, backup: &Listing) -> Result<Vec<Write>, BackupsError> {
        guard_write(backup.clone())?;
        let users = replaced(present, backup, &[kinds::USER, kinds::TOKEN]);
        if users.is_empty() {
            return Ok(users);
        }
        let mut writes = vec![guard_write(present.clone())?];
        // A user is as before. A session that ended since then would otherwise continue.
        let of_users = |document: &&Document| matches!(document.kind, kinds::SESSION | kinds::TOKEN_USE);
        let gone = present.documents.iter().filter(of_users);
        writes.extend(gone.map(|gone| Write::delete(gone.kind, gone.key.clone(), Expected::Anything)));
        writes.extend(users);
        Ok(writes)
    }
}

/// Pools, policies and workers.
struct RestoredPools;

impl RestorePart for RestoredPools {
    fn writes(&self, present: &Listing, backup: &Listing) -> Result<Vec<Write>, BackupsError> {
        let now_us = Clock::System.now().unix_us();
        restore_writes(present.clone(), backup.clone(), now_us).map_err(|error| match error {
            PoolsError::Store(error) => error.into(),
            PoolsError::Rule(violation) => BackupsError::Unfit { reason: violation.reason },
            error => BackupsError::Unfit { reason: error.to_string() },
        })
    }

    fn outcome(&self, write: &Write, before: Option<&Document>) -> Option<RestoreOutcome> {
        if write.kind != kinds::WORKER {
            return RestoreOutcome::of(write, before);
        }
        let membership =
            |value: &str| serde_json::from_str::<WorkerRecord>(value).ok().map(|record| record.membership);
        let was = before.and_then(|document| membership(&document.value));
        let existed = before.is_some() && was != Some(Membership::Removed);
        match write.value.as_deref().map(|value| (membership(value), was)) {
            Some((Some(Membership::Removed), _)) | None => existed.then_some(RestoreOutcome::Deleted),
            Some((
                Some(Membership::Draining { .. }),
                Some(Membership::Active | Membership::Moving { .. }),
            )) => Some(RestoreOutcome::Draining),
            Some((Some(Membership::Moving { .. }), Some(Membership::Active))) => Some(RestoreOutcome::Moving),
            Some(_) if existed => Some(RestoreOutcome::Changed),
            Some(_) => Some(RestoreOutcome::Created),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use slotway_runtime::Moment;
    use slotway_store::Kind;

    use super::*;

    const SERVER_LIMITS: Kind = Kind::new("server_limits");

    fn document(kind: Kind, key: &str, revision: u64, value: &Value) -> Document {
        Document { kind, key: key.to_owned(), revision, value: value.to_string() }
    }

    /// Returns a user with this epoch, and limits on servers.
    fn documents(epoch: &str, servers_max: u32) -> Vec<Document> {
        let user = json!({ "role": "admin", "password_hash": "x", "created_at": 1, "epoch": epoch });
        let limits = json!({ "servers_max": servers_max, "by_usage": {} });
        vec![document(kinds::USER, "ada", 3, &user), document(SERVER_LIMITS, "slotway", 3, &limits)]
    }

    /// Returns the writes of a restore, each as kind, key, expectation and whether it puts, where a session of the backup's epoch exists.
    fn writes(epoch: &str, servers_max: u32) -> Vec<(Kind, String, Expected, bool)> {
        let listing = Listing { revision: 3, documents: documents("then", 1) };
        let backup = StoreBackup::of(listing, &store_scope(), Moment::from_unix_ms(0));
        store_scope().check(&backup).unwrap();
        let session = json!({ "user": "ada", "epoch": "then", "began_at": 1, "seen_at": 1 });
        let mut documents = documents(epoch, servers_max);
        documents.extend([
            document(kinds::SESSION, "of-then", 4, &session),
            document(kinds::TOKEN_USE, "ci", 4, &json!(1)),
            document(Kind::FACT, "people", 5, &json!({})),
            document(Kind::FACT, "servers", 6, &json!({})),
        ]);
        let plan = store_scope().plan(&Listing { revision: 9, documents }, &backup).unwrap();
        plan.writes.into_iter().map(|w| (w.kind, w.key, w.expected, w.value.is_some())).collect()
    }

    #[test]
    fn a_session_that_ended_before_its_user_is_restored_does_not_continue() {
        let any = Expected::Anything;
        assert_eq!(
            writes("now", 1),
            [
                (Kind::FACT, "people".to_owned(), Expected::Revision(5), true),
                (kinds::SESSION, "of-then".to_owned(), any, false),
                (kinds::TOKEN_USE, "ci".to_owned(), any, false),
                (kinds::USER, "ada".to_owned(), any, true),
            ]
        );
    }

    #[test]
    fn documents_that_are_as_in_the_backup_are_left_alone_and_others_go_with_their_turn() {
        assert_eq!(writes("then", 1), []);
        assert_eq!(
            writes("then", 2),
            [
                (SERVER_LIMITS, "slotway".to_owned(), Expected::Anything, true),
                (Kind::FACT, "servers".to_owned(), Expected::Revision(6), true),
            ]
        );
    }
}
