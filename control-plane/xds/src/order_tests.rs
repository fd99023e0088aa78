use std::sync::Arc;

use super::Order;
use crate::{
    ResourceType,
    resource_set::ResourceSet,
    snapshot::Snapshot,
    testing::{CLUSTERS, FILTER, LIMITS, LISTENER, ROUTES, snapshot, wanted},
};

const A: &str = "http://a";
const B: &str = "http://b";

fn of(generation: u64, workers: &[(&str, u32)]) -> Arc<Snapshot> {
    snapshot(wanted(generation, workers))
}

fn clusters(order: &Order) -> Vec<String> {
    let wanted = order.wanted(CLUSTERS).expect("clusters are always wanted");
    wanted.iter().map(|resource| resource.name().to_string()).collect()
}

fn is_wanted(order: &Order, ty: ResourceType, of: &Snapshot) -> bool {
    order.wanted(ty).is_some_and(|set: Arc<ResourceSet>| set.version() == of.set(ty).version())
}

fn send(order: &mut Order, types: &[ResourceType]) {
    types.iter().for_each(|ty| order.sent(*ty));
}

fn ack(order: &mut Order, types: &[ResourceType]) {
    types.iter().for_each(|ty| order.acked(*ty));
    order.advance();
}

/// A node with everything of `snapshot` in force.
fn settled(snapshot: &Arc<Snapshot>) -> Order {
    let mut order = Order::new(snapshot.clone());
    [LIMITS, CLUSTERS, FILTER].into_iter().for_each(|ty| order.set_subscribed(ty, true));
    order.advance();
    send(&mut order, &[LIMITS, CLUSTERS]);
    ack(&mut order, &[LIMITS, CLUSTERS]);
    send(&mut order, &[FILTER]);
    ack(&mut order, &[FILTER]);
    order
}

#[test]
fn a_new_node_gets_clusters_and_limits_before_anything_that_needs_them() {
    let target = of(1, &[(A, 1)]);
    let mut order = Order::new(target.clone());
    order.set_subscribed(CLUSTERS, true);
    order.set_subscribed(LIMITS, true);
    order.advance();
    assert_eq!(clusters(&order), [A]);
    assert!([LISTENER, ROUTES, FILTER].into_iter().all(|ty| order.wanted(ty).is_none()));
    send(&mut order, &[LIMITS, CLUSTERS]);
    ack(&mut order, &[CLUSTERS]);
    assert!(order.wanted(FILTER).is_none(), "the limits are not acknowledged yet");
    ack(&mut order, &[LIMITS]);
    assert!([LISTENER, ROUTES, FILTER].into_iter().all(|ty| is_wanted(&order, ty, &target)));
}

#[test]
fn an_added_worker_is_named_once_its_cluster_is_acknowledged() {
    let (one, two) = (of(1, &[(A, 1)]), of(2, &[(A, 1), (B, 1)]));
    let mut order = settled(&one);
    order.retarget(two.clone());
    order.advance();
    assert_eq!(clusters(&order), [A, B]);
    assert!(is_wanted(&order, FILTER, &one));
    send(&mut order, &[LIMITS, CLUSTERS]);
    ack(&mut order, &[LIMITS, CLUSTERS]);
    assert!(is_wanted(&order, FILTER, &two));
}

#[test]
fn a_removed_workers_cluster_goes_once_its_removal_is_acknowledged() {
    let (two, one) = (of(1, &[(A, 1), (B, 1)]), of(2, &[(A, 1)]));
    let mut order = settled(&two);
    order.retarget(one.clone());
    order.advance();
    assert!(is_wanted(&order, FILTER, &one), "nothing needs to be made first");
    assert_eq!(clusters(&order), [A, B]);
    send(&mut order, &[FILTER]);
    order.advance();
    assert_eq!(clusters(&order), [A, B], "sent is not acknowledged");
    ack(&mut order, &[FILTER]);
    assert_eq!(clusters(&order), [A]);
    assert!(is_wanted(&order, LIMITS, &one));
}

#[test]
fn a_raised_capacity_waits_for_its_limit_and_a_lowered_limit_for_its_capacity() {
    let (low, high) = (of(1, &[(A, 1)]), of(2, &[(A, 9)]));
    let mut order = settled(&low);
    order.retarget(high.clone());
    order.advance();
    assert!(is_wanted(&order, LIMITS, &high) && is_wanted(&order, FILTER, &low));
    send(&mut order, &[LIMITS]);
    ack(&mut order, &[LIMITS]);
    assert!(is_wanted(&order, FILTER, &high));
    send(&mut order, &[FILTER]);
    ack(&mut order, &[FILTER]);
    let lower = of(3, &[(A, 2)]);
    order.retarget(lower.clone());
    order.advance();
    assert!(is_wanted(&order, LIMITS, &high) && is_wanted(&order, FILTER, &lower));
    send(&mut order, &[FILTER]);
    ack(&mut order, &[FILTER]);
    assert!(is_wanted(&order, LIMITS, &lower));
}

#[test]
fn a_change_in_the_middle_of_a_change_does_not_hold_it_up() {
    let mut order = settled(&of(1, &[(A, 1)]));
    let second = of(2, &[(A, 1), (B, 1)]);
    order.retarget(second.clone());
    order.advance();
    send(&mut order, &[LIMITS, CLUSTERS]);
    order.retarget(of(3, &[(A, 1), (B, 1), ("http://c", 1)]));
    order.advance();
    ack(&mut order, &[LIMITS, CLUSTERS]);
    assert!(is_wanted(&order, FILTER, &second), "the second comes into force while the third is made");
    assert_eq!(clusters(&order), [A, B, "http://c"]);
}

#[test]
fn the_clusters_of_a_configuration_under_way_stay_when_the_next_one_moves() {
    let mut order = settled(&of(1, &[(A, 1)]));
    order.retarget(of(2, &[(A, 1), (B, 1)]));
    order.advance();
    send(&mut order, &[LIMITS, CLUSTERS]);
    ack(&mut order, &[LIMITS, CLUSTERS]);
    send(&mut order, &[FILTER]);
    order.retarget(of(3, &[("http://c", 1)]));
    order.advance();
    send(&mut order, &[LIMITS, CLUSTERS]);
    ack(&mut order, &[LIMITS, CLUSTERS]);
    assert_eq!(clusters(&order), [A, B, "http://c"], "the node may still be about to use the second");
}

#[test]
fn a_rejected_cluster_holds_up_the_configuration_that_names_it() {
    let (one, two) = (of(1, &[(A, 1)]), of(2, &[(A, 1), (B, 1)]));
    let mut order = settled(&one);
    order.retarget(two);
    order.advance();
    send(&mut order, &[LIMITS, CLUSTERS]);
    order.rejected(CLUSTERS);
    ack(&mut order, &[LIMITS]);
    assert!(is_wanted(&order, FILTER, &one));
    // Mended by taking it away.
    let mended = of(3, &[(A, 5)]);
    order.retarget(mended.clone());
    order.advance();
    assert_eq!(clusters(&order), [A]);
    send(&mut order, &[LIMITS, CLUSTERS]);
    ack(&mut order, &[LIMITS, CLUSTERS]);
    assert!(is_wanted(&order, FILTER, &mended));
}

#[test]
fn a_node_that_had_nothing_is_not_left_without_all_for_one_rejected_cluster() {
    let target = of(1, &[(A, 1), (B, 1)]);
    let mut order = Order::new(target.clone());
    order.set_subscribed(CLUSTERS, true);
    order.advance();
    send(&mut order, &[CLUSTERS]);
    order.rejected(CLUSTERS);
    order.advance();
    assert!(is_wanted(&order, LISTENER, &target) && is_wanted(&order, FILTER, &target));
}

#[test]
fn clusters_that_were_offered_and_rejected_count_for_nothing_once_their_removal_is_under_way() {
    let (first, none, again) = (of(1, &[(A, 1), (B, 1)]), of(2, &[]), of(3, &[(A, 1)]));
    let mut order = Order::new(first);
    order.set_subscribed(CLUSTERS, true);
    order.advance();
    send(&mut order, &[CLUSTERS]);
    order.retarget(none);
    order.rejected(CLUSTERS);
    order.advance();
    send(&mut order, &[CLUSTERS]);
    order.retarget(again.clone());
    order.advance();
    assert!(!is_wanted(&order, FILTER, &again), "the cluster that it names is about to go");
    ack(&mut order, &[CLUSTERS]);
    send(&mut order, &[CLUSTERS]);
    ack(&mut order, &[CLUSTERS]);
    assert!(is_wanted(&order, FILTER, &again));
}

#[test]
fn a_raised_limit_that_is_rejected_holds_up_the_capacity_also_where_nothing_was_in_force() {
    let (first, second) = (of(1, &[(A, 1)]), of(2, &[(A, 2)]));
    let mut order = Order::new(first);
    [LIMITS, CLUSTERS, FILTER].into_iter().for_each(|ty| order.set_subscribed(ty, true));
    order.advance();
    send(&mut order, &[LIMITS, CLUSTERS]);
    order.rejected(CLUSTERS);
    ack(&mut order, &[LIMITS]);
    order.retarget(second.clone());
    order.advance();
    send(&mut order, &[LIMITS]);
    order.rejected(LIMITS);
    order.advance();
    assert!(!is_wanted(&order, FILTER, &second), "the older, lower limit is in force");
}

#[test]
fn a_node_that_kept_something_stays_with_it_when_a_cluster_is_rejected() {
    let mut order = Order::new(of(1, &[(A, 1), (B, 1)]));
    order.has_kept_something();
    order.set_subscribed(CLUSTERS, true);
    order.advance();
    send(&mut order, &[CLUSTERS]);
    order.rejected(CLUSTERS);
    order.advance();
    assert!(order.wanted(FILTER).is_none());
}

#[test]
fn a_rejected_configuration_keeps_the_clusters_of_the_one_in_force() {
    let mut order = settled(&of(1, &[(A, 1)]));
    order.retarget(of(2, &[(B, 1)]));
    order.advance();
    send(&mut order, &[LIMITS, CLUSTERS]);
    ack(&mut order, &[LIMITS, CLUSTERS]);
    send(&mut order, &[FILTER]);
    order.rejected(FILTER);
    order.advance();
    assert_eq!(clusters(&order), [A, B]);
    assert_eq!(order.generation_in_force(), Some(1));
}

#[test]
fn a_node_that_connects_again_keeps_its_clusters_until_its_configuration_is_known() {
    let (old, new) = (of(1, &[(A, 7)]), of(2, &[(B, 1)]));
    let mut order = Order::new(new.clone());
    order.inherit_bounds(Some(old.bounds.needed().clone()));
    order.set_subscribed(LIMITS, true);
    order.inherit_referenced(Some(old.referenced.clone()));
    order.set_subscribed(CLUSTERS, true);
    order.advance();
    assert_eq!(clusters(&order), [A, B]);
    assert!(!is_wanted(&order, LIMITS, &new));
    send(&mut order, &[LIMITS, CLUSTERS]);
    ack(&mut order, &[LIMITS, CLUSTERS]);
    assert!(is_wanted(&order, FILTER, &new));
    assert_eq!(clusters(&order), [A, B]);
    send(&mut order, &[FILTER]);
    ack(&mut order, &[FILTER]);
    assert_eq!(clusters(&order), [B]);
    // Its threads have the configuration a little later than it is acknowledged.
    assert!(order.has_lingering_bounds());
    assert!(!is_wanted(&order, LIMITS, &new));
    order.release_inherited_bounds();
    assert!(!order.has_lingering_bounds());
    assert!(is_wanted(&order, LIMITS, &new));
}

#[test]
fn a_type_that_the_node_does_not_subscribe_to_holds_nothing_up() {
    let target = of(1, &[(A, 1)]);
    let mut order = Order::new(target.clone());
    order.set_subscribed(CLUSTERS, true);
    order.advance();
    send(&mut order, &[CLUSTERS]);
    ack(&mut order, &[CLUSTERS]);
    assert!(is_wanted(&order, FILTER, &target), "without a runtime layer there are no limits to wait for");
}

#[test]
fn a_worker_that_comes_back_waits_for_its_cluster_whose_removal_is_under_way() {
    let (both, one) = (of(1, &[(A, 1), (B, 1)]), of(2, &[(A, 1)]));
    let mut order = settled(&both);
    order.retarget(one.clone());
    order.advance();
    send(&mut order, &[FILTER]);
    ack(&mut order, &[FILTER]);
    send(&mut order, &[LIMITS, CLUSTERS]);
    order.retarget(of(3, &[(A, 1), (B, 1)]));
    order.advance();
    assert!(is_wanted(&order, FILTER, &one), "acknowledged are both, but one of them is on its way out");
    ack(&mut order, &[LIMITS, CLUSTERS]);
    assert!(is_wanted(&order, FILTER, &one));
    assert_eq!(clusters(&order), [A, B]);
}

#[test]
fn subscriptions_that_come_one_by_one_open_no_gap() {
    let target = of(1, &[(A, 1)]);
    let mut order = Order::new(target);
    order.set_subscribed(LIMITS, true);
    order.advance();
    send(&mut order, &[LIMITS]);
    ack(&mut order, &[LIMITS]);
    order.set_subscribed(CLUSTERS, true);
    order.advance();
    assert!(order.wanted(FILTER).is_none(), "the clusters are not acknowledged yet");
}
