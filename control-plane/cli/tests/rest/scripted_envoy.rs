use std::{future::Future, net::SocketAddr, time::Duration};

use envoy_types::pb::{
    envoy::{
        config::core::v3::Node,
        service::discovery::v3::{
            DiscoveryRequest, DiscoveryResponse,
            aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
        },
    },
    google::rpc,
};
use slotway_coordinators::types::{CLUSTER, FILTER, LISTENER, RESOURCE_NAME, ROUTE, RUNTIME};
use slotway_xds::ResourceType;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// The types that an Envoy subscribes to, in the order of its subscriptions.
const TYPES: [ResourceType; 5] = [CLUSTER, LISTENER, ROUTE, FILTER, RUNTIME];

/// An Envoy, over a real stream, that accepts or rejects configurations as a test requires.
pub(crate) struct ScriptedEnvoy {
    requests: mpsc::Sender<DiscoveryRequest>,
    responses: Streaming<DiscoveryResponse>,
}

impl ScriptedEnvoy {
    /// Connects and subscribes to all types.
    pub(crate) async fn connect(xds: SocketAddr, id: &str, group: &str, token: Option<&str>) -> Self {
        let client = AggregatedDiscoveryServiceClient::connect(format!("http://{xds}"));
        let (requests, stream) = mpsc::channel(16);
        let mut request = tonic::Request::new(ReceiverStream::new(stream));
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let response = soon(soon(client).await.unwrap().stream_aggregated_resources(request)).await;
        let envoy = Self { requests, responses: response.unwrap().into_inner() };
        let node = Node { id: id.to_owned(), cluster: group.to_owned(), ..Node::default() };
        for ty in TYPES {
            envoy.send(DiscoveryRequest { node: Some(node.clone()), ..asking(ty.type_url()) }).await;
        }
        envoy
    }

    async fn send(&self, request: DiscoveryRequest) {
        self.requests.send(request).await.unwrap();
    }

    /// Waits for the next response.
    async fn next(&mut self) -> DiscoveryResponse {
        soon(self.responses.message()).await.unwrap().expect("the stream has ended")
    }

    /// Accepts responses until it has accepted one of this type.
    pub(crate) async fn accept_until(&mut self, ty: ResourceType) {
        loop {
            let response = self.next().await;
            self.send(answering(&response)).await;
            if response.type_url == ty.type_url() {
                return;
            }
        }
    }

    /// Accepts responses until one of this type arrives, and rejects that one.
    pub(crate) async fn refuse(&mut self, ty: ResourceType, reason: &str) {
        loop {
            let response = self.next().await;
            let mut answer = answering(&response);
            let refused = response.type_url == ty.type_url();
            if refused {
                answer.error_detail =
                    Some(rpc::Status { message: reason.to_owned(), ..rpc::Status::default() });
            }
            self.send(answer).await;
            if refused {
                return;
            }
        }
    }
}

fn asking(type_url: &str) -> DiscoveryRequest {
    let ty = TYPES.into_iter().find(|ty| ty.type_url() == type_url).unwrap();
    let names = if ty.is_wildcard() { None } else { Some(RESOURCE_NAME) };
    DiscoveryRequest {
        type_url: type_url.to_owned(),
        resource_names: names.into_iter().map(str::to_owned).collect(),
        ..DiscoveryRequest::default()
    }
}

fn answering(response: &DiscoveryResponse) -> DiscoveryRequest {
    DiscoveryRequest { response_nonce: response.nonce.clone(), ..asking(&response.type_url) }
}

/// Waits for a future with a short time limit.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what).await.expect("nothing happened for 10 s")
}
