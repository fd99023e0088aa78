//! What a change sends, what a rejection leaves, and what a node that connects again is spared.

use std::sync::Arc;

use super::world::{BOTH, URLS, World};
use crate::{
    ProtocolVariant::{Incremental, StateOfTheWorld},
    SubscriptionState,
    testing::{CLUSTERS, FILTER, LIMITS, OF_ENVOY, Wanted, wanted},
};

#[test]
fn a_draining_worker_keeps_its_cluster_and_its_limit_but_is_not_configured() {
    for variant in BOTH {
        let mut world = World::new(variant);
        world.settle();
        let mut next = wanted(2, &[(URLS[1], 1)]);
        next.draining = vec![URLS[0].to_owned()];
        world.change(next);
        world.settle();
        assert_eq!(world.envoy.clusters.len(), 2);
        assert_eq!(world.envoy.limits.len(), 2);
        assert_eq!(world.envoy.root.as_ref().unwrap().workers.len(), 1);
    }
}

#[test]
fn a_node_that_connects_again_is_sent_nothing_that_it_has() {
    for variant in BOTH {
        let mut world = World::new(variant);
        world.settle();
        world.connect();
        assert!(world.is_quiet());
        assert_eq!(world.session.generation_in_force(), Some(1));
    }
}

#[test]
fn the_same_wanted_state_has_the_same_versions_after_a_restart() {
    for variant in BOTH {
        let mut world = World::new(variant);
        let mut next = wanted(2, &[(URLS[0], 1), (URLS[1], 2), (URLS[2], 3), (URLS[3], 4)]);
        next.listener = "another listener".to_owned();
        world.change(next);
        world.settle();
        for _ in 0..10 {
            (world.snapshots, world.history) = Default::default();
            world.connect();
            assert!(world.is_quiet());
        }
    }
}

#[test]
fn a_capacity_that_was_lowered_before_a_restart_lowers_no_limit_before_the_filter_has_it() {
    for variant in BOTH {
        let mut world = World::new(variant);
        world.change(wanted(2, &[(URLS[0], 9)]));
        world.settle();
        let high = world.envoy.limits[URLS[0]];
        world.desired = Arc::new(wanted(3, &[(URLS[0], 1)]));
        (world.snapshots, world.history) = Default::default();
        world.connect();
        assert!(world.accept(LIMITS), "{variant:?}: what the limits are is not known");
        assert!(world.envoy.limits[URLS[0]] >= high, "{variant:?}: the filter gives out nine slots");
        world.settle();
        assert_eq!(world.envoy.limits[URLS[0]], high - 8, "{variant:?}");
    }
}

#[test]
fn a_capacity_changes_neither_clusters_nor_listener_nor_routes() {
    for variant in BOTH {
        let mut world = World::new(variant);
        world.settle();
        let before = world.envoy.versions.clone();
        world.change(wanted(2, &[(URLS[0], 9)]));
        world.settle();
        let after = &world.envoy.versions;
        let changed: Vec<_> = OF_ENVOY.into_iter().filter(|ty| before[ty] != after[ty]).collect();
        assert_eq!(changed, [LIMITS, FILTER]);
    }
}

#[test]
fn a_rejection_is_shown_until_it_is_mended() {
    for variant in BOTH {
        let mut world = World::new(variant);
        world.settle();
        let state = |world: &World| {
            let mut states = world.session.states();
            states.find(|(ty, ..)| *ty == CLUSTERS).map(|(.., state)| state).unwrap()
        };
        world.change(wanted(2, &[(URLS[0], 1), (URLS[1], 1)]));
        world.refuse(CLUSTERS);
        world.settle();
        assert_eq!(state(&world), SubscriptionState::Rejected);
        assert_eq!(world.session.generation_in_force(), Some(1), "what was there stays in force");
        world.change(wanted(3, &[(URLS[0], 1)]));
        world.settle();
        assert_eq!(state(&world), SubscriptionState::Synced);
        assert_eq!(world.session.generation_in_force(), Some(3));
    }
}

#[test]
fn the_incremental_protocol_sends_the_new_cluster_alone() {
    for (variant, resources) in [(StateOfTheWorld, 4), (Incremental, 1)] {
        let mut world = World::new(variant);
        world.change(wanted(2, &[(URLS[0], 1), (URLS[1], 1), (URLS[2], 1)]));
        world.settle();
        world.change(wanted(3, &[(URLS[0], 1), (URLS[1], 1), (URLS[2], 1), (URLS[3], 1)]));
        assert_eq!(world.envoy.inbox[&CLUSTERS][0].len(), resources, "{variant:?}");
    }
}

#[test]
fn a_worker_whose_cluster_was_refused_can_be_removed_though_others_were_added_since() {
    for variant in BOTH {
        let mut world = World::new(variant);
        world.settle();
        world.change(wanted(2, &[(URLS[0], 1), (URLS[1], 1)]));
        world.refuse(CLUSTERS);
        world.settle();
        world.change(wanted(3, &[(URLS[0], 1), (URLS[1], 1), (URLS[2], 1)]));
        world.refuse(CLUSTERS);
        world.settle();
        let workers = [(URLS[0], 1), (URLS[2], 1)];
        world.change(Wanted { draining: vec![URLS[1].to_owned()], ..wanted(4, &workers) });
        world.settle();
        assert_eq!(world.session.generation_in_force(), Some(4), "without it no drain ever ends");
    }
}

#[test]
fn a_worker_whose_cluster_was_refused_from_the_start_can_be_removed() {
    for variant in BOTH {
        let mut world = World::new(variant);
        world.change(wanted(2, &[(URLS[0], 1), (URLS[1], 1)]));
        world.refuse(CLUSTERS);
        world.settle();
        world.refuse(CLUSTERS);
        world.settle();
        world.change(Wanted { draining: vec![URLS[0].to_owned()], ..wanted(3, &[(URLS[1], 1)]) });
        world.settle();
        assert_eq!(world.session.generation_in_force(), Some(3), "without it no drain ever ends");
    }
}

#[test]
fn a_worker_whose_cluster_was_refused_can_be_removed_though_it_drains_first() {
    for variant in BOTH {
        let mut world = World::new(variant);
        world.settle();
        world.change(wanted(2, &[(URLS[0], 1), (URLS[1], 1)]));
        world.refuse(CLUSTERS);
        world.settle();
        world.change(Wanted { draining: vec![URLS[1].to_owned()], ..wanted(3, &[(URLS[0], 1)]) });
        world.settle();
        assert_eq!(world.session.generation_in_force(), Some(3), "without it no drain ever ends");
        world.change(wanted(4, &[(URLS[0], 1)]));
        world.settle();
        assert!(world.session.states().all(|(.., state)| state == SubscriptionState::Synced));
    }
}
