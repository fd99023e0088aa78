//! Simulated Envoys, limited to xDS: each has the subscriptions of a real one and acknowledges everything.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use envoy_types::pb::envoy::{
    config::core::v3::Node,
    service::discovery::v3::{
        DeltaDiscoveryRequest, DiscoveryRequest,
        aggregated_discovery_service_client::AggregatedDiscoveryServiceClient,
    },
};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::wrappers::ReceiverStream;

const RUNTIME: &str = "type.googleapis.com/envoy.service.runtime.v3.Runtime";
const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
const ROUTE: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
const FILTER: &str = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
/// Each type, and whether its subscription is by name.
const TYPES: [(&str, bool); 5] =
    [(RUNTIME, true), (CLUSTER, false), (LISTENER, false), (ROUTE, true), (FILTER, true)];
const NAME: &str = "slotway";
/// The maximum size of a response: thousands of clusters.
const RESPONSE_BYTES_MAX: usize = 256 << 20;

/// Envoys that are connected until this is dropped.
pub(crate) struct Nodes {
    /// The number of received filter configurations, over all nodes.
    filters: Arc<AtomicUsize>,
    _streams: JoinSet<()>,
}

impl Nodes {
    /// Connects this number of nodes to the control plane.
    pub(crate) async fn connect(xds: SocketAddr, count: usize, incremental: bool) -> Self {
        let filters = Arc::new(AtomicUsize::new(0));
        let mut streams = JoinSet::new();
        for number in 0..count {
            let client = AggregatedDiscoveryServiceClient::connect(format!("http://{xds}")).await.unwrap();
            let client = client.max_decoding_message_size(RESPONSE_BYTES_MAX);
            let node = Node { id: format!("node-{number}"), cluster: NAME.to_owned(), ..Node::default() };
            let filters = filters.clone();
            streams.spawn(async move {
                if incremental {
                    changes(client, node, &filters).await
                } else {
                    states(client, node, &filters).await
                }
            });
        }
        Self { filters, _streams: streams }
    }

    /// Returns the number of received filter configurations, over all nodes.
    pub(crate) fn filters(&self) -> usize {
        self.filters.load(Ordering::Relaxed)
    }
}

type Client = AggregatedDiscoveryServiceClient<tonic::transport::Channel>;

async fn states(mut client: Client, node: Node, filters: &AtomicUsize) {
    let (requests, stream) = mpsc::channel(TYPES.len());
    let names = |named: bool| if named { vec![NAME.to_owned()] } else { Vec::new() };
    let mut node = Some(node);
    for (type_url, named) in TYPES {
        let (type_url, resource_names) = (type_url.to_owned(), names(named));
        let first = DiscoveryRequest { node: node.take(), type_url, resource_names, ..Default::default() };
        requests.send(first).await.unwrap();
    }
    let responses = client.stream_aggregated_resources(ReceiverStream::new(stream)).await;
    let mut responses = responses.unwrap().into_inner();
    while let Ok(Some(response)) = responses.message().await {
        filters.fetch_add(usize::from(response.type_url == FILTER), Ordering::Relaxed);
        let named = TYPES.iter().any(|(url, named)| *named && *url == response.type_url);
        let ack = DiscoveryRequest {
            version_info: response.version_info,
            type_url: response.type_url,
            response_nonce: response.nonce,
            resource_names: names(named),
            ..Default::default()
        };
        if requests.send(ack).await.is_err() {
            return;
        }
    }
}

async fn changes(mut client: Client, node: Node, filters: &AtomicUsize) {
    let (requests, stream) = mpsc::channel(TYPES.len());
    let mut node = Some(node);
    for (type_url, named) in TYPES {
        let first = DeltaDiscoveryRequest {
            node: node.take(),
            type_url: type_url.to_owned(),
            resource_names_subscribe: if named { vec![NAME.to_owned()] } else { Vec::new() },
            ..Default::default()
        };
        requests.send(first).await.unwrap();
    }
    let responses = client.delta_aggregated_resources(ReceiverStream::new(stream)).await;
    let mut responses = responses.unwrap().into_inner();
    while let Ok(Some(response)) = responses.message().await {
        filters.fetch_add(usize::from(response.type_url == FILTER), Ordering::Relaxed);
        let ack = DeltaDiscoveryRequest {
            type_url: response.type_url,
            response_nonce: response.nonce,
            ..Default::default()
        };
        if requests.send(ack).await.is_err() {
            return;
        }
    }
}
