//! A backup of the store in the place of what a store has.

use std::collections::HashMap;

use serde_json::Value;
use slotway_store::{Batch, Expected, Kind, Listing, Store, StoreError, Who, Write};

use crate::{BackupsError, RestoreOutcome, StoreBackup, StoreScope};

/// How often a restore is attempted where control planes on the same database change it meanwhile.
const ATTEMPTS_MAX: usize = 32;

/// The writes of a restore.
#[derive(Debug, Default)]
pub struct RestorePlan {
    /// Committed together or not at all; none if everything is as the backup has it.
    pub writes: Vec<Write>,
    /// What becomes of each resource: kind, key, outcome. Ordered by kind and key.
    pub outcomes: Vec<(Kind, String, RestoreOutcome)>,
}

impl StoreScope {
    /// Looks whether a store can have the documents of a backup. To be called before a store is opened.
    ///
    /// # Errors
    /// [`BackupsError::Unfit`] with what is wrong.
    pub fn check(&self, backup: &StoreBackup) -> Result<(), BackupsError> {
        let empty = Listing { revision: 0, documents: Vec::new() };
        let plan = self.plan(&empty, backup).map(drop);
        plan.map_err(|error| match error {
            BackupsError::Store(StoreError::Document { kind, key, reason }) => {
                BackupsError::Unfit { reason: format!("the {kind} {key:?} in it cannot be read: {reason}") }
            }
            other => other,
        })
    }

    /// Returns what a restore of a backup would do to a store with these documents.
    ///
    /// # Errors
    /// Those of the domains.
    pub fn plan(&self, present: &Listing, backup: &StoreBackup) -> Result<RestorePlan, BackupsError> {
        let known: HashMap<_, _> = present
            .documents
            .iter()
            .map(|document| ((document.kind, document.key.as_str()), document))
            .collect();
        let mut plan = RestorePlan::default();
        for part in &self.parts {
            let writes = part.writes(present, &backup.listing)?;
            plan.outcomes.extend(writes.iter().filter_map(|write| {
                let before = known.get(&(write.kind, write.key.as_str())).copied();
                Some((write.kind, write.key.clone(), part.outcome(write, before)?))
            }));
            plan.writes.extend(writes);
        }
        plan.outcomes.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        Ok(plan)
    }

    /// Restores a backup in one batch. Control planes that use the store follow the change as they follow each other's changes. Where
    /// anything would change, `may_replace` gets what the store has first: an error of it ends the restore.
    ///
    /// # Errors
    /// [`BackupsError::Store`], those of the domains, and those of `may_replace`.
    pub async fn restore<E: From<BackupsError>>(
        &self,
        store: &dyn Store,
        backup: &StoreBackup,
        may_replace: impl Fn(&Listing) -> Result<(), E>,
    ) -> Result<RestorePlan, E> {
        for _ in 0..ATTEMPTS_MAX {
            let mut present = store.list(self.kinds).await.map_err(BackupsError::from)?;
            let plan = self.plan(&present, backup)?;
            if plan.writes.is_empty() {
                return Ok(plan);
            }
            present.documents.retain(|document| self.has(document));
            may_replace(&present)?;
            match store.commit(Batch { who: Who::RESTORE, writes: plan.writes.clone() }).await {
                Ok(_) => return Ok(plan),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(BackupsError::from(error).into()),
            }
        }
        Err(BackupsError::from(StoreError::Contended).into())
    }
}

/// Returns the writes that turn the documents of some kinds into those of a backup, ordered by kind and key.
#[must_use]
pub fn replaced(present: &Listing, backup: &Listing, kinds: &[Kind]) -> Vec<Write> {
    let of_kinds = |listing: &Listing| -> HashMap<(Kind, String), String> {
        let documents = listing.documents.iter().filter(|document| kinds.contains(&document.kind));
        documents.map(|found| ((found.kind, found.key.clone()), found.value.clone())).collect()
    };
    let (before, after) = (of_kinds(present), of_kinds(backup));
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let mut writes: Vec<_> =
        gone.map(|(kind, key)| Write::delete(*kind, key.clone(), Expected::Anything)).collect();
    for ((kind, key), value) in &after {
        let is_same = before.get(&(*kind, key.clone())).is_some_and(|before| is_same_json(before, value));
        if !is_same {
            writes.push(Write::put(*kind, key.clone(), value.clone(), Expected::Anything));
        }
    }
    writes.sort_by(|one, other| (one.kind, &one.key).cmp(&(other.kind, &other.key)));
    writes
}

fn is_same_json(one: &str, other: &str) -> bool {
    let parsed = |text| serde_json::from_str::<Value>(text).ok();
    one == other || parsed(one).is_some_and(|one| Some(one) == parsed(other))
}

#[cfg(test)]
mod tests {
    use slotway_runtime::Moment;
    use slotway_store::{Document, SqliteStore};

    use super::*;
    use crate::RestorePart;

    const POOL: Kind = Kind::new("pool");
    const SESSION: Kind = Kind::new("session").without_audit().without_backup();
    const KINDS: &[Kind] = &[POOL, SESSION, Kind::FACT];

    /// A domain of pools, without rules.
    struct Pools;

    impl RestorePart for Pools {
        fn writes(&self, present: &Listing, backup: &Listing) -> Result<Vec<Write>, BackupsError> {
            Ok(replaced(present, backup, &[POOL]))
        }
    }

    fn scope() -> StoreScope {
        StoreScope { kinds: KINDS, facts: &["generation"], parts: vec![Box::new(Pools)] }
    }

    fn backup(pools: &[(&str, &str)]) -> StoreBackup {
        let document = |(key, value): &(&str, &str)| Document {
            kind: POOL,
            key: (*key).to_owned(),
            revision: 1,
            value: (*value).to_owned(),
        };
        let listing = Listing { revision: 1, documents: pools.iter().map(document).collect() };
        StoreBackup::of(listing, &scope(), Moment::from_unix_ms(0))
    }

    #[tokio::test]
    async fn a_restore_changes_what_differs_and_asks_before_it_replaces() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(directory.path(), KINDS).await.unwrap();
        let allow = |_: &Listing| Ok::<_, BackupsError>(());
        let first = backup(&[("a", "{}"), ("b", r#"{"x":1}"#)]);
        let plan = scope().restore(&store, &first, allow).await.unwrap();
        assert_eq!(plan.outcomes.len(), 2);
        let again = scope().restore(&store, &first, allow).await.unwrap();
        assert_eq!(again.writes, [], "nothing differs");

        store.put(Who::SYSTEM, SESSION, "s", "{}", Expected::Absent).await.unwrap();
        let second = backup(&[("b", r#"{ "x": 1 }"#), ("c", "{}")]);
        let deny =
            |present: &Listing| Err(BackupsError::Unfit { reason: present.documents.len().to_string() });
        let refused = scope().restore(&store, &second, deny).await.unwrap_err();
        assert_eq!(refused.to_string(), "2", "sessions are not counted");
        let plan = scope().restore(&store, &second, allow).await.unwrap();
        let outcomes: Vec<_> =
            plan.outcomes.iter().map(|(_, key, outcome)| (key.as_str(), *outcome)).collect();
        assert_eq!(outcomes, [("a", RestoreOutcome::Deleted), ("c", RestoreOutcome::Created)]);
    }
}
