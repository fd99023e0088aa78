//! A control plane on a real port, and a node that says what a test has it say.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

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
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Channel};

use super::super::{Shared, Snapshots, XdsServer};
use crate::{
    agents::ForAgents,
    groups::DEFAULT_GROUP,
    lifecycle::Stopping,
    model::Desired,
    xds::{
        Coordinators, RESOURCE_NAME, ResourceType,
        access::{Access, Requirement},
        port::{Peer, Port},
        testing::{self, OF_ENVOY, desired},
    },
};

pub(super) const A: &str = "http://a";
pub(super) const B: &str = "http://b";
pub(super) const TOKEN: &str = "the token of group gpu";

/// One group that asks for a token, beside the default one.
pub(super) fn access() -> Access {
    [("gpu".to_owned(), Requirement::new(Some(TOKEN), Vec::new()))].into_iter().collect()
}

/// The default group's worker, and those of group `gpu`.
pub(super) fn two_groups(generation: u64, gpu: &[(&str, u32)]) -> Arc<Desired> {
    let mut desired = desired(generation, &[(A, 1)]);
    let mut pool = testing::desired(generation, gpu).pools.remove(0);
    pool.name = "training".parse().unwrap();
    desired.listener.groups = [(pool.name.clone(), "gpu".to_owned())].into_iter().collect();
    desired.pools.push(pool);
    Arc::new(desired)
}

pub(super) struct ControlPlane {
    pub(super) desired: watch::Sender<Arc<Desired>>,
    pub(super) told: watch::Sender<Arc<ForAgents>>,
    pub(super) coordinators: Arc<Coordinators>,
    pub(super) access: watch::Sender<Arc<Access>>,
    pub(super) stopping: Stopping,
    pub(super) address: SocketAddr,
}

impl ControlPlane {
    pub(super) async fn start() -> Self {
        Self::start_with(|shared| shared.snapshots = Snapshots::lingering(Duration::ZERO)).await
    }

    pub(super) async fn start_with(adjust: impl Fn(&mut Shared)) -> Self {
        let (desired, wanted) = watch::channel(Arc::new(desired(1, &[(A, 1)])));
        let (told, for_agents) = watch::channel(Arc::default());
        let coordinators = Arc::new(Coordinators::new());
        let (access, let_in) = watch::channel(Arc::new(access()));
        let stopping = Stopping::default();
        let mut server = XdsServer::new(wanted, for_agents, coordinators.clone(), let_in, stopping.clone());
        adjust(Arc::get_mut(&mut server.shared).unwrap());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let refusals = coordinators.refusals().clone();
        tokio::spawn(async {
            let port = Port::new(listener, None, refusals).unwrap();
            let router = server.into_router(axum::Router::new());
            axum::serve(port, router.into_make_service_with_connect_info::<Peer>()).await.unwrap();
        });
        Self { desired, told, coordinators, access, stopping, address }
    }

    pub(super) async fn client(&self) -> AggregatedDiscoveryServiceClient<Channel> {
        soon(AggregatedDiscoveryServiceClient::connect(format!("http://{}", self.address))).await.unwrap()
    }

    pub(super) async fn node(&self, id: &str) -> FakeNode {
        self.node_of(id, DEFAULT_GROUP, None).await
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
    pub(super) async fn until(&self, what: impl Fn(&Coordinators) -> bool) {
        let mut changes = self.coordinators.changes();
        soon(async {
            while !what(&self.coordinators) {
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
        let names = if ty.is_wildcard() { vec![] } else { vec![RESOURCE_NAME.to_owned()] };
        DiscoveryRequest {
            node: self.node.take(),
            type_url: ty.type_url().to_owned(),
            resource_names: names,
            ..DiscoveryRequest::default()
        }
    }

    pub(super) async fn next(&mut self) -> (ResourceType, DiscoveryResponse) {
        let response = soon(self.responses.message()).await.unwrap().expect("the stream has ended");
        (ResourceType::from_type_url(&response.type_url).unwrap(), response)
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
