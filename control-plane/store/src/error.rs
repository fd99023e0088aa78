use std::path::PathBuf;

/// Why the store cannot do what it was asked. `place` is the database's file, or its URL without the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It is not a database of ours, or a broken one. It was left as it is.
    #[error("{place}: the database is damaged ({reason}); it was left untouched. {remedy}")]
    Damaged {
        /// The database.
        place: String,
        /// What was seen.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// It was written by a newer Slotway.
    #[error(
        "{place}: the database has schema {found}, and this slotway knows {known} at most: use a newer slotway"
    )]
    Newer {
        /// The database.
        place: String,
        /// Its schema.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
    /// A document that this program cannot read.
    #[error("the database holds a {kind} {key:?} that cannot be read: {reason}")]
    Document {
        /// The document's kind.
        kind: &'static str,
        /// Its key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A write that no database may have.
    #[error("the {kind} {key:?} cannot be stored: {reason}")]
    Refused {
        /// The document's kind.
        kind: &'static str,
        /// Its key, shortened.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Somebody else was faster: a document is not at the revision that the writer believed. Nothing was changed.
    #[error("somebody else has changed the {kind} {key:?} meanwhile; look at it and try again")]
    Conflict {
        /// The document's kind.
        kind: &'static str,
        /// Its key.
        key: String,
        /// Its revision; `None` where there is none.
        found: Option<u64>,
    },
    /// Other control planes changed the same each time that a change was attempted. Nothing was changed.
    #[error("other control planes change the same all the time; nothing was changed, try again")]
    Contended,
    /// A watcher asks for changes that are so old that the store has forgotten them.
    #[error("the changes after revision {after} are no longer kept; all has to be read anew")]
    Forgotten {
        /// The revision after which they were asked for.
        after: u64,
    },
    /// Another control plane uses the state directory.
    #[error(
        "{0}: another slotway is running with this state directory; stop it, or give this one its own `state`"
    )]
    Locked(PathBuf),
    /// There is no room for a change. Nothing was changed.
    #[error(
        "{place}: the database has no room left ({reason}); nothing was changed. Make room where it is kept"
    )]
    Full {
        /// The database.
        place: String,
        /// The database's words.
        reason: String,
    },
    /// The database could not be read or written.
    #[error("{place}: the database cannot be used: {reason}")]
    Unavailable {
        /// The database.
        place: String,
        /// What went wrong.
        reason: String,
    },
}

impl StoreError {
    /// Whether the same may succeed later, without anybody doing something about what was asked.
    #[must_use]
    pub fn is_about_the_database(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Full { .. } | Self::Unavailable { .. })
    }
}
