//! Resources: documents as a domain offers them to REST, with a name, a version, a spec and a status.
//!
//! A domain implements [`Resources`] for its kinds, and one generic handler serves all of them. A change is computed on
//! a freshly read view, so several domains can take part in one batch.

use std::{borrow::Borrow, error::Error, fmt, str::FromStr, sync::Arc};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Kind, StoreError, StoreFuture, Write};

/// The maximum length of a resource's name, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A resource as its domain shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct DomainResource {
    /// The name, unique among its kind, and the key of its document.
    pub name: String,
    /// The revision of the last commit that wrote it; 0 for a resource that exists without a document.
    pub revision: u64,
    /// The desired state.
    pub spec: Value,
    /// The observed state.
    pub status: Value,
}

/// A change of one resource.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceChange {
    /// The kind.
    pub kind: Kind,
    /// The name.
    pub name: String,
    /// The new spec; `None` deletes the resource.
    pub spec: Option<Value>,
}

/// The changes of one batch.
#[derive(Debug, Clone, Copy)]
pub struct ResourceChanges<'a> {
    /// The changes of the domain's own resources, each at most once.
    pub own: &'a [ResourceChange],
    /// The kinds and names of other domains' resources that the batch creates. References to them are valid.
    pub created_beside: &'a [(Kind, String)],
}

/// The resources of a domain after a change, and the writes that make it.
pub struct ChangedResources {
    /// The resources after the change. The revisions are those before it.
    pub view: Arc<dyn ResourceView>,
    /// The writes; none where the change changes nothing.
    pub writes: Vec<Write>,
}

/// The reason why a domain refuses a change.
#[derive(Debug, thiserror::Error)]
pub enum ResourceError {
    /// A value is not allowed.
    #[error("{reason}")]
    Invalid {
        /// The name of the resource.
        name: String,
        /// The path of the field within the resource: `spec.schedule.cron`.
        field: String,
        /// Why it is not allowed, and which values are.
        reason: String,
    },
    /// The change contradicts the current state.
    #[error("{reason}")]
    Conflict {
        /// The name of the resource.
        name: String,
        /// What it contradicts.
        reason: String,
    },
    /// An error specific to the domain.
    #[error("{error}")]
    Domain {
        /// The name of the resource.
        name: String,
        /// The domain's error.
        error: Box<dyn Error + Send + Sync>,
    },
    /// The change cannot be written as documents.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ResourceError {
    /// Returns the name of the resource that caused the error.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Invalid { name, .. } | Self::Conflict { name, .. } | Self::Domain { name, .. } => {
                Some(name)
            }
            Self::Store(_) => None,
        }
    }
}

/// The resources of a domain at one revision of the store.
pub trait ResourceView: Send + Sync {
    /// Returns the store's revision.
    fn revision(&self) -> u64;

    /// Returns the resources of a kind, in the order of their names.
    fn list(&self, kind: Kind) -> Vec<DomainResource>;

    /// Returns the resource of a name.
    fn get(&self, kind: Kind, name: &str) -> Option<DomainResource>;

    /// Returns whether the resource also exists without a document, with defaults.
    fn is_built_in(&self, kind: Kind, name: &str) -> bool {
        let _ = (kind, name);
        false
    }

    /// Computes changes: checks the whole state after them, and returns it with the writes, which expect the revisions
    /// of this view.
    ///
    /// # Errors
    /// [`ResourceError`]. Then none of the changes can be made.
    fn changed(&self, changes: ResourceChanges<'_>) -> Result<ChangedResources, ResourceError>;
}

/// A domain's resources.
pub trait Resources: Send + Sync {
    /// Returns the kinds of the resources.
    fn kinds(&self) -> &'static [Kind];

    /// Returns the resources as this control plane knows them.
    fn current(&self) -> Arc<dyn ResourceView>;

    /// Reads the resources from the store and returns them.
    fn fresh(&self) -> StoreFuture<'_, Arc<dyn ResourceView>>;

    /// Returns when [`Self::current`] contains this revision.
    fn caught_up(&self, revision: u64) -> StoreFuture<'_, ()>;
}

/// The name of a resource: lower-case letters, digits, `-` and `_`, starting with a letter, at most 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceName(String);

impl ResourceName {
    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Lets maps of names be searched by text.
impl Borrow<str> for ResourceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for ResourceName {
    type Err = ResourceFieldError;

    fn from_str(text: &str) -> Result<Self, ResourceFieldError> {
        let is_letter =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        let is_name = text.len() <= NAME_BYTES_MAX
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(is_letter);
        if is_name {
            return Ok(Self(text.to_owned()));
        }
        let shown: String = text.chars().take(2 * NAME_BYTES_MAX).collect();
        Err(ResourceFieldError::new(
            "metadata.name",
            format!(
                "{shown:?} is not a name: use lower-case letters, digits, `-` and `_`, a letter first, at most {NAME_BYTES_MAX}"
            ),
        ))
    }
}

/// A value that is not allowed, and the path of its field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct ResourceFieldError {
    /// The path of the field.
    pub field: String,
    /// Why it is not allowed, and which values are.
    pub reason: String,
}

impl ResourceFieldError {
    /// Returns an error about a field.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }

    /// Returns the same error with the field's path prefixed by `parent`.
    #[must_use]
    pub fn below(self, parent: &str) -> Self {
        let field =
            if self.field.is_empty() { parent.to_owned() } else { format!("{parent}.{}", self.field) };
        Self { field, ..self }
    }

    /// Returns it as the error of the resource with this name.
    #[must_use]
    pub fn of(self, name: &str) -> ResourceError {
        ResourceError::Invalid { name: name.to_owned(), field: self.field, reason: self.reason }
    }
}

/// Parses the spec of a resource.
///
/// # Errors
/// The field that cannot be read, with its path from `spec` on.
pub fn read_spec<Spec: DeserializeOwned>(spec: &Value) -> Result<Spec, ResourceFieldError> {
    serde_path_to_error::deserialize(spec).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { String::new() } else { path };
        ResourceFieldError::new(field, error.into_inner().to_string()).below("spec")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_alphabet() {
        for name in ["a", "nightly", "w5", "preannotation-server", "a_b", &"a".repeat(64)] {
            assert_eq!(name.parse::<ResourceName>().unwrap().as_str(), name);
        }
        for name in ["", "5w", "-a", "A", "a b", "a/b", "ü", &"a".repeat(65)] {
            assert_eq!(name.parse::<ResourceName>().unwrap_err().field, "metadata.name", "{name:?}");
        }
    }
}
