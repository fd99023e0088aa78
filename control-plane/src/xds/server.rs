use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::{self, ConnectInfo, State},
    http::{Extensions, HeaderValue, header},
    middleware,
    response::{IntoResponse, Response},
    routing::post,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::{Instant, timeout},
};
use tonic::{Status, Streaming, codec::BufferSettings, service::Routes};
use tonic_prost::ProstDecoder;
use tracing::{Instrument, info, warn};

use super::{
    Coordinators, Refusal,
    access::{Access, Caller, Shown},
    coordinators::{Place, shortened},
    encoded::Frame,
    history::History,
    limits::{FIRST_WITHIN, HANDOVER, REQUEST_BYTES_MAX, REQUEST_BYTES_USUAL, RESPONSES_MAX, STREAMS_MAX},
    message::Incoming,
    node::Node,
    port::Peer,
    protocol::{Incremental, Protocol, StateOfTheWorld},
    refusal::Ended,
    response_body::ResponseBody,
    session::{Event, Session},
    snapshot::{Snapshot, Snapshots},
    told::Told,
};
use crate::{
    agents::ForAgents,
    error::Error,
    lifecycle::{Phase, Stopping},
    model::Desired,
};

/// The aggregated discovery service (ADS): one stream to each coordinator.
#[derive(Debug)]
pub struct XdsServer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    desired: watch::Receiver<Arc<Desired>>,
    told_agents: watch::Receiver<Arc<ForAgents>>,
    coordinators: Arc<Coordinators>,
    snapshots: Snapshots,
    history: History,
    access: watch::Receiver<Arc<Access>>,
    stopping: Stopping,
    /// What was logged of nodes whose stream ended for a reason of theirs.
    told: Mutex<Told>,
    streams: Arc<Semaphore>,
    /// How long a second stream of a node id waits for the end of the first.
    handover: Duration,
}

impl Shared {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn access(&self) -> Arc<Access> {
        self.access.borrow().clone()
    }

    fn refused(&self, reason: Refusal) {
        self.coordinators.refusals().count(reason);
    }
}

impl XdsServer {
    /// A server that brings each value of `desired`, and of what agents are told, to every node that `access` lets in, and writes into `coordinators` how that goes. A
    /// node that a new value of `access` does not let in loses its stream. All streams end with `stopping`, and when the sender of `desired` is gone.
    #[must_use]
    pub fn new(
        desired: watch::Receiver<Arc<Desired>>,
        told_agents: watch::Receiver<Arc<ForAgents>>,
        coordinators: Arc<Coordinators>,
        access: watch::Receiver<Arc<Access>>,
        stopping: Stopping,
    ) -> Self {
        let shared = Shared {
            desired,
            told_agents,
            coordinators,
            snapshots: Snapshots::default(),
            history: History::default(),
            access,
            stopping,
            told: Mutex::default(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            handover: HANDOVER,
        };
        Self { shared: Arc::new(shared) }
    }

    /// The service as a router, to be served over HTTP/2 on a [`Port`](super::port::Port), with `beside` for those who are let into
    /// some group.
    pub fn into_router(self, beside: Router) -> Router {
        let beside = beside.layer(middleware::from_fn_with_state(self.shared.clone(), only_nodes));
        let streams = Router::new()
            .route(StateOfTheWorld::PATH, post(open::<StateOfTheWorld>))
            .route(Incremental::PATH, post(open::<Incremental>))
            .with_state(self.shared);
        // What there is no service for is said in the way of gRPC.
        Routes::default().into_axum_router().merge(streams).merge(beside)
    }
}

/// Opens a stream.
async fn open<P: Protocol>(State(shared): State<Arc<Shared>>, request: extract::Request) -> Response {
    let authorization = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let shown = shown(request.extensions(), authorization);
    let Ok(permit) = shared.streams.clone().try_acquire_owned() else {
        shared.refused(Refusal::TooManyStreams);
        let reason = format!("{STREAMS_MAX} coordinators are connected, no more are taken");
        return Status::resource_exhausted(reason).into_http();
    };
    let decoder = ProstDecoder::new(BufferSettings::new(REQUEST_BYTES_USUAL, REQUEST_BYTES_USUAL));
    let requests = Streaming::new_request(decoder, request.into_body(), None, Some(REQUEST_BYTES_MAX));
    let (responses, messages) = mpsc::channel(RESPONSES_MAX);
    tokio::spawn(serve::<P>(shared, shown, requests, responses, permit));
    ResponseBody::new(messages).into_response()
}

/// Serves one stream to its end.
async fn serve<P: Protocol>(
    shared: Arc<Shared>,
    shown: Shown,
    mut requests: Streaming<P::Request>,
    responses: mpsc::Sender<Result<Frame, Status>>,
    permit: OwnedSemaphorePermit,
) {
    let mut who = String::new();
    if let Err(Ended { refusal, status }) =
        converse::<P>(&shared, &shown, &mut who, &mut requests, &responses, permit).await
    {
        if let Some(refusal) = refusal {
            shared.refused(refusal);
        }
        // At the end of all, each stream's own is no news.
        let all_end = shared.stopping.phase() == Phase::Ending;
        if !all_end && shared.told().is_news(&who, status.message()) {
            warn!(node = who, code = ?status.code(), reason = status.message(), "xDS stream ended");
        }
        // The node may have gone; then nobody is left to be told.
        let _ = responses.send(Err(status)).await;
    }
}

/// `who` becomes the node's id, as soon as it is known.
async fn converse<P: Protocol>(
    shared: &Shared,
    shown: &Shown,
    who: &mut String,
    requests: &mut Streaming<P::Request>,
    responses: &mpsc::Sender<Result<Frame, Status>>,
    permit: OwnedSemaphorePermit,
) -> Result<(), Ended> {
    let first = timeout(FIRST_WITHIN, requests.message()).await;
    let first = first.map_err(|_| Status::deadline_exceeded("the stream's first request did not come"))?;
    let Some(mut first) = first? else { return Ok(()) };
    let node = Node::read(P::node(&mut first))?;
    who.clone_from(&node.id);
    let mut desired = shared.desired.clone();
    let mut told = shared.told_agents.clone();
    // Who is refused is told so before it can take a place from another one.
    let mut access = shared.access.clone();
    access.borrow_and_update().clone().admit(&node.cluster, shown)?;
    let target = snapshot(shared, &mut desired, &mut told, &node)?;
    let place = shared
        .coordinators
        .connect(&node, P::VARIANT, shared.handover)
        .await
        .ok_or_else(|| occupied(&node))?;
    let mut stream =
        NodeStream { session: Session::new(&node.id, target), _permit: permit, place, shared, node: &node };
    info!(node = node.id, group = node.cluster, envoy = node.envoy_version, "coordinator connected");
    shared.told().forget(&node.id);
    stream.receive(P::read(first)?)?;
    let mut ending = pin!(shared.stopping.on_ending());
    let mut released_at = None;
    loop {
        for response in stream.session.responses(&shared.history) {
            let span = tracing::debug_span!("xds push", node = node.id, type_url = response.ty.type_url());
            if responses.send(Ok(P::write(&response))).instrument(span).await.is_err() {
                break;
            }
        }
        // After the responses: to find that the node has its filter's configuration already is part of them.
        if stream.session.limits_linger() {
            let at = *released_at.get_or_insert_with(|| Instant::now() + shared.snapshots.linger());
            if at <= Instant::now() {
                stream.session.release_limits();
                released_at = None;
                continue;
            }
        }
        stream.place.update(&stream.session);
        let lingers_until = stream.session.target().lingers_until;
        tokio::select! {
            request = requests.message() => match request {
                Ok(Some(request)) => stream.receive(P::read(request)?)?,
                Ok(None) | Err(_) => break,
            },
            () = until(released_at) => {}
            () = until(lingers_until) => {
                stream.session.retarget(snapshot(shared, &mut desired, &mut told, &node)?);
            }
            changed = either(&mut desired, &mut told) => {
                if changed.is_err() {
                    return Err(gone().into());
                }
                stream.session.retarget(snapshot(shared, &mut desired, &mut told, &node)?);
            }
            Ok(()) = access.changed() => access.borrow_and_update().clone().admit(&node.cluster, shown)?,
            () = &mut ending => return Err(gone().into()),
        }
    }
    info!(node = node.id, "coordinator disconnected");
    Ok(())
}

/// Where there are several control planes, the node connects to another one.
fn gone() -> Status {
    Status::unavailable("the control plane is shutting down")
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
                self.place.rejected(ty, &reason, self.session.refused_revisions(ty));
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

/// Waits until one of both changes.
async fn either(
    desired: &mut watch::Receiver<Arc<Desired>>,
    told: &mut watch::Receiver<Arc<ForAgents>>,
) -> Result<(), watch::error::RecvError> {
    tokio::select! {
        changed = desired.changed() => changed,
        changed = told.changed() => changed,
    }
}

/// What the node shall have now.
fn snapshot(
    shared: &Shared,
    desired: &mut watch::Receiver<Arc<Desired>>,
    told: &mut watch::Receiver<Arc<ForAgents>>,
    node: &Node,
) -> Result<Arc<Snapshot>, Status> {
    let desired = desired.borrow_and_update().clone();
    let told = told.borrow_and_update().clone();
    let snapshot = shared.snapshots.of(&desired, &told, &node.cluster, &node.id);
    snapshot.map_err(|error| Status::internal(error.to_string()))?.ok_or_else(|| {
        Status::permission_denied(format!(
            "no pool belongs to the group {:?}, which this Envoy states as its node.cluster: `slotway bootstrap --group NAME` \
             states another one, and `groups` in the control plane's configuration say which there are",
            node.cluster
        ))
    })
}

/// What a request shows of the node that has sent it.
fn shown(extensions: &Extensions, authorization: Option<&[u8]>) -> Shown {
    let peer = extensions.get::<ConnectInfo<Peer>>();
    let bearer = |given: &[u8]| {
        let (scheme, token) = given.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.to_vec())
    };
    Shown {
        certificate_names: peer.map(|ConnectInfo(peer)| peer.certificate_names.to_vec()).unwrap_or_default(),
        token: authorization.and_then(bearer),
    }
}

/// Lets only those through who are let into some group, and tells who they are ([`Caller`]).
async fn only_nodes(
    State(shared): State<Arc<Shared>>,
    mut request: extract::Request,
    next: middleware::Next,
) -> Response {
    let authorization = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let shown = shown(request.extensions(), authorization);
    let access = shared.access();
    if access.admits_anywhere(&shown) {
        request.extensions_mut().insert(Caller::new(access, shown));
        return next.run(request).await;
    }
    shared.refused(Refusal::Report);
    Error::NotANode.into_response()
}

#[cfg(test)]
#[path = "server_tests/mod.rs"]
mod tests;
