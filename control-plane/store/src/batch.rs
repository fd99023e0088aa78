//! Checks and plans a commit, as pure functions that are the same for every database.

use std::collections::HashMap;

use super::{
    Change, Document, KEY_BYTES_MAX, Kind, StoreError, VALUE_BYTES_MAX, Who,
    audit::{AuditEntry, without_secrets},
};

/// The maximum number of writes in one batch. It lets a reload replace all workers of the largest configuration.
pub const WRITES_MAX: usize =
    2 * slotway_config::limits::POOLS_MAX * slotway_config::limits::WORKERS_PER_POOL_MAX;
/// The maximum size of all keys and values in one batch, in bytes.
pub const BATCH_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A writer's precondition for the document that it writes. If one precondition fails, the whole batch changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// No precondition: an existing document is overwritten.
    Anything,
    /// The document does not exist.
    Absent,
    /// The document has this revision.
    Revision(u64),
}

impl Expected {
    /// Returns the precondition that the document is still at this revision. 0 means that it did not exist.
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
    /// The document's kind.
    pub kind: Kind,
    /// The document's key within its kind.
    pub key: String,
    /// The precondition.
    pub expected: Expected,
    /// JSON text; `None` deletes the document. Deleting a document that does not exist changes nothing.
    pub value: Option<String>,
}

impl Write {
    /// Returns a write that creates or replaces a document.
    pub fn put(kind: Kind, key: impl Into<String>, value: impl Into<String>, expected: Expected) -> Self {
        Self { kind, key: key.into(), expected, value: Some(value.into()) }
    }

    /// Returns a write that removes a document.
    pub fn delete(kind: Kind, key: impl Into<String>, expected: Expected) -> Self {
        Self { kind, key: key.into(), expected, value: None }
    }
}

/// Writes that are committed as a whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The author, for the audit rows.
    pub who: Who,
    /// The writes. Each document occurs at most once.
    pub writes: Vec<Write>,
}

/// The changes and audit entries of a batch, given the stored documents.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In the order of the batch, without deletions of documents that do not exist.
    pub(crate) changes: Vec<Change>,
    pub(crate) audit: Vec<AuditEntry>,
}

impl Batch {
    /// Checks the batch against the limits.
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
                return refused(write, "a database cannot store the character NUL".to_owned());
            }
            if seen.insert((write.kind, write.key.as_str()), ()).is_some() {
                return refused(write, "the batch contains it twice".to_owned());
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

    /// Plans the batch. `found` holds the stored documents of its writes.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if a precondition fails.
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
    fn one_failed_precondition_refuses_the_batch() {
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
            assert_eq!(plan.is_ok(), holds, "{expected:?} with stored revision {there:?}");
            if let Err(error) = plan {
                assert!(matches!(error, StoreError::Conflict { found, .. } if found == there), "{error}");
            }
        }
    }

    #[test]
    fn facts_and_deletions_of_absent_documents_leave_no_audit_rows() {
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
