//! The responses that a node receives, and its status.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use envoy_types::pb::envoy::{config::core::v3::Node, service::discovery::v3::DeltaDiscoveryRequest};
use slotway_runtime::Phase;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::scripted_node::{A, B, ControlPlane, soon};
use crate::{
    ProtocolVariant, SubscriptionState,
    testing::{CLUSTERS, FILTER, GROUP, INDEPENDENT, LIMITS, LISTENER, OF_ENVOY, ROUTES, text, wanted},
};

#[tokio::test]
async fn a_node_gets_everything_in_order_and_is_shown_as_synced() {
    let control_plane = ControlPlane::start().await;
    let mut node = control_plane.node("one").await;
    for ty in OF_ENVOY {
        node.send(ty, None).await;
    }
    assert_eq!(node.accept(5).await, [LIMITS, CLUSTERS, LISTENER, ROUTES, FILTER]);
    soon(control_plane.nodes.synced("one", 1)).await;
    let status = control_plane.nodes.get("one").unwrap();
    assert_eq!((status.group.as_str(), status.version.as_str()), ("slotway", "1.40.0"));
    assert_eq!((status.generation, status.state), (Some(1), SubscriptionState::Synced));
    assert_eq!(status.types.len(), 5);
}

#[tokio::test]
async fn a_change_is_pushed_make_before_break() {
    let control_plane = ControlPlane::start().await;
    let mut node = control_plane.node("one").await;
    node.settle().await;
    soon(control_plane.nodes.synced("one", 1)).await;
    control_plane.wanted.send(Arc::new(wanted(2, &[(B, 1)]))).unwrap();
    assert_eq!(node.accept(5).await, [LIMITS, CLUSTERS, FILTER, LIMITS, CLUSTERS]);
    soon(control_plane.nodes.synced("one", 2)).await;
}

#[tokio::test]
async fn a_lowered_limit_follows_a_while_after_the_lowered_capacity() {
    let linger = Duration::from_millis(500);
    let control_plane = ControlPlane::start_lingering(linger).await;
    let mut node = control_plane.node("one").await;
    node.settle().await;
    soon(control_plane.nodes.synced("one", 1)).await;
    control_plane.wanted.send(Arc::new(wanted(2, &[(B, 1)]))).unwrap();
    assert_eq!(node.accept(4).await, [LIMITS, CLUSTERS, FILTER, CLUSTERS]);
    soon(control_plane.nodes.synced("one", 2)).await;
    assert_eq!(node.accept(1).await, [LIMITS]);
}

#[tokio::test]
async fn open_limits_after_a_restart_are_lowered_without_a_further_word_of_the_node() {
    let before = ControlPlane::start().await;
    let mut node = before.node("one").await;
    let mut kept = BTreeMap::new();
    for ty in OF_ENVOY {
        node.send(ty, None).await;
    }
    for _ in OF_ENVOY {
        let (ty, response) = node.next().await;
        node.send(ty, Some((&response, None))).await;
        kept.insert(ty, response.version_info);
    }
    let limits = kept.insert(LIMITS, "limits of another control plane".to_owned()).unwrap();

    let linger = Duration::from_millis(100);
    let after = ControlPlane::start_lingering(linger).await;
    let mut node = after.node("one").await;
    node.resume(LIMITS, &kept[&LIMITS]).await;
    let (ty, open) = node.next().await;
    assert_eq!(ty, LIMITS);
    assert_ne!(open.version_info, limits);
    node.send(LIMITS, Some((&open, None))).await;
    // It has the rest already, the filter's configuration last: nothing is sent that it could answer.
    for ty in [CLUSTERS, LISTENER, ROUTES, FILTER] {
        node.resume(ty, &kept[&ty]).await;
    }
    let (ty, lowered) = node.next().await;
    assert_eq!((ty, lowered.version_info), (LIMITS, limits));
}

#[tokio::test]
async fn a_rejection_is_counted_and_shown_with_its_reason_until_it_is_mended() {
    let control_plane = ControlPlane::start().await;
    let mut node = control_plane.node("one").await;
    node.settle().await;
    soon(control_plane.nodes.synced("one", 1)).await;
    control_plane.wanted.send(Arc::new(wanted(2, &[(A, 1), (B, 1)]))).unwrap();
    assert_eq!(node.accept(1).await, [LIMITS]);
    let (ty, response) = node.next().await;
    node.send(ty, Some((&response, Some("no such\nfile")))).await;
    control_plane
        .until(|all| all.get("one").is_some_and(|one| one.state == SubscriptionState::Rejected))
        .await;
    let status = control_plane.nodes.get("one").unwrap();
    let clusters = &status.types[CLUSTERS.type_url()];
    assert_eq!(clusters.state, SubscriptionState::Rejected);
    assert_eq!(clusters.last_nack.as_ref().unwrap().reason, "no such file");
    assert_eq!(status.generation, Some(1));
    assert_eq!(control_plane.nodes.nacks_total()[CLUSTERS.type_url()], 1);
    assert_eq!(control_plane.nodes.nacks_total()[FILTER.type_url()], 0);
    control_plane.wanted.send(Arc::new(wanted(3, &[(A, 1)]))).unwrap();
    assert_eq!(node.accept(3).await, [LIMITS, CLUSTERS, FILTER]);
    soon(control_plane.nodes.synced("one", 3)).await;
}

#[tokio::test]
async fn an_incremental_node_is_sent_what_changes_and_shown_as_one() {
    let control_plane = ControlPlane::start().await;
    let (requests, stream) = mpsc::channel(16);
    let mut client = control_plane.client().await;
    let response = soon(client.delta_aggregated_resources(ReceiverStream::new(stream))).await;
    let mut responses = response.unwrap().into_inner();
    let node = Node { id: "one".to_owned(), cluster: GROUP.to_owned(), ..Node::default() };
    let request = DeltaDiscoveryRequest {
        node: Some(node),
        type_url: CLUSTERS.type_url().to_owned(),
        ..DeltaDiscoveryRequest::default()
    };
    requests.send(request.clone()).await.unwrap();
    let first = soon(responses.message()).await.unwrap().unwrap();
    assert_eq!(first.resources.iter().map(|own| own.name.as_str()).collect::<Vec<_>>(), [A]);
    let ack = |nonce| DeltaDiscoveryRequest { node: None, response_nonce: nonce, ..request.clone() };
    requests.send(ack(first.nonce)).await.unwrap();
    control_plane.until(|all| all.get("one").is_some_and(|one| one.state == SubscriptionState::Synced)).await;
    assert_eq!(control_plane.nodes.get("one").unwrap().variant, ProtocolVariant::Incremental);
    control_plane.wanted.send(Arc::new(wanted(2, &[(A, 5), (B, 1)]))).unwrap();
    let second = soon(responses.message()).await.unwrap().unwrap();
    assert_eq!(second.resources.iter().map(|own| own.name.as_str()).collect::<Vec<_>>(), [B]);
    assert!(second.removed_resources.is_empty());
}

#[tokio::test]
async fn a_node_of_independent_types_alone_is_sent_each_change_and_shown_as_independent() {
    let control_plane = ControlPlane::start().await;
    let (requests, stream) = mpsc::channel(16);
    let mut client = control_plane.client().await;
    let response = soon(client.delta_aggregated_resources(ReceiverStream::new(stream))).await;
    let mut responses = response.unwrap().into_inner();
    let first = DeltaDiscoveryRequest {
        node: Some(Node { id: "agent".to_owned(), cluster: GROUP.to_owned(), ..Node::default() }),
        type_url: INDEPENDENT.type_url().to_owned(),
        ..DeltaDiscoveryRequest::default()
    };
    requests.send(first.clone()).await.unwrap();
    let mut next = async || {
        let response = soon(responses.message()).await.unwrap().unwrap();
        let nonce = response.nonce.clone();
        let ack = DeltaDiscoveryRequest { node: None, response_nonce: nonce, ..first.clone() };
        requests.send(ack).await.unwrap();
        let [resource] = &response.resources[..] else { panic!("{response:?}") };
        let body = resource.resource.as_ref().unwrap();
        assert_eq!((resource.name.as_str(), body.type_url.as_str()), ("slotway", first.type_url.as_str()));
        text(body)
    };
    assert_eq!(next().await, "two");
    control_plane.independent.send("seven").unwrap();
    assert_eq!(next().await, "seven");
    control_plane
        .until(|all| all.get("agent").is_some_and(|agent| agent.state == SubscriptionState::Synced))
        .await;
    assert!(control_plane.nodes.get("agent").unwrap().is_independent());
}

#[tokio::test]
async fn streams_end_with_the_control_plane() {
    let control_plane = ControlPlane::start().await;
    let mut node = control_plane.node("one").await;
    node.settle().await;
    soon(control_plane.nodes.synced("one", 1)).await;
    drop(control_plane);
    assert_eq!(node.end().await.code(), Code::Unavailable);
}

#[tokio::test]
async fn streams_are_told_that_the_control_plane_ends_and_take_no_further_change() {
    let control_plane = ControlPlane::start().await;
    let mut node = control_plane.node("one").await;
    node.settle().await;
    soon(control_plane.nodes.synced("one", 1)).await;
    control_plane.stopping.advance(Phase::Leaving);
    control_plane.wanted.send(Arc::new(wanted(2, &[(A, 2)]))).unwrap();
    node.accept(2).await;
    soon(control_plane.nodes.synced("one", 2)).await;
    control_plane.stopping.advance(Phase::Ending);
    assert_eq!(node.end().await.code(), Code::Unavailable);
}
