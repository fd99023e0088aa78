//! What one commit does: the part that is the same in every database, as pure functions.

use std::collections::HashMap;

use super::{
    Change, Document, KEY_BYTES_MAX, Kind, StoreError, VALUE_BYTES_MAX, Who,
    audit::{AuditEntry, without_secrets},
};

/// Most writes in one batch: every worker that a configuration can have goes, and as many others come.
pub const WRITES_MAX: usize =
    2 * slotway_config::limits::POOLS_MAX * slotway_config::limits::WORKERS_PER_POOL_MAX;
/// Most bytes of keys and values in one batch.
pub const BATCH_BYTES_MAX: usize = 256 * 1024 * 1024;

/// What a writer believes of the document that it writes. A batch with one belief that is wrong changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Nothing: whatever is there is written over.
    Anything,
    /// There is none.
    Absent,
    /// It has this revision.
    Revision(u64),
}

impl Expected {
    /// The belief of somebody who has seen this revision of a document, 0 where there was none.
    #[must_use]
    pub fn seen(revision: u64) -> Self {
        if revision == 0 { Self::Absent } else { Self::Revision(revision) }
    }

    fn holds(self, found: Option<u64>) -> bool {
        match self {
            Self::Anything => true,
            Self::Absent => found.is_none(),
            Self::Revision(revision) => found == Some(revision),
        }
    }
}

/// One write of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// What the document is about.
    pub kind: Kind,
    /// Its key among its kind.
    pub key: String,
    /// What is believed of it.
    pub expected: Expected,
    /// JSON text; `None` deletes. To delete what is not there changes nothing.
    pub value: Option<String>,
}

impl Write {
    /// Creates or replaces a document.
    pub fn put(kind: Kind, key: impl Into<String>, value: impl Into<String>, expected: Expected) -> Self {
        Self { kind, key: key.into(), expected, value: Some(value.into()) }
    }

    /// Removes a document.
    pub fn delete(kind: Kind, key: impl Into<String>, expected: Expected) -> Self {
        Self { kind, key: key.into(), expected, value: None }
    }
}

/// Writes that are made together or not at all, and who makes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Stands in the audit rows.
    pub who: Who,
    /// Each document at most once.
    pub writes: Vec<Write>,
}

/// What a batch comes to, given the documents that are there.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In the order of the batch; a deletion of nothing is left out.
    pub(crate) changes: Vec<Change>,
    pub(crate) audit: Vec<AuditEntry>,
}

impl Batch {
    /// Looks whether the batch keeps within the bounds.
    ///
    /// # Errors
    /// [`StoreError::Refused`].
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let refused = |write: &Write, reason: String| {
            Err(StoreError::Refused { kind: write.kind.as_str(), key: shortened(&write.key), reason })
        };
        let mut bytes = 0;
        let mut seen = HashMap::with_capacity(self.writes.len());
        for write in &self.writes {
            let value = write.value.as_deref().unwrap_or_default();
            if !(1..=KEY_BYTES_MAX).contains(&write.key.len()) {
                let reason = format!(
                    "a key has from 1 to {KEY_BYTES_MAX} bytes, and this one has {}",
                    write.key.len()
                );
                return refused(write, reason);
            }
            if value.len() > VALUE_BYTES_MAX {
                let reason = format!(
                    "a document has at most {VALUE_BYTES_MAX} bytes, and this one has {}",
                    value.len()
                );
                return refused(write, reason);
            }
            if write.key.contains('\0') || value.contains('\0') {
                return refused(write, "a database cannot hold the character NUL".to_owned());
            }
            if seen.insert((write.kind, write.key.as_str()), ()).is_some() {
                return refused(write, "it stands twice in one batch".to_owned());
            }
            bytes += write.key.len() + value.len();
            if self.writes.len() > WRITES_MAX || bytes > BATCH_BYTES_MAX {
                let reason = format!(
                    "the batch is too large: at most {WRITES_MAX} writes and {BATCH_BYTES_MAX} bytes"
                );
                return refused(write, reason);
            }
        }
        Ok(())
    }

    /// What the batch comes to where `found` is there.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where a belief is wrong.
    pub(crate) fn plan(self, found: Vec<Document>) -> Result<Plan, StoreError> {
        let mut found: HashMap<(Kind, String), Document> =
            found.into_iter().map(|document| ((document.kind, document.key.clone()), document)).collect();
        let mut plan = Plan::default();
        for Write { kind, key, expected, value } in self.writes {
            let before = found.remove(&(kind, key.clone()));
            let revision = before.as_ref().map(|document| document.revision);
            if !expected.holds(revision) {
                return Err(StoreError::Conflict { kind: kind.as_str(), key, found: revision });
            }
            if before.is_none() && value.is_none() {
                continue;
            }
            if kind.is_audited() {
                plan.audit.push(AuditEntry {
                    kind,
                    key: key.clone(),
                    before: before.map(|document| without_secrets(&document.value)),
                    after: value.as_deref().map(without_secrets),
                });
            }
            plan.changes.push(Change { kind, key, value });
        }
        Ok(plan)
    }
}

fn shortened(key: &str) -> String {
    key.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKER: Kind = Kind::new("worker");

    fn document(key: &str, revision: u64) -> Document {
        Document { kind: WORKER, key: key.to_owned(), revision, value: "{}".to_owned() }
    }

    fn batch(writes: Vec<Write>) -> Batch {
        Batch { who: Who::SYSTEM, writes }
    }

    #[test]
    fn one_wrong_belief_refuses_the_batch() {
        for (expected, there, holds) in [
            (Expected::Anything, None, true),
            (Expected::Anything, Some(3), true),
            (Expected::Absent, None, true),
            (Expected::Absent, Some(3), false),
            (Expected::Revision(3), None, false),
            (Expected::Revision(3), Some(3), true),
            (Expected::Revision(3), Some(4), false),
        ] {
            let writes = vec![
                Write::put(WORKER, "other", "{}", Expected::Anything),
                Write::put(WORKER, "a", "{}", expected),
            ];
            let found = there.map(|revision| document("a", revision)).into_iter().collect();
            let plan = batch(writes).plan(found);
            assert_eq!(plan.is_ok(), holds, "{expected:?} where there is {there:?}");
            if let Err(error) = plan {
                assert!(matches!(error, StoreError::Conflict { found, .. } if found == there), "{error}");
            }
        }
    }

    #[test]
    fn bookkeeping_and_deletions_of_nothing_leave_no_audit_rows() {
        let writes = vec![
            Write::put(Kind::FACT, "generation", "7", Expected::Anything),
            Write::delete(WORKER, "gone", Expected::Anything),
            Write::delete(WORKER, "a", Expected::Anything),
        ];
        let plan = batch(writes).plan(vec![document("a", 1)]).unwrap();
        assert_eq!((plan.changes.len(), plan.audit.len()), (2, 1));
        assert_eq!((plan.audit[0].before.as_deref(), plan.audit[0].after.as_deref()), (Some("{}"), None));
    }
}
