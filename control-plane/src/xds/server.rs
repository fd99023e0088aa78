use std::{pin::Pin, sync::Arc, time::Duration};

use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
    aggregated_discovery_service_server::{AggregatedDiscoveryService, AggregatedDiscoveryServiceServer},
};
use futures_core::Stream;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::Instant,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, service::Routes};
use tracing::{info, warn};

use super::{
    Coordinators,
    coordinators::{Place, shortened},
    history::History,
    limits::{HANDOVER, REQUEST_BYTES_MAX, RESPONSES_MAX, STREAMS_MAX},
    message::Incoming,
    node::Node,
    protocol::{Incremental, Protocol, StateOfTheWorld},
    session::{Event, Session},
    snapshot::{Snapshot, Snapshots},
};
use crate::model::Desired;

/// The aggregated discovery service (ADS): one stream to each coordinator.
#[derive(Debug)]
pub struct XdsServer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    desired: watch::Receiver<Arc<Desired>>,
    coordinators: Arc<Coordinators>,
    snapshots: Snapshots,
    history: History,
    streams: Arc<Semaphore>,
    /// How long a second stream of a node id waits for the end of the first.
    handover: Duration,
}

type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl XdsServer {
    /// A server that brings each value of `desired` to every node, and writes into `coordinators` how that goes. The
    /// streams end when the sender of `desired` is gone.
    #[must_use]
    pub fn new(desired: watch::Receiver<Arc<Desired>>, coordinators: Arc<Coordinators>) -> Self {
        let shared = Shared {
            desired,
            coordinators,
            snapshots: Snapshots::default(),
            history: History::default(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            handover: HANDOVER,
        };
        Self { shared: Arc::new(shared) }
    }

    /// The service as a router, to be served over HTTP/2.
    pub fn into_router(self) -> axum::Router {
        let service =
            AggregatedDiscoveryServiceServer::new(self).max_decoding_message_size(REQUEST_BYTES_MAX);
        Routes::new(service).prepare().into_axum_router()
    }
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for XdsServer {
    type StreamAggregatedResourcesStream = Responses<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Responses<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        self.open::<StateOfTheWorld>(request.into_inner())
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        self.open::<Incremental>(request.into_inner())
    }
}

impl XdsServer {
    fn open<P: Protocol>(
        &self,
        requests: Streaming<P::Request>,
    ) -> Result<Response<Responses<P::Response>>, Status> {
        let permit = self.shared.streams.clone().try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!("{STREAMS_MAX} coordinators are connected, no more are taken"))
        })?;
        let (responses, stream) = mpsc::channel(RESPONSES_MAX);
        tokio::spawn(serve::<P>(self.shared.clone(), requests, responses, permit));
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

/// Serves one stream to its end.
async fn serve<P: Protocol>(
    shared: Arc<Shared>,
    mut requests: Streaming<P::Request>,
    responses: mpsc::Sender<Result<P::Response, Status>>,
    permit: OwnedSemaphorePermit,
) {
    if let Err(status) = converse::<P>(&shared, &mut requests, &responses, permit).await {
        warn!(code = ?status.code(), reason = status.message(), "xDS stream ended");
        // The node may have gone; then nobody is left to be told.
        let _ = responses.send(Err(status)).await;
    }
}

async fn converse<P: Protocol>(
    shared: &Shared,
    requests: &mut Streaming<P::Request>,
    responses: &mpsc::Sender<Result<P::Response, Status>>,
    permit: OwnedSemaphorePermit,
) -> Result<(), Status> {
    let Some(mut first) = requests.message().await? else { return Ok(()) };
    let node = Node::read(P::node(&mut first))?;
    let place = shared
        .coordinators
        .connect(&node, P::VARIANT, shared.handover)
        .await
        .ok_or_else(|| occupied(&node))?;
    let mut desired = shared.desired.clone();
    let mut stream = NodeStream {
        session: Session::new(&node.id, snapshot(shared, &mut desired, &node)?),
        _permit: permit,
        place,
        shared,
        node: &node,
    };
    info!(node = node.id, envoy = node.envoy_version, "coordinator connected");
    stream.receive(P::read(first)?)?;
    loop {
        for response in stream.session.responses(&shared.history) {
            if responses.send(Ok(P::write(&response))).await.is_err() {
                break;
            }
        }
        stream.place.update(&stream.session);
        let lingers_until = stream.session.target().lingers_until;
        tokio::select! {
            request = requests.message() => match request {
                Ok(Some(request)) => stream.receive(P::read(request)?)?,
                Ok(None) | Err(_) => break,
            },
            () = until(lingers_until) => {
                stream.session.retarget(snapshot(shared, &mut desired, &node)?);
            }
            changed = desired.changed() => {
                if changed.is_err() {
                    return Err(Status::unavailable("the control plane is shutting down"));
                }
                stream.session.retarget(snapshot(shared, &mut desired, &node)?);
            }
        }
    }
    info!(node = node.id, "coordinator disconnected");
    Ok(())
}

fn occupied(node: &Node) -> Status {
    Status::already_exists(format!(
        "another Envoy is connected with the node id {:?}, and one process alone may give out its slots: give this one a node id \
         of its own (`slotway bootstrap --node NAME`), or end the other one; hot restart (--restart-epoch) is not supported",
        node.id
    ))
}

struct NodeStream<'a> {
    session: Session,
    /// Given back before the place is given up: who sees that a coordinator has gone can count on its stream.
    _permit: OwnedSemaphorePermit,
    place: Place<'a>,
    shared: &'a Shared,
    node: &'a Node,
}

impl NodeStream<'_> {
    fn receive(&mut self, incoming: Incoming) -> Result<(), Status> {
        match self.session.receive(incoming, &self.shared.history)? {
            Event::None | Event::Acked(_) => {}
            Event::Rejected(ty, reason) => {
                warn!(
                    node = self.node.id,
                    type_url = ty.type_url(),
                    reason = shortened(&reason),
                    "a coordinator rejected its configuration; what it had before stays in force"
                );
                self.place.rejected(ty, &reason);
            }
            Event::Unknown(type_url) => {
                info!(
                    node = self.node.id,
                    type_url = shortened(&type_url),
                    "a coordinator asked for a type that is not served"
                );
            }
        }
        Ok(())
    }
}

/// Waits for that time, for ever if there is none.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// What the node shall have now.
fn snapshot(
    shared: &Shared,
    desired: &mut watch::Receiver<Arc<Desired>>,
    node: &Node,
) -> Result<Arc<Snapshot>, Status> {
    let desired = desired.borrow_and_update().clone();
    shared.snapshots.of(&desired, &node.id).map_err(|error| Status::internal(error.to_string()))
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
