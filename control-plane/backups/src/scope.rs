use slotway_store::{Document, Kind, Listing, Write};

use crate::BackupsError;

/// What backups of the store need to know of the program's documents. The wiring says it.
pub struct StoreScope {
    /// All kinds of documents.
    pub kinds: &'static [Kind],
    /// The keys of the facts that are part of backups.
    pub facts: &'static [&'static str],
    /// The domains that take part in a restore.
    pub parts: Vec<Box<dyn RestorePart>>,
}

/// The part that a domain takes in a restore.
pub trait RestorePart: Send + Sync {
    /// Converts documents of older versions.
    ///
    /// # Errors
    /// [`BackupsError::Store`] for a document that cannot be read.
    fn upgraded(&self, listing: Listing) -> Result<Listing, BackupsError> {
        Ok(listing)
    }

    /// Returns the writes that turn the domain's documents of a store into those of a backup; none if they are the same.
    ///
    /// # Errors
    /// [`BackupsError::Store`] for a document that cannot be read, [`BackupsError::Unfit`].
    fn writes(&self, present: &Listing, backup: &Listing) -> Result<Vec<Write>, BackupsError>;

    /// Returns what a write of the domain does to a resource; `None` for a document that is none, and for a write that shows no
    /// difference.
    fn outcome(&self, write: &Write, before: Option<&Document>) -> Option<RestoreOutcome> {
        RestoreOutcome::of(write, before)
    }
}

/// What a restore does to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreOutcome {
    /// It did not exist.
    Created,
    /// It was another one.
    Changed,
    /// It no longer exists.
    Deleted,
    /// A worker is deleted once it has no requests.
    Draining,
    /// A worker changes its pool once it has no requests.
    Moving,
}

impl RestoreOutcome {
    /// Returns what a write does to a document.
    #[must_use]
    pub fn of(write: &Write, before: Option<&Document>) -> Option<Self> {
        if write.kind == Kind::FACT || !write.kind.is_in_backups() {
            return None;
        }
        match (before.is_some(), write.value.is_some()) {
            (true, true) => Some(Self::Changed),
            (false, true) => Some(Self::Created),
            (true, false) => Some(Self::Deleted),
            (false, false) => None,
        }
    }
}

impl StoreScope {
    /// Returns whether a document is part of backups.
    #[must_use]
    pub fn has(&self, document: &Document) -> bool {
        match document.kind {
            Kind::FACT => self.facts.contains(&document.key.as_str()),
            kind => kind.is_in_backups(),
        }
    }

    pub(crate) fn upgraded(&self, listing: Listing) -> Result<Listing, BackupsError> {
        self.parts.iter().try_fold(listing, |listing, part| part.upgraded(listing))
    }
}
