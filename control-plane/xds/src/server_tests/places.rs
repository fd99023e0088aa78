//! One stream for each node id, and so many in all.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::scripted_node::{A, B, ControlPlane, soon};
use crate::{
    XdsRefusal,
    testing::{CLUSTERS, OF_ENVOY, wanted},
};

#[tokio::test]
async fn a_coordinator_is_listed_while_it_is_connected() {
    let control_plane = ControlPlane::start().await;
    let mut node = control_plane.node("one").await;
    node.settle().await;
    soon(control_plane.nodes.synced("one", 1)).await;
    assert_eq!(control_plane.nodes.list().len(), 1);
    drop(node);
    control_plane.until(|all| all.list().is_empty()).await;
}

#[tokio::test]
async fn a_second_stream_of_a_node_id_is_refused_with_what_to_do_and_the_first_goes_on() {
    let brief = Duration::from_millis(100);
    let control_plane = ControlPlane::start_with(Duration::ZERO, |shared| shared.handover = brief).await;
    let mut first = control_plane.node("one").await;
    first.settle().await;
    let mut second = control_plane.node("one").await;
    second.send(CLUSTERS, None).await;
    let status = second.end().await;
    assert_eq!(status.code(), Code::AlreadyExists);
    for told in ["\"one\"", "a node id of its own", "hot restart"] {
        assert!(status.message().contains(told), "{told:?} is not in {status}");
    }
    assert_eq!(control_plane.nodes.refusals().of(XdsRefusal::NodeIdTaken), 1);
    control_plane.wanted.send(Arc::new(wanted(2, &[(A, 1), (B, 1)]))).unwrap();
    first.accept(3).await;
    soon(control_plane.nodes.synced("one", 2)).await;
}

#[tokio::test]
async fn a_second_stream_of_a_node_id_is_served_as_soon_as_the_first_is_gone() {
    let control_plane = ControlPlane::start().await;
    let mut first = control_plane.node("one").await;
    first.settle().await;
    let mut second = control_plane.node("one").await;
    for ty in OF_ENVOY {
        second.send(ty, None).await;
    }
    let early = tokio::time::timeout(Duration::from_millis(100), second.responses.message()).await;
    assert!(early.is_err(), "it got {early:?} beside the first");
    drop(first);
    second.accept(OF_ENVOY.len()).await;
    soon(control_plane.nodes.synced("one", 1)).await;
}

#[tokio::test]
async fn one_stream_too_many_is_refused_and_has_its_place_once_another_ends() {
    let control_plane =
        ControlPlane::start_with(Duration::ZERO, |shared| shared.streams = Arc::new(Semaphore::new(1))).await;
    let mut node = control_plane.node("one").await;
    node.settle().await;
    let (_requests, stream) = mpsc::channel(1);
    let mut client = control_plane.client().await;
    let refused = soon(client.stream_aggregated_resources(ReceiverStream::new(stream))).await;
    assert_eq!(refused.expect_err("a second stream was taken").code(), Code::ResourceExhausted);
    assert_eq!(control_plane.nodes.refusals().of(XdsRefusal::TooManyStreams), 1);
    drop(node);
    control_plane.until(|all| all.list().is_empty()).await;
    let mut next = control_plane.node("two").await;
    next.settle().await;
}
