//! A backup put in the place of what a store has.

use std::collections::HashMap;

use serde_json::Value;
use slotway_servers::ServersError;

use super::Backup;
use crate::commands::CliError;
use crate::kinds;
use slotway_pools::{Membership, PoolsError, WorkerRecord};
use slotway_runtime::Clock;
use slotway_store::{Batch, Document, Expected, Kind, Listing, Store, StoreError, Who, Write};

/// How often it is tried where control planes on the same database are faster each time.
const TRIES_MAX: usize = 32;
/// Who may come in.
const PEOPLE: [Kind; 2] = [kinds::USER, kinds::TOKEN];

/// What a restore changes.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Made together or not at all; none where all is as the backup has it.
    pub(crate) writes: Vec<Write>,
    /// What becomes of what somebody has named: kind, key, and what it is then. Ordered by kind and key.
    pub(crate) becomes: Vec<(Kind, String, Became)>,
}

/// What a restore makes of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Became {
    /// It was not there.
    Created,
    /// It is another one.
    Changed,
    /// It is gone.
    Deleted,
    /// A worker that goes once it has no requests.
    Draining,
    /// A worker that goes to another pool once it has no requests.
    Moving,
}

/// Puts a backup in the place of what a store has, in one batch, also while control planes are at work on it: they follow it as they
/// follow each other.
///
/// # Errors
/// [`CliError::StoreNotEmpty`] for other content without `replace`, [`CliError::Store`].
pub(crate) async fn restore(store: &dyn Store, backup: &Backup, replace: bool) -> Result<Plan, CliError> {
    for _ in 0..TRIES_MAX {
        let there = store.list(&kinds::ALL).await?;
        let plan = Plan::of(&there, backup)?;
        if plan.writes.is_empty() {
            return Ok(plan);
        }
        if !replace && let Some(holds) = Backup::of(there).in_words() {
            return Err(CliError::StoreNotEmpty { holds });
        }
        match store.commit(Batch { who: Who::RESTORE, writes: plan.writes.clone() }).await {
            Ok(_) => return Ok(plan),
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Contended.into())
}

impl Backup {
    /// Looks whether a store can have what is in it. To be asked before any store is.
    ///
    /// # Errors
    /// [`CliError::Usage`].
    pub(crate) fn check(&self) -> Result<(), CliError> {
        let nothing = Listing { revision: 0, documents: Vec::new() };
        let readable = slotway_pools::restore_writes(nothing, self.listing.clone(), 0)
            .map_err(CliError::from)
            .and_then(|_| Ok(slotway_servers::turn_write(&self.listing)?))
            .and_then(|_| Ok(slotway_backups::turn_write(&self.listing)?))
            .and_then(|_| Ok(slotway_identity::guard_write(self.listing.clone())?));
        readable.map(drop).map_err(|error| match error {
            CliError::Store(StoreError::Document { kind, key, reason })
            | CliError::Servers(ServersError::Store(StoreError::Document { kind, key, reason }))
            | CliError::Pools(PoolsError::Store(StoreError::Document { kind, key, reason })) => {
                CliError::Usage(format!("the {kind} {key:?} in it cannot be read: {reason}"))
            }
            CliError::Pools(PoolsError::Rule(violation)) => CliError::Usage(violation.reason),
            other => other,
        })
    }
}

impl Plan {
    /// What a backup changes where this is there.
    ///
    /// # Errors
    /// [`CliError::Store`] for a document that cannot be read.
    pub(crate) fn of(there: &Listing, backup: &Backup) -> Result<Self, CliError> {
        let known: HashMap<_, _> = there
            .documents
            .iter()
            .map(|document| ((document.kind, document.key.as_str()), document))
            .collect();
        let mut writes = replaced(there, backup, &[kinds::SETTINGS]);
        let servers = replaced(there, backup, slotway_servers::KINDS);
        if !servers.is_empty() {
            writes.push(slotway_servers::turn_write(there)?);
            writes.extend(servers);
        }
        let jobs = replaced(there, backup, slotway_backups::KINDS);
        if !jobs.is_empty() {
            writes.push(slotway_backups::turn_write(there)?);
            writes.extend(jobs);
        }
        let people = replaced(there, backup, &PEOPLE);
        if !people.is_empty() {
            writes.push(slotway_identity::guard_write(there.clone())?);
            // A user is as before, so that a session that ended since would go on.
            let of_people = |document: &&Document| matches!(document.kind, kinds::SESSION | kinds::TOKEN_USE);
            let gone = there.documents.iter().filter(of_people);
            writes.extend(gone.map(|gone| Write::delete(gone.kind, gone.key.clone(), Expected::Anything)));
            writes.extend(people);
        }
        writes.extend(slotway_pools::restore_writes(
            there.clone(),
            backup.listing.clone(),
            Clock::System.now().unix_us(),
        )?);
        let becomes = writes.iter().filter_map(|write| {
            let before = known.get(&(write.kind, write.key.as_str())).copied();
            Some((write.kind, write.key.clone(), Became::of(write, before)?))
        });
        let mut becomes: Vec<_> = becomes.collect();
        becomes.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        Ok(Self { writes, becomes })
    }
}

impl Became {
    /// What a write makes of a document; none for what nobody has named, or knows to be there.
    fn of(write: &Write, before: Option<&Document>) -> Option<Self> {
        if matches!(write.kind, kinds::SETTINGS | kinds::SESSION | kinds::TOKEN_USE | Kind::FACT) {
            return None;
        }
        let standing = |value: &str| {
            let record = serde_json::from_str::<WorkerRecord>(value).ok();
            record.filter(|_| write.kind == kinds::WORKER).map(|record| record.membership)
        };
        let was = before.and_then(|document| standing(&document.value));
        let was_there = before.is_some() && was != Some(Membership::Removed);
        match write.value.as_deref().map(|value| (standing(value), was)) {
            Some((Some(Membership::Removed), _)) | None => was_there.then_some(Self::Deleted),
            Some((
                Some(Membership::Draining { .. }),
                Some(Membership::Active | Membership::Moving { .. }),
            )) => Some(Self::Draining),
            Some((Some(Membership::Moving { .. }), Some(Membership::Active))) => Some(Self::Moving),
            Some(_) if was_there => Some(Self::Changed),
            Some(_) => Some(Self::Created),
        }
    }
}

/// The writes that make the documents of some kinds as a backup has them.
fn replaced(there: &Listing, backup: &Backup, kinds: &[Kind]) -> Vec<Write> {
    let of_kinds = |listing: &Listing| -> HashMap<(Kind, String), String> {
        let documents = listing.documents.iter().filter(|document| kinds.contains(&document.kind));
        documents.map(|found| ((found.kind, found.key.clone()), found.value.clone())).collect()
    };
    let (before, after) = (of_kinds(there), of_kinds(&backup.listing));
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let mut writes: Vec<_> =
        gone.map(|(kind, key)| Write::delete(*kind, key.clone(), Expected::Anything)).collect();
    for ((kind, key), value) in &after {
        let is_same = before.get(&(*kind, key.clone())).is_some_and(|before| means_the_same(before, value));
        if !is_same {
            writes.push(Write::put(*kind, key.clone(), value.clone(), Expected::Anything));
        }
    }
    writes.sort_by(|one, other| (one.kind, &one.key).cmp(&(other.kind, &other.key)));
    writes
}

fn means_the_same(one: &str, other: &str) -> bool {
    let meaning = |text| serde_json::from_str::<Value>(text).ok();
    one == other || meaning(one).is_some_and(|one| Some(one) == meaning(other))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SERVER_LIMITS: Kind = Kind::new("server_limits");

    fn document(kind: Kind, key: &str, revision: u64, value: &Value) -> Document {
        Document { kind, key: key.to_owned(), revision, value: value.to_string() }
    }

    /// What is kept of people and agents where the user's epoch is this one, and so many servers may run.
    fn kept(epoch: &str, servers_max: u32) -> Vec<Document> {
        let user = json!({ "role": "admin", "password_hash": "x", "created_at": 1, "epoch": epoch });
        let limits = json!({ "servers_max": servers_max, "by_usage": {} });
        vec![document(kinds::USER, "ada", 3, &user), document(SERVER_LIMITS, "slotway", 3, &limits)]
    }

    /// The writes, each as kind, key and what is expected, where a session that began with the backup's epoch is there.
    fn writes(epoch: &str, servers_max: u32) -> Vec<(Kind, String, Expected, bool)> {
        let backup = Backup::of(Listing { revision: 3, documents: kept("then", 1) });
        backup.check().unwrap();
        let session = json!({ "user": "ada", "epoch": "then", "began_at": 1, "seen_at": 1 });
        let mut documents = kept(epoch, servers_max);
        documents.extend([
            document(kinds::SESSION, "of-then", 4, &session),
            document(kinds::TOKEN_USE, "ci", 4, &json!(1)),
            document(Kind::FACT, "people", 5, &json!({})),
            document(Kind::FACT, "servers", 6, &json!({})),
        ]);
        let plan = Plan::of(&Listing { revision: 9, documents }, &backup).unwrap();
        plan.writes.into_iter().map(|w| (w.kind, w.key, w.expected, w.value.is_some())).collect()
    }

    #[test]
    fn no_session_goes_on_that_ended_before_its_user_was_as_before_again() {
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
    fn what_is_as_it_was_is_left_alone_and_what_is_not_goes_with_its_turn() {
        assert_eq!(writes("then", 1), []);
        assert_eq!(
            writes("then", 2),
            [
                (Kind::FACT, "servers".to_owned(), Expected::Revision(6), true),
                (SERVER_LIMITS, "slotway".to_owned(), Expected::Anything, true),
            ]
        );
    }
}
