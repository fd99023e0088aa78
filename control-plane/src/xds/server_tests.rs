//! A scripted node over a real connection.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use envoy_types::pb::{
    envoy::{
        config::core::v3::{BuildVersion, Node, node::UserAgentVersionType},
        service::discovery::v3::{
            DeltaDiscoveryRequest, DiscoveryRequest, DiscoveryResponse,
            aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
        },
        r#type::v3::SemanticVersion,
    },
    google::rpc,
};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming, transport::Channel};

use super::{Snapshots, XdsServer};
use crate::{
    agents::{ForAgents, ServerLimits, ServerLimitsBody, proto},
    groups::DEFAULT_GROUP,
    model::Desired,
    xds::{
        Coordinators, RESOURCE_NAME,
        ResourceType::{self, Cluster, Filter, Listener, Route, Runtime},
        SyncState, Variant,
        access::{Access, Requirement},
        port::{Peer, Port},
        testing::{self, OF_ENVOY, desired},
    },
};

const A: &str = "http://a";
const B: &str = "http://b";
const TOKEN: &str = "the token of group gpu";

/// One group that asks for a token, beside the default one.
fn access() -> Access {
    [("gpu".to_owned(), Requirement::new(Some(TOKEN), Vec::new()))].into_iter().collect()
}

/// The default group's worker, and those of group `gpu`.
fn two_groups(generation: u64, gpu: &[(&str, u32)]) -> Arc<Desired> {
    let mut desired = desired(generation, &[(A, 1)]);
    let mut pool = testing::desired(generation, gpu).pools.remove(0);
    pool.name = "training".parse().unwrap();
    desired.listener.groups = [(pool.name.clone(), "gpu".to_owned())].into_iter().collect();
    desired.pools.push(pool);
    Arc::new(desired)
}

struct ControlPlane {
    desired: watch::Sender<Arc<Desired>>,
    told: watch::Sender<Arc<ForAgents>>,
    coordinators: Arc<Coordinators>,
    address: SocketAddr,
}

impl ControlPlane {
    async fn start() -> Self {
        Self::start_with(|shared| shared.snapshots = Snapshots::lingering(Duration::ZERO)).await
    }

    async fn start_with(adjust: impl Fn(&mut super::Shared)) -> Self {
        let (desired, wanted) = watch::channel(Arc::new(desired(1, &[(A, 1)])));
        let (told, for_agents) = watch::channel(Arc::default());
        let coordinators = Arc::new(Coordinators::new());
        let mut server = XdsServer::new(wanted, for_agents, coordinators.clone(), access());
        adjust(Arc::get_mut(&mut server.shared).unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async {
            let port = Port::new(listener, None).unwrap();
            let router = server.into_router(axum::Router::new());
            axum::serve(port, router.into_make_service_with_connect_info::<Peer>()).await.unwrap();
        });
        Self { desired, told, coordinators, address }
    }

    async fn client(&self) -> AggregatedDiscoveryServiceClient<Channel> {
        soon(AggregatedDiscoveryServiceClient::connect(format!("http://{}", self.address))).await.unwrap()
    }

    async fn node(&self, id: &str) -> FakeNode {
        self.node_of(id, DEFAULT_GROUP, None).await
    }

    async fn node_of(&self, id: &str, group: &str, token: Option<&str>) -> FakeNode {
        let (requests, stream) = mpsc::channel(16);
        let node = Node {
            id: id.to_owned(),
            cluster: group.to_owned(),
            user_agent_version_type: Some(UserAgentVersionType::UserAgentBuildVersion(BuildVersion {
                version: Some(SemanticVersion { major_number: 1, minor_number: 40, patch: 0 }),
                metadata: None,
            })),
            ..Node::default()
        };
        let mut client = self.client().await;
        let mut request = tonic::Request::new(ReceiverStream::new(stream));
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let response = soon(client.stream_aggregated_resources(request)).await;
        FakeNode { node: Some(node), requests, responses: response.unwrap().into_inner() }
    }

    /// Waits for something about the coordinators.
    async fn until(&self, what: impl Fn(&Coordinators) -> bool) {
        let mut changes = self.coordinators.changes();
        soon(async {
            while !what(&self.coordinators) {
                changes.changed().await.unwrap();
            }
        })
        .await;
    }
}

struct FakeNode {
    node: Option<Node>,
    requests: mpsc::Sender<DiscoveryRequest>,
    responses: Streaming<DiscoveryResponse>,
}

impl FakeNode {
    async fn send(&mut self, ty: ResourceType, answer: Option<(&DiscoveryResponse, Option<&str>)>) {
        let names = if ty.is_wildcard() { vec![] } else { vec![RESOURCE_NAME.to_owned()] };
        let (nonce, error) = answer.unzip();
        let request = DiscoveryRequest {
            node: self.node.take(),
            type_url: ty.type_url().to_owned(),
            resource_names: names,
            response_nonce: nonce.map(|response| response.nonce.clone()).unwrap_or_default(),
            error_detail: error
                .flatten()
                .map(|message| rpc::Status { message: message.to_owned(), ..rpc::Status::default() }),
            ..DiscoveryRequest::default()
        };
        self.requests.send(request).await.unwrap();
    }

    async fn next(&mut self) -> (ResourceType, DiscoveryResponse) {
        let response = soon(self.responses.message()).await.unwrap().expect("the stream has ended");
        (ResourceType::from_type_url(&response.type_url).unwrap(), response)
    }

    /// Takes what comes until that many responses have come; the types, in order.
    async fn accept(&mut self, count: usize) -> Vec<ResourceType> {
        let mut types = Vec::new();
        for _ in 0..count {
            let (ty, response) = self.next().await;
            self.send(ty, Some((&response, None))).await;
            types.push(ty);
        }
        types
    }

    /// Subscribes to everything and accepts it.
    async fn settle(&mut self) {
        for ty in OF_ENVOY {
            self.send(ty, None).await;
        }
        self.accept(OF_ENVOY.len()).await;
    }

    async fn end(&mut self) -> Status {
        soon(self.responses.message()).await.expect_err("the stream goes on")
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what).await.expect("nothing happened for 10 s")
}

#[tokio::test]
async fn a_node_gets_everything_in_order_and_is_shown_as_synced() {
    let control_plane = ControlPlane::start().await;
    let mut node = control_plane.node("one").await;
    for ty in OF_ENVOY {
        node.send(ty, None).await;
    }
    assert_eq!(node.accept(5).await, [Runtime, Cluster, Listener, Route, Filter]);
    soon(control_plane.coordinators.synced("one", 1)).await;
    let status = control_plane.coordinators.get("one").unwrap();
    assert_eq!((status.cluster.as_str(), status.envoy_version.as_str()), ("slotway", "1.40.0"));
    assert_eq!((status.generation, status.state), (Some(1), SyncState::Synced));
    assert_eq!(status.types.len(), 5);
}

#[tokio::test]
async fn a_change_is_pushed_make_before_break() {
    let control_plane = ControlPlane::start().await;
    let mut node = control_plane.node("one").await;
    node.settle().await;
    soon(control_plane.coordinators.synced("one", 1)).await;
    control_plane.desired.send(Arc::new(desired(2, &[(B, 1)]))).unwrap();
    assert_eq!(node.accept(5).await, [Runtime, Cluster, Filter, Runtime, Cluster]);
    soon(control_plane.coordinators.synced("one", 2)).await;
}

#[tokio::test]
async fn a_lowered_limit_follows_a_while_after_the_lowered_capacity() {
    let linger = Duration::from_millis(500);
    let control_plane =
        ControlPlane::start_with(|shared| shared.snapshots = Snapshots::lingering(linger)).await;
    let mut node = control_plane.node("one").await;
    node.settle().await;
    soon(control_plane.coordinators.synced("one", 1)).await;
    control_plane.desired.send(Arc::new(desired(2, &[(B, 1)]))).unwrap();
    assert_eq!(node.accept(4).await, [Runtime, Cluster, Filter, Cluster]);
    soon(control_plane.coordinators.synced("one", 2)).await;
    assert_eq!(node.accept(1).await, [Runtime]);
}

#[tokio::test]
async fn a_rejection_is_counted_and_shown_with_its_reason_until_it_is_mended() {
    let control_plane = ControlPlane::start().await;
    let mut node = control_plane.node("one").await;
    node.settle().await;
    soon(control_plane.coordinators.synced("one", 1)).await;
    control_plane.desired.send(Arc::new(desired(2, &[(A, 1), (B, 1)]))).unwrap();
    assert_eq!(node.accept(1).await, [Runtime]);
    let (ty, response) = node.next().await;
    node.send(ty, Some((&response, Some("no such\nfile")))).await;
    control_plane.until(|all| all.get("one").is_some_and(|one| one.state == SyncState::Rejected)).await;
    let status = control_plane.coordinators.get("one").unwrap();
    let clusters = &status.types[Cluster.type_url()];
    assert_eq!(clusters.state, SyncState::Rejected);
    assert_eq!(clusters.last_rejection.as_ref().unwrap().reason, "no such file");
    assert_eq!(status.generation, Some(1));
    assert_eq!(control_plane.coordinators.nacks_total()[Cluster.type_url()], 1);
    assert_eq!(control_plane.coordinators.nacks_total()[Filter.type_url()], 0);
    control_plane.desired.send(Arc::new(desired(3, &[(A, 1)]))).unwrap();
    assert_eq!(node.accept(3).await, [Runtime, Cluster, Filter]);
    soon(control_plane.coordinators.synced("one", 3)).await;
}

#[tokio::test]
async fn a_coordinator_is_listed_while_it_is_connected() {
    let control_plane = ControlPlane::start().await;
    let mut node = control_plane.node("one").await;
    node.settle().await;
    soon(control_plane.coordinators.synced("one", 1)).await;
    assert_eq!(control_plane.coordinators.list().len(), 1);
    drop(node);
    control_plane.until(|all| all.list().is_empty()).await;
}

#[tokio::test]
async fn a_second_stream_of_a_node_id_is_refused_with_what_to_do_and_the_first_goes_on() {
    let brief = Duration::from_millis(100);
    let control_plane = ControlPlane::start_with(|shared| shared.handover = brief).await;
    let mut first = control_plane.node("one").await;
    first.settle().await;
    let mut second = control_plane.node("one").await;
    second.send(Cluster, None).await;
    let status = second.end().await;
    assert_eq!(status.code(), Code::AlreadyExists);
    for told in ["\"one\"", "a node id of its own", "hot restart"] {
        assert!(status.message().contains(told), "{told:?} is not in {status}");
    }
    control_plane.desired.send(Arc::new(desired(2, &[(A, 1), (B, 1)]))).unwrap();
    first.accept(3).await;
    soon(control_plane.coordinators.synced("one", 2)).await;
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
    soon(control_plane.coordinators.synced("one", 1)).await;
}

#[tokio::test]
async fn a_node_without_an_id_is_told_what_to_do() {
    let control_plane = ControlPlane::start().await;
    let mut node = control_plane.node("").await;
    node.send(Cluster, None).await;
    let status = node.end().await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("node.id"), "{status}");
    assert!(control_plane.coordinators.list().is_empty());
}

#[tokio::test]
async fn one_stream_too_many_is_refused_and_has_its_place_once_another_ends() {
    let control_plane = ControlPlane::start_with(|shared| shared.streams = Arc::new(Semaphore::new(1))).await;
    let mut node = control_plane.node("one").await;
    node.settle().await;
    let (_requests, stream) = mpsc::channel(1);
    let mut client = control_plane.client().await;
    let refused = soon(client.stream_aggregated_resources(ReceiverStream::new(stream))).await;
    assert_eq!(refused.expect_err("a second stream was taken").code(), Code::ResourceExhausted);
    drop(node);
    control_plane.until(|all| all.list().is_empty()).await;
    let mut next = control_plane.node("two").await;
    next.settle().await;
}

#[tokio::test]
async fn streams_end_with_the_control_plane() {
    let ControlPlane { desired, told, coordinators, address } = ControlPlane::start().await;
    let control_plane = ControlPlane { desired: desired.clone(), told, coordinators, address };
    let mut node = control_plane.node("one").await;
    node.settle().await;
    soon(control_plane.coordinators.synced("one", 1)).await;
    drop((desired, control_plane));
    assert_eq!(node.end().await.code(), Code::Unavailable);
}

#[tokio::test]
async fn an_incremental_node_is_sent_what_changes_and_shown_as_one() {
    let control_plane = ControlPlane::start().await;
    let (requests, stream) = mpsc::channel(16);
    let mut client = control_plane.client().await;
    let response = soon(client.delta_aggregated_resources(ReceiverStream::new(stream))).await;
    let mut responses = response.unwrap().into_inner();
    let node = Node { id: "one".to_owned(), cluster: DEFAULT_GROUP.to_owned(), ..Node::default() };
    let request = DeltaDiscoveryRequest {
        node: Some(node),
        type_url: Cluster.type_url().to_owned(),
        ..DeltaDiscoveryRequest::default()
    };
    requests.send(request.clone()).await.unwrap();
    let first = soon(responses.message()).await.unwrap().unwrap();
    assert_eq!(first.resources.iter().map(|own| own.name.as_str()).collect::<Vec<_>>(), [A]);
    let ack = |nonce| DeltaDiscoveryRequest { node: None, response_nonce: nonce, ..request.clone() };
    requests.send(ack(first.nonce)).await.unwrap();
    control_plane.until(|all| all.get("one").is_some_and(|one| one.state == SyncState::Synced)).await;
    assert_eq!(control_plane.coordinators.get("one").unwrap().protocol, Variant::Incremental);
    control_plane.desired.send(Arc::new(desired(2, &[(A, 5), (B, 1)]))).unwrap();
    let second = soon(responses.message()).await.unwrap().unwrap();
    assert_eq!(second.resources.iter().map(|own| own.name.as_str()).collect::<Vec<_>>(), [B]);
    assert!(second.removed_resources.is_empty());
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
async fn an_agent_is_told_what_changes_and_is_no_envoy() {
    let control_plane = ControlPlane::start().await;
    let (requests, stream) = mpsc::channel(16);
    let mut client = control_plane.client().await;
    let response = soon(client.delta_aggregated_resources(ReceiverStream::new(stream))).await;
    let mut responses = response.unwrap().into_inner();
    let first = DeltaDiscoveryRequest {
        node: Some(Node { id: "agent".to_owned(), cluster: DEFAULT_GROUP.to_owned(), ..Node::default() }),
        type_url: ResourceType::ServerLimits.type_url().to_owned(),
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
        let limits: proto::ServerLimits = prost::Message::decode(&*body.value).unwrap();
        limits.servers_max
    };
    assert_eq!(next().await, 2);
    let limits = ServerLimitsBody { servers_max: 7, by_usage: [("training".to_owned(), 3)].into() };
    let server_limits = ServerLimits::try_from(limits).unwrap();
    control_plane.told.send(Arc::new(ForAgents { server_limits, ..ForAgents::default() })).unwrap();
    assert_eq!(next().await, 7);
    control_plane.until(|all| all.get("agent").is_some_and(|agent| agent.state == SyncState::Synced)).await;
    assert!(control_plane.coordinators.get("agent").unwrap().is_agent());
}
