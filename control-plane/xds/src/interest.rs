//! The names of one type that a node wants, by the rules of both protocol variants:
//! <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#how-the-client-specifies-what-resources-to-return>.

use std::collections::BTreeSet;

/// Stands for every name.
const WILDCARD: &str = "*";

/// The names that a node wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Interest {
    /// It has not subscribed yet.
    #[default]
    Unasked,
    /// All names, because no request has named any yet. Only state of the world has this state: a list of names that becomes empty
    /// after it had some means none, and a list that was always empty means all.
    LegacyWildcard,
    /// These names; `*` among them stands for all.
    Names(BTreeSet<String>),
}

/// The resources with which a change of interest must be answered, whatever the node is believed to have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Owed {
    /// Only those that have changed, if any.
    #[default]
    Nothing,
    /// Those of these names, also if they do not exist.
    Names(BTreeSet<String>),
    /// All, even if there are none.
    All,
}

impl Owed {
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }

    pub(crate) fn includes(&self, name: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Names(names) => names.contains(name),
            Self::All => true,
        }
    }

    /// Returns the names that are owed one by one.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let names = match self {
            Self::Names(names) => Some(names),
            Self::Nothing | Self::All => None,
        };
        names.into_iter().flatten().map(String::as_str)
    }

    pub(crate) fn add(&mut self, more: Self) {
        match (&mut *self, more) {
            (Self::All, _) | (_, Self::Nothing) => {}
            (Self::Names(names), Self::Names(more)) => names.extend(more),
            (_, more) => *self = more,
        }
    }

    /// Drops the names that the node no longer wants.
    fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        if let Self::Names(names) = self {
            names.retain(|name| wanted(name));
            if names.is_empty() {
                *self = Self::Nothing;
            }
        }
    }

    fn of(names: BTreeSet<String>) -> Self {
        if names.is_empty() { Self::Nothing } else { Self::Names(names) }
    }
}

impl Interest {
    /// State of the world: replaces the whole list of names. Returns whether it changed, and what must be sent in answer.
    ///
    /// A removed name needs no answer; a newly wanted name does, even if it was sent before.
    /// `wildcard`: for this type a list that was always empty means all names.
    pub(crate) fn replace(&mut self, names: BTreeSet<String>, wildcard: bool) -> (bool, Owed) {
        let legacy = wildcard && matches!(self, Self::Unasked | Self::LegacyWildcard);
        let next = if legacy && names.is_empty() { Self::LegacyWildcard } else { Self::Names(names) };
        if *self == next {
            return (false, Owed::Nothing);
        }
        let owed = match (&*self, &next) {
            (Self::Names(old), Self::Names(new)) if new.is_subset(old) => Owed::Nothing,
            _ => Owed::All,
        };
        *self = next;
        (true, owed)
    }

    /// Incremental: adds and removes names. What must be sent in answer is added to `owed`.
    ///
    /// A subscribed name is answered even if the node has the resource: it may have dropped it before it subscribed again
    /// (`DeltaDiscoveryRequest.resource_names_subscribe`). So is a name that is unsubscribed while `*` stands: the node cannot
    /// know whether it also came through `*` (`resource_names_unsubscribe`).
    /// A first request without names means `*`, for types that allow it; that `*` can be unsubscribed like any other.
    /// <https://www.envoyproxy.io/docs/envoy/latest/api-docs/service/discovery/v3/discovery.proto#service-discovery-v3-deltadiscoveryrequest>
    pub(crate) fn adjust(
        &mut self,
        subscribe: BTreeSet<String>,
        unsubscribe: &BTreeSet<String>,
        wildcard: bool,
        owed: &mut Owed,
    ) {
        let legacy = wildcard && *self == Self::Unasked && subscribe.is_empty();
        let mut names = match std::mem::take(self) {
            Self::Names(names) => names,
            Self::Unasked | Self::LegacyWildcard => BTreeSet::new(),
        };
        if legacy {
            names.insert(WILDCARD.to_owned());
            owed.add(Owed::All);
        }
        let mut asked = subscribe;
        names.extend(asked.iter().cloned());
        let taken_back: BTreeSet<_> =
            unsubscribe.iter().filter(|name| !asked.contains(*name)).cloned().collect();
        names.retain(|name| !taken_back.contains(name));
        if asked.remove(WILDCARD) {
            owed.add(Owed::All);
        }
        owed.add(Owed::of(asked));
        if names.contains(WILDCARD) {
            owed.add(Owed::of(taken_back));
        }
        *self = Self::Names(names);
        owed.retain(|name| self.wants(name));
        if *owed == Owed::All && !self.wants_all() {
            *owed = Owed::Nothing;
        }
    }

    /// Returns whether the node has subscribed, be it to nothing.
    pub(crate) fn is_stated(&self) -> bool {
        *self != Self::Unasked
    }

    /// Returns whether the node wants any name.
    pub(crate) fn is_something(&self) -> bool {
        match self {
            Self::Unasked => false,
            Self::LegacyWildcard => true,
            Self::Names(names) => !names.is_empty(),
        }
    }

    /// Returns whether the node wants all names.
    pub(crate) fn wants_all(&self) -> bool {
        match self {
            Self::Unasked => false,
            Self::LegacyWildcard => true,
            Self::Names(names) => names.contains(WILDCARD),
        }
    }

    /// Returns whether the node wants the resource of this name.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.wants_all() || matches!(self, Self::Names(names) if names.contains(name))
    }

    /// Returns the number of names that it lists.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Names(names) => names.len(),
            Self::Unasked | Self::LegacyWildcard => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn adjusted(interest: &mut Interest, subscribe: &[&str], unsubscribe: &[&str]) -> Owed {
        let mut owed = Owed::Nothing;
        interest.adjust(names(subscribe), &names(unsubscribe), true, &mut owed);
        owed
    }

    /// The example of the specification, step by step.
    #[test]
    fn state_of_the_world_tells_the_legacy_wildcard_from_an_empty_list() {
        let mut interest = Interest::default();
        interest.replace(names(&[]), true);
        assert!(interest.wants_all());
        interest.replace(names(&["*", "A"]), true);
        assert!(interest.wants_all());
        interest.replace(names(&["A"]), true);
        assert!(!interest.wants_all() && interest.wants("A"));
        interest.replace(names(&[]), true);
        assert!(!interest.is_something());
    }

    /// The example of the specification, step by step.
    #[test]
    fn incremental_keeps_the_legacy_wildcard_beside_a_name_until_it_is_taken_back() {
        let mut interest = Interest::default();
        assert_eq!(adjusted(&mut interest, &[], &[]), Owed::All);
        assert!(interest.wants_all());
        assert_eq!(adjusted(&mut interest, &["A"], &[]), Owed::Names(names(&["A"])));
        assert!(interest.wants_all() && interest.wants("A"));
        assert_eq!(adjusted(&mut interest, &[], &["*"]), Owed::Nothing);
        assert!(!interest.wants_all() && interest.wants("A"));
        assert_eq!(adjusted(&mut interest, &[], &["A"]), Owed::Nothing);
        assert!(!interest.is_something());
        assert_eq!(adjusted(&mut interest, &[], &[]), Owed::Nothing);
        assert!(!interest.is_something(), "only the first request can mean everything");
    }

    #[test]
    fn a_type_without_a_wildcard_takes_an_empty_first_request_for_nothing() {
        let mut interest = Interest::default();
        interest.adjust(names(&[]), &names(&[]), false, &mut Owed::Nothing);
        assert!(interest.is_stated() && !interest.is_something());
    }

    #[test]
    fn a_name_that_is_taken_back_while_the_wildcard_stands_is_owed() {
        let mut interest = Interest::default();
        adjusted(&mut interest, &["*", "A"], &[]);
        assert_eq!(adjusted(&mut interest, &[], &["A"]), Owed::Names(names(&["A"])));
    }

    #[test]
    fn what_is_no_longer_wanted_is_no_longer_owed() {
        let mut interest = Interest::default();
        let mut owed = Owed::Nothing;
        interest.adjust(names(&["A", "B"]), &names(&[]), true, &mut owed);
        interest.adjust(names(&[]), &names(&["A"]), true, &mut owed);
        assert_eq!(owed, Owed::Names(names(&["B"])));
        interest.adjust(names(&["*"]), &names(&["B"]), true, &mut owed);
        interest.adjust(names(&[]), &names(&["*"]), true, &mut owed);
        assert_eq!(owed, Owed::Nothing);
    }

    #[test]
    fn a_name_that_goes_and_comes_in_one_request_is_wanted_and_owed() {
        let mut interest = Interest::default();
        adjusted(&mut interest, &["A"], &[]);
        assert_eq!(adjusted(&mut interest, &["A"], &["A"]), Owed::Names(names(&["A"])));
        assert!(interest.wants("A"));
    }
}
