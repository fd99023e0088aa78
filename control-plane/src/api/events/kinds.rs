use crate::store;

/// Kinds of resources, as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Kinds(u16);

/// What is heard of, by the name that its resources have as `kind`, and how the store calls it.
const NAMED: [(&str, Option<&str>); 10] = [
    ("Pool", Some("pool")),
    ("Policy", Some("policy")),
    ("Worker", Some("worker")),
    ("Coordinator", None),
    ("User", Some("user")),
    ("Token", Some("token")),
    ("Server", Some("server")),
    ("ServerLimits", Some("server_limits")),
    ("ResourceProfiles", Some("resource_profiles")),
    ("BackupJob", Some("backup_job")),
];

impl Kinds {
    pub(super) const NONE: Self = Self(0);
    pub(super) const ALL: Self = Self((1 << NAMED.len()) - 1);
    pub(super) const POOL: Self = Self(1);
    pub(super) const WORKER: Self = Self(1 << 2);
    pub(super) const COORDINATOR: Self = Self(1 << 3);
    const PEOPLE: Self = Self(1 << 4 | 1 << 5);

    /// A list with commas.
    ///
    /// # Errors
    /// Which word is none of them, and which there are.
    pub(super) fn parse(list: &str) -> Result<Self, String> {
        list.split(',').try_fold(Self(0), |kinds, word| {
            let bit = NAMED.iter().position(|(name, _)| *name == word.trim()).ok_or_else(|| {
                let known = NAMED.map(|(name, _)| name).join(", ");
                format!("{:?} is no kind; there is {known}", word.trim().chars().take(64).collect::<String>())
            })?;
            Ok(Self(kinds.0 | 1 << bit))
        })
    }

    /// The same without users and tokens, of which only admins hear.
    pub(super) fn without_people(self) -> Self {
        Self(self.0 & !Self::PEOPLE.0)
    }

    /// Together with `others`.
    pub(super) const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether they are people and what belongs to them.
    pub(super) fn is_people(self) -> bool {
        Self::PEOPLE.has(self)
    }

    /// Whether all of `others` are among them.
    pub(super) fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether one of `others` is among them.
    pub(super) fn has_one_of(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// What a kind of the store is here: its name, and the set of it alone. The store's own book-keeping and sessions are nothing.
    pub(super) fn of(kind: store::Kind) -> Option<(&'static str, Self)> {
        let bit = NAMED.iter().position(|(_, stored)| *stored == Some(kind.as_str()))?;
        NAMED.get(bit).map(|(name, _)| (*name, Self(1 << bit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;

    #[test]
    fn the_names_are_where_the_constants_say() {
        for (name, kinds) in
            [("Pool", Kinds::POOL), ("Worker", Kinds::WORKER), ("Coordinator", Kinds::COORDINATOR)]
        {
            assert_eq!(Kinds::parse(name), Ok(kinds), "{name}");
        }
        assert_eq!(Kinds::parse("User, Token"), Ok(Kinds::PEOPLE));
        assert!(!Kinds::ALL.without_people().has_one_of(Kinds::PEOPLE));
        assert!(
            Kinds::ALL.has(Kinds::PEOPLE)
                && Kinds::parse(&NAMED.map(|(name, _)| name).join(",")) == Ok(Kinds::ALL)
        );
    }

    #[test]
    fn what_is_no_kind_is_refused_with_what_there_is() {
        for wrong in ["", "worker", "Worker,", "Worker;Pool", "Session"] {
            let refused = Kinds::parse(wrong).unwrap_err();
            assert!(refused.contains("there is Pool, Policy, Worker"), "{wrong:?}: {refused}");
        }
    }

    #[test]
    fn the_programs_own_bookkeeping_is_heard_of_by_nobody() {
        let silent: Vec<_> = kinds::ALL
            .into_iter()
            .filter(|kind| Kinds::of(*kind).is_none())
            .map(store::Kind::as_str)
            .collect();
        assert!(silent.contains(&"fact") && silent.contains(&"settings"), "{silent:?}");
        assert!(
            silent.iter().all(|kind| ["fact", "settings", "session", "token_use"].contains(kind)),
            "{silent:?}"
        );
    }
}
