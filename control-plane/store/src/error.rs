use std::path::PathBuf;

/// An error of the store. `place` is the database's file, or its URL without the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database is damaged, or it belongs to another program. It was not changed.
    #[error("{place}: the database is damaged ({reason}); it was left untouched. {remedy}")]
    Damaged {
        /// The database.
        place: String,
        /// What the check found.
        reason: String,
        /// What the operator can do.
        remedy: &'static str,
    },
    /// A newer version of Slotway has written the database.
    #[error(
        "{place}: the database has schema {found}, and this slotway knows {known} at most: use a newer slotway"
    )]
    Newer {
        /// The database.
        place: String,
        /// The schema of the database.
        found: i64,
        /// The newest schema that this version supports.
        known: i64,
    },
    /// A document that this version cannot read.
    #[error("the database holds a {kind} {key:?} that cannot be read: {reason}")]
    Document {
        /// The document's kind.
        kind: &'static str,
        /// Its key.
        key: String,
        /// Why it cannot be read.
        reason: String,
    },
    /// A write that violates a limit of the store.
    #[error("the {kind} {key:?} cannot be stored: {reason}")]
    Refused {
        /// The document's kind.
        kind: &'static str,
        /// Its key, shortened.
        key: String,
        /// Which limit it violates.
        reason: String,
    },
    /// A precondition failed: another writer has changed the document. Nothing was changed.
    #[error("another writer has changed the {kind} {key:?} meanwhile; read it and try again")]
    Conflict {
        /// The document's kind.
        kind: &'static str,
        /// Its key.
        key: String,
        /// The document's current revision; `None` if it does not exist.
        found: Option<u64>,
    },
    /// Each attempt at a change conflicted with a change by another control plane. Nothing was changed.
    #[error("other control planes keep changing the same state; nothing was changed, try again")]
    Contended,
    /// A watcher asked for changes that the store no longer keeps.
    #[error("the changes after revision {after} are no longer kept; read all documents again")]
    Forgotten {
        /// The watcher has seen all changes up to this revision.
        after: u64,
    },
    /// Another control plane uses the state directory.
    #[error(
        "{0}: another slotway is running with this state directory; stop it, or give this one its own `state`"
    )]
    Locked(PathBuf),
    /// The database has no room for a change. Nothing was changed.
    #[error(
        "{place}: the database has no room left ({reason}); nothing was changed. Make room where it is kept"
    )]
    Full {
        /// The database.
        place: String,
        /// The database's message.
        reason: String,
    },
    /// The database could not be read or written.
    #[error("{place}: the database cannot be used: {reason}")]
    Unavailable {
        /// The database.
        place: String,
        /// The reason.
        reason: String,
    },
}

impl StoreError {
    /// Returns whether the same call may succeed later, once the database recovers.
    #[must_use]
    pub fn is_about_the_database(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Full { .. } | Self::Unavailable { .. })
    }
}
