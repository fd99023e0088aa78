use std::{fmt, str::FromStr};

use super::client::encoded;

/// What can be looked at, and what some of it can be made into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// A worker.
    Worker,
    /// A pool of workers.
    Pool,
    /// How the requests of a pool wait.
    Policy,
    /// An Envoy that is connected, or was.
    Coordinator,
    /// Somebody who may log in.
    User,
    /// What programs show in a user's place.
    Token,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 6] =
        [Self::Worker, Self::Pool, Self::Policy, Self::Coordinator, Self::User, Self::Token];

    /// As it stands in `kind`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Worker => "Worker",
            Self::Pool => "Pool",
            Self::Policy => "Policy",
            Self::Coordinator => "Coordinator",
            Self::User => "User",
            Self::Token => "Token",
        }
    }

    /// The word for one of it.
    pub(super) fn singular(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Pool => "pool",
            Self::Policy => "policy",
            Self::Coordinator => "coordinator",
            Self::User => "user",
            Self::Token => "token",
        }
    }

    /// The word for several, which its path has, too.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Worker => "workers",
            Self::Pool => "pools",
            Self::Policy => "policies",
            Self::Coordinator => "coordinators",
            Self::User => "users",
            Self::Token => "tokens",
        }
    }

    /// Where all of them are.
    pub(super) fn path(self) -> String {
        format!("/api/v1/{}", self.plural())
    }

    /// Where one of them is.
    pub(super) fn path_of(self, name: &str) -> String {
        format!("/api/v1/{}/{}", self.plural(), encoded(name))
    }

    /// One of them in a sentence.
    pub(super) fn in_words(self, name: &str) -> String {
        format!("{} {name}", self.singular())
    }

    /// The kind of the word that stands in a resource.
    pub(super) fn of_resource(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let word = text.to_ascii_lowercase();
        let found = Self::ALL.into_iter().find(|kind| word == kind.singular() || word == kind.plural());
        found.ok_or_else(|| {
            format!("{text:?} is not a kind. Known: {}", Self::ALL.map(Self::plural).join(", "))
        })
    }
}

/// What somebody names: a kind, or `KIND/NAME` as `-o name` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResourceArgument {
    /// Which kind.
    pub(super) kind: Kind,
    /// Which of them, where it was said with the kind.
    pub(super) name: Option<String>,
}

impl ResourceArgument {
    /// The names that it and what follows it say.
    pub(super) fn names(&self, more: &[String]) -> Vec<String> {
        self.name.iter().chain(more).cloned().collect()
    }
}

impl fmt::Display for ResourceArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{}/{name}", self.kind.singular()),
            None => f.write_str(self.kind.plural()),
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
            ("workers", Kind::Worker, None),
            ("Worker", Kind::Worker, None),
            ("policy", Kind::Policy, None),
            ("policies", Kind::Policy, None),
            ("worker/http://127.0.0.1:9001/a", Kind::Worker, Some("http://127.0.0.1:9001/a")),
        ] {
            let named: ResourceArgument = text.parse().unwrap();
            assert_eq!((named.kind, named.name.as_deref()), (kind, name), "{text}");
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
        assert_eq!(Kind::Worker.path_of("http://a:1/x?"), "/api/v1/workers/http%3A%2F%2Fa%3A1%2Fx%3F");
    }
}
