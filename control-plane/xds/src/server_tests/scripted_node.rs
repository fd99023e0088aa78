//! A control plane on a real port, and a node whose requests a test scripts.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, http::StatusCode, response::IntoResponse};
use envoy_types::pb::{
    envoy::{
        config::core::v3::{BuildVersion, Node, node::UserAgentVersionType},
        service::discovery::v3::{
            DiscoveryRequest, DiscoveryResponse,
            aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
        },
        r#type::v3::SemanticVersion,
    },
    google::rpc,
};
use slotway_runtime::{Clock, Stopping};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

use super::super::{OtherRoutes, Shared, XdsServer};
use crate::{
    GroupRequirement, NodeAccess, Nodes, Peer, ResourceType, XdsPort,
    testing::{self, GROUP, OF_ENVOY, ONLY, TestSnapshots, TestSource, Wanted, wanted},
};

pub(super) const A: &str = "http://a";
pub(super) const B: &str = "http://b";
pub(super) const TOKEN: &str = "the token of group gpu";

/// One group that requires a token, beside the default one.
fn access() -> NodeAccess {
    NodeAccess::new(GROUP, [("gpu".to_owned(), GroupRequirement::new(Some(TOKEN), Vec::new()))])
}

/// The default group's worker, and those of group `gpu`.
pub(super) fn two_groups(generation: u64, gpu: &[(&str, u32)]) -> Arc<Wanted> {
    let mut all = wanted(generation, &[(A, 1)]);
    let gpu = wanted(generation, gpu).groups.remove(GROUP).unwrap();
    all.groups.insert("gpu".to_owned(), gpu);
    Arc::new(all)
}

pub(super) struct ControlPlane {
    pub(super) wanted: watch::Sender<Arc<Wanted>>,
    pub(super) independent: watch::Sender<&'static str>,
    pub(super) nodes: Arc<Nodes>,
    pub(super) access: watch::Sender<Arc<NodeAccess>>,
    pub(super) stopping: Stopping,
    pub(super) address: SocketAddr,
}

impl ControlPlane {
    pub(super) async fn start() -> Self {
        Self::start_lingering(Duration::ZERO).await
    }

    pub(super) async fn start_lingering(linger: Duration) -> Self {
        Self::start_with(linger, |_| {}).await
    }

    pub(super) async fn start_with(linger: Duration, adjust: impl Fn(&mut Shared<TestSource>)) -> Self {
        let (wanted, receiver) = watch::channel(Arc::new(wanted(1, &[(A, 1)])));
        let (independent, of_agents) = watch::channel("two");
        let (access, admitted) = watch::channel(Arc::new(access()));
        let stopping = Stopping::default();
        let snapshots = Arc::new(TestSnapshots::lingering(linger));
        let source = TestSource { wanted: receiver, independent: of_agents, snapshots };
        let mut server = XdsServer::new(source, admitted, stopping.clone(), Clock::System);
        adjust(Arc::get_mut(&mut server.shared).unwrap());
        let nodes = server.nodes().clone();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let refusals = nodes.refusals().clone();
        // Not `XdsServer::serve`, which ends the connections together with the streams.
        tokio::spawn(async {
            let port = XdsPort::new(listener, None, refusals).unwrap();
            let others =
                OtherRoutes { router: Router::new(), refuse: || StatusCode::UNAUTHORIZED.into_response() };
            let service = server.into_router(others).into_make_service_with_connect_info::<Peer>();
            axum::serve(port, service).await.unwrap();
        });
        Self { wanted, independent, nodes, access, stopping, address }
    }

    pub(super) async fn client(&self) -> AggregatedDiscoveryServiceClient<Channel> {
        soon(AggregatedDiscoveryServiceClient::connect(format!("http://{}", self.address))).await.unwrap()
    }

    pub(super) async fn node(&self, id: &str) -> FakeNode {
        self.node_of(id, GROUP, None).await
    }

    pub(super) async fn node_of(&self, id: &str, group: &str, token: Option<&str>) -> FakeNode {
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
    pub(super) async fn until(&self, what: impl Fn(&Nodes) -> bool) {
        let mut changes = self.nodes.changes();
        soon(async {
            while !what(&self.nodes) {
                changes.changed().await.unwrap();
            }
        })
        .await;
    }
}

pub(super) struct FakeNode {
    pub(super) node: Option<Node>,
    pub(super) requests: mpsc::Sender<DiscoveryRequest>,
    pub(super) responses: Streaming<DiscoveryResponse>,
}

impl FakeNode {
    pub(super) async fn send(
        &mut self,
        ty: ResourceType,
        answer: Option<(&DiscoveryResponse, Option<&str>)>,
    ) {
        let (nonce, error) = answer.unzip();
        let request = DiscoveryRequest {
            response_nonce: nonce.map(|response| response.nonce.clone()).unwrap_or_default(),
            error_detail: error
                .flatten()
                .map(|message| rpc::Status { message: message.to_owned(), ..rpc::Status::default() }),
            ..self.request(ty)
        };
        self.requests.send(request).await.unwrap();
    }

    /// Subscribes to what it has this version of, from an earlier stream.
    pub(super) async fn resume(&mut self, ty: ResourceType, version: &str) {
        let request = DiscoveryRequest { version_info: version.to_owned(), ..self.request(ty) };
        self.requests.send(request).await.unwrap();
    }

    fn request(&mut self, ty: ResourceType) -> DiscoveryRequest {
        let names = if ty.is_wildcard() { vec![] } else { vec![ONLY.to_owned()] };
        DiscoveryRequest {
            node: self.node.take(),
            type_url: ty.type_url().to_owned(),
            resource_names: names,
            ..DiscoveryRequest::default()
        }
    }

    pub(super) async fn next(&mut self) -> (ResourceType, DiscoveryResponse) {
        let response = soon(self.responses.message()).await.unwrap().expect("the stream has ended");
        (testing::ty(&response.type_url), response)
    }

    /// Takes what comes until that many responses have come; the types, in order.
    pub(super) async fn accept(&mut self, count: usize) -> Vec<ResourceType> {
        let mut types = Vec::new();
        for _ in 0..count {
            let (ty, response) = self.next().await;
            self.send(ty, Some((&response, None))).await;
            types.push(ty);
        }
        types
    }

    /// Subscribes to everything and accepts it.
    pub(super) async fn settle(&mut self) {
        for ty in OF_ENVOY {
            self.send(ty, None).await;
        }
        self.accept(OF_ENVOY.len()).await;
    }

    pub(super) async fn end(&mut self) -> Status {
        soon(self.responses.message()).await.expect_err("the stream goes on")
    }
}

pub(super) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what).await.expect("nothing happened for 10 s")
}
