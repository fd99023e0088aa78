//! Typed documents of one kind, and the turn document that serialises changes. A [`crate::Replicated`] state consists
//! of these.

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};

use super::{Expected, Kind, StoreError, Write};

/// A value, and the revision of the store that wrote it; 0 for a value that is not stored yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The revision.
    pub revision: u64,
    /// The value.
    pub value: T,
}

/// All documents of one kind, by key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documents<T> {
    kind: Kind,
    by_key: BTreeMap<String, Versioned<T>>,
}

impl<T> Documents<T> {
    /// Returns no documents of a kind.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self { kind, by_key: BTreeMap::new() }
    }

    /// Returns the document of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Versioned<T>> {
        self.by_key.get(key)
    }

    /// Returns whether there is a document of a key.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.by_key.contains_key(key)
    }

    /// Returns all documents, in the order of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Versioned<T>)> {
        self.by_key.iter().map(|(key, versioned)| (key.as_str(), versioned))
    }

    /// Returns how many documents there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Returns whether there are no documents.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Removes the document of a key, and returns it.
    pub fn remove(&mut self, key: &str) -> Option<Versioned<T>> {
        self.by_key.remove(key)
    }

    /// Removes the documents for which `keep` returns false.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &Versioned<T>) -> bool) {
        self.by_key.retain(|key, versioned| keep(key, versioned));
    }

    /// Removes all documents.
    pub fn clear(&mut self) {
        self.by_key.clear();
    }
}

impl<T: PartialEq> Documents<T> {
    /// Creates or replaces the document of a key. A document that has the value already keeps its revision.
    pub fn set(&mut self, key: impl Into<String>, value: T) {
        let key = key.into();
        if self.by_key.get(&key).is_none_or(|known| known.value != value) {
            self.by_key.insert(key, Versioned { revision: 0, value });
        }
    }

    /// Records the revision of the commit that turned `before` into these documents in each of them that it wrote.
    pub fn stamp(&mut self, before: &Self, revision: u64) {
        for (key, versioned) in &mut self.by_key {
            if before.by_key.get(key).is_none_or(|known| known.value != versioned.value) {
                versioned.revision = revision;
            }
        }
    }
}

impl<T: DeserializeOwned> Documents<T> {
    /// Applies a document of the store; `None` as the value deletes it. Returns false, and does nothing, for another
    /// kind.
    ///
    /// # Errors
    /// [`StoreError::Document`] if the value cannot be read.
    pub fn take_over(
        &mut self,
        kind: Kind,
        key: &str,
        revision: u64,
        value: Option<&str>,
    ) -> Result<bool, StoreError> {
        if kind != self.kind {
            return Ok(false);
        }
        match value {
            Some(value) => {
                let value = from_json(kind, key, value)?;
                self.by_key.insert(key.to_owned(), Versioned { revision, value });
            }
            None => drop(self.by_key.remove(key)),
        }
        Ok(true)
    }
}

impl<T: Serialize + PartialEq> Documents<T> {
    /// Returns the writes that turn these documents into `next`. The writes have no preconditions: the write of the
    /// [`Turn`] in the same batch has one.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for a value that has no JSON text.
    pub fn writes_to(&self, next: &Self) -> Result<Vec<Write>, StoreError> {
        let gone = self.by_key.keys().filter(|key| !next.by_key.contains_key(*key));
        let mut writes: Vec<_> =
            gone.map(|key| Write::delete(self.kind, key.as_str(), Expected::Anything)).collect();
        for (key, versioned) in &next.by_key {
            if self.by_key.get(key).is_none_or(|known| known.value != versioned.value) {
                let value = to_json(self.kind, key, &versioned.value)?;
                writes.push(Write::put(self.kind, key.as_str(), value, Expected::Anything));
            }
        }
        Ok(writes)
    }
}

/// The fact that every change of a view writes, with its last seen revision as the precondition. If two control planes
/// change the view concurrently, one of them gets a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    key: &'static str,
    revision: u64,
}

impl Turn {
    /// Returns the turn with this key among the facts, before its first write.
    #[must_use]
    pub const fn new(key: &'static str) -> Self {
        Self { key, revision: 0 }
    }

    /// Applies a document of the store; `None` as the value deletes it. Returns false, and does nothing, for any other
    /// document.
    pub fn take_over(&mut self, kind: Kind, key: &str, revision: u64, value: Option<&str>) -> bool {
        let is_own = kind == Kind::FACT && key == self.key;
        if is_own {
            self.revision = if value.is_some() { revision } else { 0 };
        }
        is_own
    }

    /// Returns the write that every change includes.
    #[must_use]
    pub fn write(&self) -> Write {
        Write::put(Kind::FACT, self.key, "{}", Expected::seen(self.revision))
    }

    /// Records the revision of a commit that has written the turn.
    pub fn stamp(&mut self, revision: u64) {
        self.revision = revision;
    }
}

/// Returns the JSON text of a document's value.
///
/// # Errors
/// [`StoreError::Refused`] for a value that cannot be represented as JSON.
pub fn to_json(kind: Kind, key: &str, value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Refused {
        kind: kind.as_str(),
        key: key.to_owned(),
        reason: error.to_string(),
    })
}

/// Parses the JSON text of a document.
///
/// # Errors
/// [`StoreError::Document`] if the text is not a valid value of this type.
pub fn from_json<T: DeserializeOwned>(kind: Kind, key: &str, value: &str) -> Result<T, StoreError> {
    serde_json::from_str(value).map_err(|error| StoreError::Document {
        kind: kind.as_str(),
        key: key.to_owned(),
        reason: error.to_string(),
    })
}
