use std::{cmp::Ordering, fmt, hash, ops::Deref, str::FromStr};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use slotway_api_types::{ResourceKind, kinds};

/// A kind of resource, as the commands name it. Kinds are ordered as [`kinds::ALL`] is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind(&'static ResourceKind);

impl Kind {
    pub(super) const WORKER: Self = Self(&kinds::WORKER);
    pub(super) const POOL: Self = Self(&kinds::POOL);
    pub(super) const POLICY: Self = Self(&kinds::POLICY);
    pub(super) const COORDINATOR: Self = Self(&kinds::COORDINATOR);
    pub(super) const USER: Self = Self(&kinds::USER);
    pub(super) const TOKEN: Self = Self(&kinds::TOKEN);

    /// Returns all kinds.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        kinds::ALL.into_iter().map(Self)
    }

    /// Returns the descriptor.
    pub(super) fn descriptor(self) -> &'static ResourceKind {
        self.0
    }

    /// Returns the path of one of them.
    pub(super) fn path_of(self, name: &str) -> String {
        format!("{}/{}", self.collection(), encoded(name))
    }

    /// Returns a resource of the kind for use in a sentence.
    pub(super) fn in_words(self, name: &str) -> String {
        format!("{} {name}", self.title)
    }

    /// Returns the kind that the field `kind` of a resource names.
    pub(super) fn of_resource(name: &str) -> Option<Self> {
        kinds::by_name(name).map(Self)
    }

    /// Returns the plurals of the kinds for which `wanted` holds.
    pub(super) fn words_of(wanted: impl Fn(&ResourceKind) -> bool) -> String {
        Self::all().filter(|kind| wanted(kind)).map(|kind| kind.words).collect::<Vec<_>>().join(", ")
    }

    fn rank(self) -> Option<usize> {
        kinds::ALL.into_iter().position(|kind| kind == self.0)
    }
}

impl Deref for Kind {
    type Target = ResourceKind;

    fn deref(&self) -> &ResourceKind {
        self.0
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Kind {}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kind {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl hash::Hash for Kind {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::all().find(|kind| kind.is_named(text));
        found.ok_or_else(|| format!("{text:?} is not a kind. Known: {}", Self::words_of(|_| true)))
    }
}

/// Returns the help of an argument that takes a kind.
pub(super) fn help(wanted: impl Fn(&ResourceKind) -> bool, more: &str) -> String {
    format!("{}{more}; or KIND/NAME", Kind::words_of(wanted))
}

/// Returns a name encoded for a path or a query.
pub(super) fn encoded(name: &str) -> impl fmt::Display {
    utf8_percent_encode(name, NON_ALPHANUMERIC)
}

/// The argument of a command: a kind, or `KIND/NAME` as `-o name` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResourceArgument {
    /// The kind.
    pub(super) kind: Kind,
    /// The name, where it was given with the kind.
    pub(super) name: Option<String>,
}

impl ResourceArgument {
    /// Returns the name in the argument, and the names that follow it.
    pub(super) fn names(&self, more: &[String]) -> Vec<String> {
        self.name.iter().chain(more).cloned().collect()
    }
}

impl fmt::Display for ResourceArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{}/{name}", self.kind.word),
            None => f.write_str(self.kind.words),
        }
    }
}

impl FromStr for ResourceArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = match text.split_once('/') {
            Some((_, "")) => return Err(format!("the name after the / of {text:?} is missing")),
            Some((kind, name)) => (kind, Some(name.to_owned())),
            None => (text, None),
        };
        Ok(Self { kind: kind.parse()?, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_in_one_or_in_several_and_together_with_a_name() {
        for (text, kind, name) in [
            ("workers", "Worker", None),
            ("Worker", "Worker", None),
            ("policy", "Policy", None),
            ("policies", "Policy", None),
            ("backup-job/nightly", "BackupJob", Some("nightly")),
            ("backupjobs", "BackupJob", None),
            ("BackupJob", "BackupJob", None),
            ("bj", "BackupJob", None),
            ("limits", "ServerLimits", None),
            ("worker/http://127.0.0.1:9001/a", "Worker", Some("http://127.0.0.1:9001/a")),
        ] {
            let named: ResourceArgument = text.parse().unwrap();
            assert_eq!((named.kind.name, named.name.as_deref()), (kind, name), "{text}");
        }
        for (text, told) in
            [("wrokers", "workers, pools, policies"), ("worker/", "is missing"), ("", "Known: ")]
        {
            let error = text.parse::<ResourceArgument>().unwrap_err();
            assert!(error.contains(told), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_name_is_one_segment_of_a_path() {
        assert_eq!(Kind::WORKER.path_of("http://a:1/x?"), "/api/v1/workers/http%3A%2F%2Fa%3A1%2Fx%3F");
    }
}
