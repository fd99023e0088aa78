use super::StoreError;

/// Longest key, in bytes: a worker's URL fits, and PostgreSQL can index it.
pub const KEY_BYTES_MAX: usize = 2_048;
/// Largest document, in bytes.
pub const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// A kind of document. Keys are unique within a kind. Two kinds with the same name are the same kind.
///
/// The store knows no kind but [`Kind::FACT`]: each domain declares its own as constants, and whoever opens a store says which
/// kinds the program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    name: &'static str,
    is_audited: bool,
    is_in_backups: bool,
}

impl Kind {
    /// The program's bookkeeping by name, such as a generation or the holder of a lease. Its changes leave no audit rows. Each fact
    /// is in backups or not by what it is, see the domain that owns it.
    pub const FACT: Self = Self::new("fact").without_audit();

    /// Declares a kind whose changes leave audit rows and whose documents are part of backups.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, is_audited: true, is_in_backups: true }
    }

    /// The same kind with changes that leave no audit rows.
    #[must_use]
    pub const fn without_audit(self) -> Self {
        Self { is_audited: false, ..self }
    }

    /// The same kind with documents that are not part of backups.
    #[must_use]
    pub const fn without_backup(self) -> Self {
        Self { is_in_backups: false, ..self }
    }

    /// Returns the kind's name in the database, in audit rows and in backups.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.name
    }

    /// Returns whether changes of documents of this kind leave audit rows.
    #[must_use]
    pub const fn is_audited(self) -> bool {
        self.is_audited
    }

    /// Returns whether documents of this kind are part of backups.
    #[must_use]
    pub const fn is_in_backups(self) -> bool {
        self.is_in_backups
    }
}

/// Finds the kind of a name among those that are known.
///
/// # Errors
/// [`StoreError::Document`] for a name that only a newer program can have written.
pub fn kind_named(known: &[Kind], name: &str) -> Result<Kind, StoreError> {
    known.iter().copied().find(|kind| kind.as_str() == name).ok_or_else(|| StoreError::Document {
        kind: "document of kind",
        key: name.to_owned(),
        reason: "this slotway does not know the kind".to_owned(),
    })
}

/// A document as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What it is about.
    pub kind: Kind,
    /// Its key among its kind.
    pub key: String,
    /// The store's revision that wrote it last.
    pub revision: u64,
    /// JSON text.
    pub value: String,
}

/// Documents, and the store's revision at which they were all true together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The revision to watch from.
    pub revision: u64,
    /// Ordered by kind, then by the bytes of the key.
    pub documents: Vec<Document>,
}
