use super::StoreError;

/// The maximum length of a key, in bytes. A worker's URL fits, and PostgreSQL can index it.
pub const KEY_BYTES_MAX: usize = 2_048;
/// The maximum size of a document, in bytes.
pub const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// A kind of document. Keys are unique within a kind. Two kinds with the same name are equal.
///
/// The store itself defines only [`Kind::FACT`]. Each domain declares its kinds as constants, and the program passes
/// the kinds that it knows when it opens a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    name: &'static str,
    is_audited: bool,
    is_in_backups: bool,
}

impl Kind {
    /// The control plane's internal records by name, such as a generation or the holder of a lease. Their changes leave
    /// no audit rows. The domain that owns a fact decides whether backups contain it.
    pub const FACT: Self = Self::new("fact").without_audit();

    /// Declares a kind whose changes leave audit rows and whose documents are part of backups.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, is_audited: true, is_in_backups: true }
    }

    /// Returns the same kind, without audit rows for its changes.
    #[must_use]
    pub const fn without_audit(self) -> Self {
        Self { is_audited: false, ..self }
    }

    /// Returns the same kind, excluded from backups.
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

/// Returns the kind with this name among the known ones.
///
/// # Errors
/// [`StoreError::Document`] for an unknown name, which a newer version must have written.
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
    /// The document's kind.
    pub kind: Kind,
    /// The document's key within its kind.
    pub key: String,
    /// The revision of the last commit that wrote it.
    pub revision: u64,
    /// JSON text.
    pub value: String,
}

/// A consistent listing of documents, and the store's revision at which it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The revision to watch from.
    pub revision: u64,
    /// Ordered by kind, then by the bytes of the key.
    pub documents: Vec<Document>,
}
