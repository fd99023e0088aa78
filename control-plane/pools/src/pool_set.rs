//! The pools and their policies, from the configuration file and from REST, and the order in which their matches are tried.

use std::collections::{BTreeMap, HashSet};

use slotway_config::{Pool, PoolMatch, PoolName};

use crate::pool_record::{DeclaredPool, PolicyRecord, PoolRecord};

/// All pools, each with its policy: a plain value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PoolSet {
    pub(crate) pools: BTreeMap<PoolName, PoolRecord>,
    /// One for each pool.
    pub(crate) policies: BTreeMap<PoolName, PolicyRecord>,
}

impl PoolSet {
    /// Returns a pool that exists.
    #[must_use]
    pub fn get(&self, name: &PoolName) -> Option<&PoolRecord> {
        self.pools.get(name).filter(|record| !record.removed)
    }

    /// Returns whether a pool exists.
    #[must_use]
    pub fn has(&self, name: &PoolName) -> bool {
        self.get(name).is_some()
    }

    /// Returns the policy of a pool that exists.
    #[must_use]
    pub fn policy(&self, name: &PoolName) -> Option<&PolicyRecord> {
        self.policies.get(name).filter(|_| self.has(name))
    }

    /// Returns the pools that exist, in the order in which their matches are tried.
    #[must_use]
    pub fn in_order(&self) -> Vec<(&PoolName, &PoolRecord)> {
        let mut order: Vec<_> = self.pools.iter().filter(|(_, record)| !record.removed).collect();
        order.sort_by_key(|(_, record)| record.position);
        order
    }

    /// Returns the names of the pools, in the order in which their matches are tried.
    #[must_use]
    pub fn names(&self) -> Vec<PoolName> {
        self.in_order().into_iter().map(|(name, _)| name.clone()).collect()
    }

    /// Returns the default pool for a worker without one: the first.
    pub(crate) fn first(&self) -> Option<&PoolName> {
        let present = self.pools.iter().filter(|(_, record)| !record.removed);
        present.min_by_key(|(_, record)| record.position).map(|(name, _)| name)
    }

    /// Returns the pools without workers, in the order in which their matches are tried.
    pub(crate) fn without_workers(&self) -> Vec<Pool> {
        let pool = |(name, record): (&PoolName, &PoolRecord)| {
            let policy = self.policies.get(name).map(|record| record.policy).unwrap_or_default();
            Pool::new(name.clone(), record.matches.clone()).with_policy(policy)
        };
        self.in_order().into_iter().map(pool).collect()
    }

    /// Returns another pool with this match. The second of two such pools would never get a request.
    pub(crate) fn with_match(&self, matches: &PoolMatch, but: &PoolName) -> Option<&PoolName> {
        let same = |(name, record): &(&PoolName, &PoolRecord)| *name != but && record.matches == *matches;
        self.in_order().into_iter().find(same).map(|(name, _)| name)
    }

    /// Returns the earlier pool that takes all requests of this one; none if this pool gets some.
    pub(crate) fn shadow_of(&self, name: &PoolName) -> Option<&PoolName> {
        let matches = &self.get(name)?.matches;
        let before = self.in_order().into_iter().take_while(|(other, _)| *other != name);
        before.into_iter().find(|(_, other)| covers(&other.matches, matches)).map(|(other, _)| other)
    }

    /// Applies the file's pools where they are new: the match, the policy and the order each count separately.
    pub(crate) fn declare(&mut self, file: &[Pool]) {
        let in_file: HashSet<_> = file.iter().map(|pool| &pool.name).collect();
        let gone =
            |name: &PoolName, record: &PoolRecord| record.declared.is_some() && !in_file.contains(name);
        self.pools.retain(|name, record| !gone(name, record));
        let pools = &self.pools;
        self.policies.retain(|name, _| pools.contains_key(name));
        let before = self.declared_order();
        let mut added = Vec::new();
        for (position, pool) in (0..).zip(file) {
            if self.declare_one(position, pool) {
                added.push(pool.name.clone());
            }
        }
        let order = self.declared_order();
        let known: Vec<_> = order.iter().filter(|name| before.contains(name)).cloned().collect();
        let mut names = self.names();
        names.retain(|name| !added.contains(name));
        if known != before {
            // The order in the file has changed. A pool of REST keeps its place before the pool that it preceded.
            let of_rest = names.clone().into_iter().filter(|name| !order.contains(name));
            let mut anew: Vec<_> = order.iter().filter(|name| names.contains(name)).cloned().collect();
            for name in of_rest {
                let behind =
                    names.iter().skip_while(|other| **other != name).find(|other| order.contains(other));
                insert_before(&mut anew, name, behind);
            }
            names = anew;
        }
        for (at, name) in order.iter().enumerate().rev().filter(|(_, name)| added.contains(name)) {
            let next = order.iter().skip(at + 1).find(|other| names.contains(other));
            let next = next.cloned();
            insert_before(&mut names, name.clone(), next.as_ref());
        }
        self.number(&names);
    }

    /// Applies the file's entry for one pool. Returns whether the pool needs a position, because it is new or restored.
    fn declare_one(&mut self, position: u32, pool: &Pool) -> bool {
        let declared = DeclaredPool { position, matches: pool.matches.clone() };
        let policy = self.policies.entry(pool.name.clone()).or_default();
        let mut is_new = policy.declared != Some(pool.policy());
        if is_new {
            policy.policy = pool.policy();
            policy.declared = Some(pool.policy());
        }
        let Some(record) = self.pools.get_mut(&pool.name) else {
            let matches = declared.matches.clone();
            let record =
                PoolRecord { position, matches, declared: Some(declared), removed: false, revision: 0 };
            self.pools.insert(pool.name.clone(), record);
            return true;
        };
        if record.declared.as_ref().map(|declared| &declared.matches) != Some(&declared.matches) {
            is_new = true;
            record.matches = declared.matches.clone();
        }
        record.declared = Some(declared);
        let is_back = record.removed && is_new;
        record.removed &= !is_new;
        is_back
    }

    /// Restores a pool that REST has deleted, at the end, because the file has put a worker into it.
    pub(crate) fn bring_back(&mut self, name: &PoolName) {
        let mut names = self.names();
        if let Some(record) = self.pools.get_mut(name).filter(|record| record.removed) {
            record.removed = false;
            names.push(name.clone());
            self.number(&names);
        }
    }

    /// Creates a pool with the default policy, or changes its match. A new pool is inserted before the first pool that
    /// would take all its requests, or at the end if there is none.
    pub(crate) fn set(&mut self, name: &PoolName, matches: PoolMatch) {
        if let Some(record) = self.pools.get_mut(name).filter(|record| !record.removed) {
            record.matches = matches;
            return;
        }
        let mut names = self.names();
        let shadow = self.in_order().into_iter().position(|(_, other)| covers(&other.matches, &matches));
        names.insert(shadow.unwrap_or(names.len()), name.clone());
        let policy = self.policies.entry(name.clone()).or_default();
        policy.policy = slotway_config::Policy::default();
        let new =
            PoolRecord { position: 0, matches: matches.clone(), declared: None, removed: false, revision: 0 };
        let record = self.pools.entry(name.clone()).or_insert(new);
        (record.removed, record.matches) = (false, matches);
        self.number(&names);
    }

    /// Assigns positions, all at once: each pool gets the requested position, or the end if that is beyond it.
    pub(crate) fn place(&mut self, mut positions: Vec<(PoolName, u32)>) {
        let mut names = self.names();
        names.retain(|name| positions.iter().all(|(placed, _)| placed != name));
        positions.sort_by_key(|(_, position)| *position);
        for (name, position) in positions {
            let at = usize::try_from(position).unwrap_or(usize::MAX).min(names.len());
            names.insert(at, name);
        }
        self.number(&names);
    }

    /// Removes a pool, with its policy. The record of a pool that the file declares stays, marked as removed.
    pub(crate) fn remove(&mut self, name: &PoolName) {
        match self.pools.get_mut(name) {
            Some(record) if record.declared.is_some() => record.removed = true,
            _ => {
                self.pools.remove(name);
                self.policies.remove(name);
            }
        }
        let names = self.names();
        self.number(&names);
    }

    /// Returns the pools of the file, in its order.
    fn declared_order(&self) -> Vec<PoolName> {
        let declared = |(name, record): (&PoolName, &PoolRecord)| {
            Some((record.declared.as_ref()?.position, name.clone()))
        };
        let mut order: Vec<_> = self.pools.iter().filter_map(declared).collect();
        order.sort();
        order.into_iter().map(|(_, name)| name).collect()
    }

    fn number(&mut self, names: &[PoolName]) {
        for (position, name) in (0..).zip(names) {
            if let Some(record) = self.pools.get_mut(name) {
                record.position = position;
            }
        }
    }
}

/// Returns whether each request of `narrow` is one of `wide`.
fn covers(wide: &PoolMatch, narrow: &PoolMatch) -> bool {
    narrow.prefix.starts_with(&wide.prefix)
}

fn insert_before(names: &mut Vec<PoolName>, name: PoolName, next: Option<&PoolName>) {
    let at = next.and_then(|next| names.iter().position(|other| other == next));
    names.insert(at.unwrap_or(names.len()), name);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> PoolName {
        text.parse().unwrap()
    }

    fn prefix(text: &str) -> PoolMatch {
        PoolMatch { prefix: text.to_owned() }
    }

    /// A file with these pools, each for the path of its name; `/` for `all`.
    fn file(names: &[&str]) -> Vec<Pool> {
        let path = |text: &str| if text == "all" { "/".to_owned() } else { format!("/{text}") };
        names.iter().map(|text| Pool::new(name(text), prefix(&path(text)))).collect()
    }

    fn started(names: &[&str]) -> PoolSet {
        let mut pools = PoolSet::default();
        pools.declare(&file(names));
        pools
    }

    fn order(pools: &PoolSet) -> Vec<String> {
        pools.names().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn pools_of_the_file_are_in_its_order_and_a_second_start_changes_nothing() {
        let mut pools = started(&["b", "a", "all"]);
        assert_eq!(order(&pools), ["b", "a", "all"]);
        let before = pools.clone();
        pools.declare(&file(&["b", "a", "all"]));
        assert_eq!(pools, before);
    }

    #[test]
    fn a_new_pool_gets_its_requested_position_or_precedes_the_pool_that_would_take_all_its_requests() {
        let mut pools = started(&["a", "all"]);
        pools.set(&name("c"), prefix("/c"));
        assert_eq!(order(&pools), ["a", "c", "all"]);
        pools.set(&name("d"), prefix("/a/d"));
        assert_eq!(order(&pools), ["d", "a", "c", "all"]);
        pools.place(vec![(name("all"), 0), (name("d"), 9)]);
        assert_eq!(order(&pools), ["all", "a", "c", "d"]);
        assert_eq!(pools.shadow_of(&name("d")), Some(&name("all")));
        assert_eq!(pools.shadow_of(&name("all")), None);
        // The order of the requests does not matter.
        pools.place(vec![(name("d"), 2), (name("c"), 0), (name("all"), 3)]);
        assert_eq!(order(&pools), ["c", "a", "d", "all"]);
        assert_eq!(pools.get(&name("d")).unwrap().position, 2);
    }

    #[test]
    fn a_change_over_rest_stays_until_the_file_changes_the_same_part() {
        let mut pools = started(&["a", "b"]);
        pools.set(&name("a"), prefix("/other"));
        pools.place(vec![(name("b"), 0)]);
        pools.policies.get_mut(&name("a")).unwrap().policy.max_waiting = 7;
        pools.declare(&file(&["a", "b"]));
        assert_eq!(order(&pools), ["b", "a"]);
        assert_eq!(pools.get(&name("a")).unwrap().matches, prefix("/other"));

        let mut edited = file(&["a", "b"]);
        edited[0].max_waiting = 9;
        pools.declare(&edited);
        assert_eq!(
            pools.policy(&name("a")).unwrap().policy.max_waiting,
            9,
            "the file has changed the policy"
        );
        assert_eq!(
            pools.get(&name("a")).unwrap().matches,
            prefix("/other"),
            "the file has not changed the match"
        );
        edited[0].matches = prefix("/new");
        pools.declare(&edited);
        assert_eq!(pools.get(&name("a")).unwrap().matches, prefix("/new"));
        assert_eq!(order(&pools), ["b", "a"], "the file has not changed the order");
        pools.declare(&file(&["b", "a"]));
        pools.declare(&file(&["a", "b"]));
        assert_eq!(order(&pools), ["a", "b"]);
    }

    #[test]
    fn a_pool_that_the_file_adds_gets_its_position_in_the_file() {
        let mut pools = started(&["a", "b"]);
        pools.set(&name("rest"), prefix("/rest"));
        pools.declare(&file(&["x", "a", "y", "b", "z"]));
        assert_eq!(order(&pools), ["x", "a", "y", "b", "rest", "z"]);
        pools.declare(&file(&["b", "a"]));
        assert_eq!(order(&pools), ["b", "a", "rest"], "a pool that the file no longer has is removed");
    }

    #[test]
    fn a_pool_of_rest_keeps_its_place_before_its_successor_when_the_file_is_reordered() {
        let mut pools = started(&["a", "b", "all"]);
        pools.set(&name("rest"), prefix("/rest"));
        pools.declare(&file(&["all", "b", "a"]));
        assert_eq!(order(&pools), ["rest", "all", "b", "a"]);
    }

    #[test]
    fn a_pool_that_rest_deleted_stays_deleted_until_the_file_changes_it() {
        let mut pools = started(&["a", "b"]);
        pools.remove(&name("a"));
        pools.declare(&file(&["a", "b"]));
        assert_eq!(order(&pools), ["b"]);
        assert!(pools.policy(&name("a")).is_none());
        let mut edited = file(&["a", "b"]);
        edited[0].max_waiting = 9;
        pools.declare(&edited);
        assert_eq!(order(&pools), ["a", "b"]);

        pools.remove(&name("a"));
        pools.set(&name("a"), prefix("/again"));
        assert_eq!(
            pools.policy(&name("a")).unwrap().policy,
            slotway_config::Policy::default(),
            "the pool is created anew"
        );
        pools.declare(&edited);
        assert_eq!(pools.get(&name("a")).unwrap().matches, prefix("/again"), "the file has not changed");
        pools.remove(&name("a"));
        pools.declare(&file(&["b"]));
        pools.declare(&file(&["b", "a"]));
        assert_eq!(order(&pools), ["b", "a"], "the file removed the pool and added it again");
    }
}
