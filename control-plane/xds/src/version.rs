use std::{fmt, sync::Arc};

use sha2::{Digest, Sha256};

/// The version of a content. Equal versions mean equal content, also after a restart and on another control plane.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Version(Arc<str>);

impl Version {
    /// Returns the version that a node states.
    pub(crate) fn stated(text: &str) -> Self {
        Self(text.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the version of a set whose resources have these names and versions, in the order of the names.
    pub(crate) fn of_all<'a>(all: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut hasher = Sha256::new();
        for (name, version) in all {
            hasher.update(name.as_bytes());
            hasher.update([0]);
            hasher.update(version.as_bytes());
        }
        Self::of(hasher)
    }

    /// Returns the version of the hashed content.
    pub(crate) fn of(hasher: Sha256) -> Self {
        let digest = hasher.finalize();
        Self(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>().into())
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
