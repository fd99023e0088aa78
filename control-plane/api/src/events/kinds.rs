use slotway_api_types::{RequiredScope, ResourceKind, kinds};

use slotway_store::Kind;

/// A set of kinds of resources. The bit of a kind is its index in [`kinds::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Kinds(u32);

impl Kinds {
    pub(super) const NONE: Self = Self(0);
    pub(super) const ALL: Self = Self((1 << kinds::ALL.len()) - 1);
    pub(super) const WORKER: Self = Self(1);
    pub(super) const POOL: Self = Self(1 << 1);
    pub(super) const COORDINATOR: Self = Self(1 << 3);

    /// Parses a comma-separated list.
    ///
    /// # Errors
    /// The unknown word, and the known ones.
    pub(super) fn parse(list: &str) -> Result<Self, String> {
        list.split(',').try_fold(Self(0), |kinds, word| {
            let bit = kinds::ALL.iter().position(|kind| kind.name == word.trim()).ok_or_else(|| {
                let known = kinds::ALL.map(|kind| kind.name).join(", ");
                format!("{:?} is no kind; there is {known}", word.trim().chars().take(64).collect::<String>())
            })?;
            Ok(Self(kinds.0 | 1 << bit))
        })
    }

    /// Returns the kinds that only admins may read.
    fn of_admins() -> Self {
        let is_closed = |(_, kind): &(usize, &&ResourceKind)| kind.read == RequiredScope::Admin;
        Self(kinds::ALL.iter().enumerate().filter(is_closed).fold(0, |bits, (bit, _)| bits | 1 << bit))
    }

    /// Returns the same without the kinds that only admins may read.
    pub(super) fn without_those_of_admins(self) -> Self {
        Self(self.0 & !Self::of_admins().0)
    }

    /// Returns the union with `others`.
    pub(super) const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Returns whether only admins may read them.
    pub(super) fn is_of_admins(self) -> bool {
        Self::of_admins().has(self)
    }

    /// Returns whether the set has all of `others`.
    pub(super) fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Returns whether the set has at least one of `others`.
    pub(super) fn has_one_of(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// Returns the descriptor of a kind of document, and the set with it alone; `None` for internal facts and sessions.
    pub(super) fn of(kind: Kind) -> Option<(&'static ResourceKind, Self)> {
        let bit = kinds::ALL.iter().position(|known| known.stored == Some(kind.as_str()))?;
        kinds::ALL.get(bit).map(|known| (*known, Self(1 << bit)))
    }
}

#[cfg(test)]
mod tests {
    use slotway_api_types::kinds as api_types;

    use super::*;

    #[test]
    fn the_constants_have_the_bits_of_their_names() {
        for (name, kinds) in
            [("Pool", Kinds::POOL), ("Worker", Kinds::WORKER), ("Coordinator", Kinds::COORDINATOR)]
        {
            assert_eq!(Kinds::parse(name), Ok(kinds), "{name}");
        }
        let closed = Kinds::parse("User, Token").unwrap();
        assert_eq!(closed, Kinds::of_admins());
        assert!(Kinds::ALL.has(closed) && !Kinds::ALL.without_those_of_admins().has_one_of(closed));
        assert_eq!(Kinds::parse(&api_types::ALL.map(|kind| kind.name).join(",")), Ok(Kinds::ALL));
    }

    #[test]
    fn an_unknown_kind_is_refused_with_the_known_ones() {
        for wrong in ["", "worker", "Worker,", "Worker;Pool", "Session"] {
            let refused = Kinds::parse(wrong).unwrap_err();
            assert!(refused.contains("there is Worker, Pool, Policy"), "{wrong:?}: {refused}");
        }
    }

    #[test]
    fn internal_facts_are_no_events() {
        let stored: [&[Kind]; 5] = [
            &slotway_pools::KINDS,
            slotway_identity::KINDS,
            slotway_servers::KINDS,
            slotway_backups::KINDS,
            &[Kind::FACT],
        ];
        let silent: Vec<_> = stored
            .concat()
            .into_iter()
            .filter(|kind| Kinds::of(*kind).is_none())
            .map(|kind| kind.as_str())
            .collect();
        assert!(silent.contains(&"fact") && silent.contains(&"settings"), "{silent:?}");
        assert!(
            silent
                .iter()
                .all(|kind| ["fact", "settings", "session", "token_use", "resource_profiles"].contains(kind)),
            "{silent:?}"
        );
    }
}
