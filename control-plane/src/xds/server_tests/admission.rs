//! Who is let in, and to which pools.

use std::sync::Arc;

use tonic::Code;

use super::scripted_node::{A, B, ControlPlane, TOKEN, soon, two_groups};
use crate::xds::{Refusal, ResourceType::Cluster, access::Requirement, testing::desired};

#[tokio::test]
async fn a_node_without_an_id_is_told_what_to_do() {
    let control_plane = ControlPlane::start().await;
    let mut node = control_plane.node("").await;
    node.send(Cluster, None).await;
    let status = node.end().await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("node.id"), "{status}");
    assert_eq!(control_plane.coordinators.refusals().of(Refusal::BadRequest), 1);
    assert!(control_plane.coordinators.list().is_empty());
}

#[tokio::test]
async fn a_node_sees_only_what_its_group_has() {
    let control_plane = ControlPlane::start().await;
    control_plane.desired.send(two_groups(2, &[(B, 1)])).unwrap();
    let mut gpu = control_plane.node_of("one", "gpu", Some(TOKEN)).await;
    let mut own = control_plane.node("two").await;
    for (node, worker) in [(&mut gpu, B), (&mut own, A)] {
        node.send(Cluster, None).await;
        let (_, response) = node.next().await;
        let names: Vec<_> = response.resources.iter().map(cluster_name).collect();
        assert_eq!(names, [worker]);
    }
}

fn cluster_name(body: &envoy_types::pb::google::protobuf::Any) -> String {
    use envoy_types::pb::envoy::config::cluster::v3::Cluster;
    prost::Message::decode(&*body.value).map(|cluster: Cluster| cluster.name).unwrap()
}

#[tokio::test]
async fn a_node_of_no_group_or_with_a_wrong_token_is_refused_with_what_to_do_and_takes_no_place() {
    let control_plane = ControlPlane::start().await;
    control_plane.desired.send(two_groups(2, &[(B, 1)])).unwrap();
    for (group, token, code, told) in [
        ("nobody", None, Code::PermissionDenied, "--group NAME"),
        ("", None, Code::PermissionDenied, "node.cluster"),
        ("gpu", None, Code::Unauthenticated, "needs a token"),
        ("gpu", Some("another token"), Code::Unauthenticated, "--group gpu"),
    ] {
        let mut node = control_plane.node_of("one", group, token).await;
        node.send(Cluster, None).await;
        let status = node.end().await;
        assert_eq!(status.code(), code, "{group:?}");
        assert!(status.message().contains(told), "{status}");
        assert!(!status.message().contains(TOKEN), "{status}");
        assert!(control_plane.coordinators.list().is_empty());
    }
}

#[tokio::test]
async fn a_group_whose_last_pool_goes_ends_its_streams() {
    let control_plane = ControlPlane::start().await;
    control_plane.desired.send(two_groups(2, &[(B, 1)])).unwrap();
    let mut node = control_plane.node_of("one", "gpu", Some(TOKEN)).await;
    node.settle().await;
    control_plane.desired.send(Arc::new(desired(3, &[(A, 1)]))).unwrap();
    assert_eq!(node.end().await.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_stream_ends_when_its_token_is_no_longer_that_of_its_group() {
    let control_plane = ControlPlane::start().await;
    control_plane.desired.send(two_groups(1, &[("http://gpu", 1)])).unwrap();
    let mut gpu = control_plane.node_of("gpu-1", "gpu", Some(TOKEN)).await;
    let mut other = control_plane.node("one").await;
    gpu.settle().await;
    other.settle().await;
    let next = Requirement::new(Some("another-token-0123456789"), Vec::new());
    control_plane.access.send(Arc::new([("gpu".to_owned(), next)].into_iter().collect())).unwrap();
    assert_eq!(gpu.end().await.code(), Code::Unauthenticated);
    // Nothing was asked of this one, and nothing is now.
    control_plane.desired.send(two_groups(2, &[("http://gpu", 2)])).unwrap();
    other.accept(1).await;
    soon(control_plane.coordinators.synced("one", 2)).await;
}
