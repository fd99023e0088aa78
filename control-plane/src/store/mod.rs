//! Where the control plane keeps what it must not forget: documents (JSON text) by kind and key.
//!
//! The trait is small on purpose, so that a second database is one file: list what is there, commit a batch of writes
//! whole or not at all. What the documents mean is the domain's business (`workers`), not the store's.

mod sqlite;

use std::{future::Future, path::PathBuf, pin::Pin};

pub use sqlite::SqliteStore;

/// What a document is about; kinds do not share keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A worker, by its base URL.
    Worker,
    /// Facts about the whole, by name: the generation, the settings that were last in force.
    Fact,
}

impl Kind {
    /// The kind's name in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Fact => "fact",
        }
    }
}

/// A document as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its key among its kind.
    pub key: String,
    /// Counts up from 1 with each write of this document.
    pub revision: u64,
    /// JSON text.
    pub value: String,
}

/// One write of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Creates the document, or replaces it.
    Put {
        /// What it is about.
        kind: Kind,
        /// Its key among its kind.
        key: String,
        /// JSON text.
        value: String,
    },
    /// Removes the document; nothing happens if there is none.
    Delete {
        /// What it is about.
        kind: Kind,
        /// Its key among its kind.
        key: String,
    },
}

/// What a store's methods return: a future that the caller may box, so that a store can stand behind `dyn`.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A database of documents.
pub trait Store: Send + Sync {
    /// One document.
    fn get<'a>(&'a self, kind: Kind, key: &'a str) -> StoreFuture<'a, Option<Document>>;

    /// All documents of a kind, ordered by key.
    fn list(&self, kind: Kind) -> StoreFuture<'_, Vec<Document>>;

    /// Makes all the writes, in their order, or none. It returns once they would survive a power cut.
    fn commit(&self, writes: Vec<Write>) -> StoreFuture<'_, ()>;
}

/// Why the store cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is not a database of ours, or a broken one. It was left as it is.
    #[error(
        "{file}: the database is damaged ({reason}); it was left untouched. Put a copy of it back, or move it \
         and what is beside it (-wal, -shm) away to start with the workers of the configuration file alone"
    )]
    Damaged {
        /// The database file.
        file: PathBuf,
        /// What was seen.
        reason: String,
    },
    /// The file was written by a newer Slotway.
    #[error(
        "{file}: the database has schema {found}, and this slotway knows {known} at most: use a newer slotway"
    )]
    Newer {
        /// The database file.
        file: PathBuf,
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
    /// Another control plane uses the state directory.
    #[error(
        "{0}: another slotway is running with this state directory; stop it, or give this one its own `state`"
    )]
    Locked(PathBuf),
    /// The database could not be read or written.
    #[error("{file}: the database cannot be used: {reason}")]
    Unavailable {
        /// The database file.
        file: PathBuf,
        /// What went wrong.
        reason: String,
    },
}
