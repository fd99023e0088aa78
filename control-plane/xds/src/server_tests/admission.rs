//! Who is let in, and to which pools.

use std::sync::Arc;

use tonic::Code;

use super::scripted_node::{A, B, ControlPlane, TOKEN, soon, two_groups};
use crate::{
    GroupRequirement, NodeAccess, XdsRefusal,
    testing::{CLUSTERS, GROUP, text, wanted},
};

#[tokio::test]
async fn a_node_without_an_id_is_told_what_to_do() {
    let control_plane = ControlPlane::start().await;
    let mut node = control_plane.node("").await;
    node.send(CLUSTERS, None).await;
    let status = node.end().await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("node.id"), "{status}");
    assert_eq!(control_plane.nodes.refusals().of(XdsRefusal::BadRequest), 1);
    assert!(control_plane.nodes.list().is_empty());
}

#[tokio::test]
async fn a_node_sees_only_what_its_group_has() {
    let control_plane = ControlPlane::start().await;
    control_plane.wanted.send(two_groups(2, &[(B, 1)])).unwrap();
    let mut gpu = control_plane.node_of("one", "gpu", Some(TOKEN)).await;
    let mut own = control_plane.node("two").await;
    for (node, worker) in [(&mut gpu, B), (&mut own, A)] {
        node.send(CLUSTERS, None).await;
        let (_, response) = node.next().await;
        let names: Vec<_> = response.resources.iter().map(text).collect();
        assert_eq!(names, [worker]);
    }
}

#[tokio::test]
async fn a_node_of_no_group_or_with_a_wrong_token_is_refused_with_what_to_do_and_takes_no_place() {
    let control_plane = ControlPlane::start().await;
    control_plane.wanted.send(two_groups(2, &[(B, 1)])).unwrap();
    for (group, token, code, told) in [
        ("nobody", None, Code::PermissionDenied, "no group \"nobody\""),
        ("", None, Code::PermissionDenied, "no group \"\""),
        ("gpu", None, Code::Unauthenticated, "needs a token"),
        ("gpu", Some("another token"), Code::Unauthenticated, "--group gpu"),
    ] {
        let mut node = control_plane.node_of("one", group, token).await;
        node.send(CLUSTERS, None).await;
        let status = node.end().await;
        assert_eq!(status.code(), code, "{group:?}");
        assert!(status.message().contains(told), "{status}");
        assert!(!status.message().contains(TOKEN), "{status}");
        assert!(control_plane.nodes.list().is_empty());
    }
}

#[tokio::test]
async fn a_group_whose_last_pool_goes_ends_its_streams() {
    let control_plane = ControlPlane::start().await;
    control_plane.wanted.send(two_groups(2, &[(B, 1)])).unwrap();
    let mut node = control_plane.node_of("one", "gpu", Some(TOKEN)).await;
    node.settle().await;
    control_plane.wanted.send(Arc::new(wanted(3, &[(A, 1)]))).unwrap();
    assert_eq!(node.end().await.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_stream_ends_when_its_token_is_no_longer_that_of_its_group() {
    let control_plane = ControlPlane::start().await;
    control_plane.wanted.send(two_groups(1, &[("http://gpu", 1)])).unwrap();
    let mut gpu = control_plane.node_of("gpu-1", "gpu", Some(TOKEN)).await;
    let mut other = control_plane.node("one").await;
    gpu.settle().await;
    other.settle().await;
    let next = GroupRequirement::new(Some("another-token-0123456789"), Vec::new());
    let next = NodeAccess::new(GROUP, [("gpu".to_owned(), next)]);
    control_plane.access.send(Arc::new(next)).unwrap();
    assert_eq!(gpu.end().await.code(), Code::Unauthenticated);
    // Nothing was asked of this one, and nothing is now.
    control_plane.wanted.send(two_groups(2, &[("http://gpu", 2)])).unwrap();
    other.accept(1).await;
    soon(control_plane.nodes.synced("one", 2)).await;
}
