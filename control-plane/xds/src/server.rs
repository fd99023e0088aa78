use std::{
    net::TcpListener,
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
use slotway_runtime::{Clock, Phase, Stopping, tls::LiveTls};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::{Instant, timeout},
};
use tonic::{Status, Streaming, codec::BufferSettings, service::Routes};
use tonic_prost::ProstDecoder;
use tracing::{Instrument, info, warn};

use crate::{
    AdmittedNode, Catalog, NodeAccess, NodeCredentials, Nodes, Snapshot, SnapshotError, Source, XdsError,
    XdsPort, XdsRefusal,
    browser::is_grpc,
    encoded::Frame,
    history::SentHistory,
    limits::{FIRST_WITHIN, HANDOVER, REQUEST_BYTES_MAX, REQUEST_BYTES_USUAL, STREAMS_MAX},
    logged_reasons::LoggedReasons,
    message::Incoming,
    node::Node,
    nodes::{NodeClaim, shortened},
    port::Peer,
    protocol::{Incremental, Protocol, StateOfTheWorld},
    refusal::StreamEnd,
    response_body::ResponseBody,
    session::{Session, SessionEvent},
};

/// The aggregated discovery service (ADS): one stream to each node.
#[derive(Debug)]
pub struct XdsServer<S> {
    shared: Arc<Shared<S>>,
}

/// Routes that the port serves beside xDS, for nodes that are admitted to some group. Their handlers find the sender as the extension
/// [`AdmittedNode`].
pub struct OtherRoutes {
    /// The routes.
    pub router: Router,
    /// Makes the answer to a sender that is admitted to no group.
    pub refuse: fn() -> Response,
}

#[derive(Debug)]
struct Shared<S> {
    source: S,
    catalog: Arc<Catalog>,
    nodes: Arc<Nodes>,
    history: SentHistory,
    access: watch::Receiver<Arc<NodeAccess>>,
    stopping: Stopping,
    /// The logged reasons of streams that ended through a fault of the node.
    logged: Mutex<LoggedReasons>,
    streams: Arc<Semaphore>,
    /// How long a second stream of a node id waits for the end of the first.
    handover: Duration,
}

impl<S> Shared<S> {
    fn logged(&self) -> MutexGuard<'_, LoggedReasons> {
        self.logged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self, reason: XdsRefusal) {
        self.nodes.refusals().count(reason);
    }
}

impl<S: Source> XdsServer<S> {
    /// Returns a server that pushes each snapshot of `source` to every node that `access` admits, and records ACKs and NACKs in
    /// [`Self::nodes`]. When `access` changes, nodes that it no longer admits lose their stream. All streams end with `stopping`, and
    /// when the publisher of `source` is gone.
    #[must_use]
    pub fn new(
        source: S,
        access: watch::Receiver<Arc<NodeAccess>>,
        stopping: Stopping,
        clock: Clock,
    ) -> Self {
        let catalog = source.catalog();
        let shared = Shared {
            nodes: Arc::new(Nodes::new(&catalog, clock)),
            source,
            catalog,
            history: SentHistory::default(),
            access,
            stopping,
            logged: Mutex::default(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            handover: HANDOVER,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Returns the status of the connected nodes.
    #[must_use]
    pub fn nodes(&self) -> &Arc<Nodes> {
        &self.shared.nodes
    }

    /// Serves xDS and `others` on `listener` until `stopping`. The port accepts connections as soon as this returns.
    ///
    /// # Errors
    /// [`XdsError::Port`].
    pub fn serve(
        self,
        listener: TcpListener,
        tls: Option<LiveTls>,
        others: OtherRoutes,
    ) -> Result<impl Future<Output = Result<(), XdsError>> + Send, XdsError> {
        let failed = |doing| move |error| XdsError::Port { doing, error };
        let taken = listener.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(listener));
        let refusals = self.shared.nodes.refusals().clone();
        let port = taken.and_then(|listener| XdsPort::new(listener, tls, refusals));
        let port = port.map_err(failed("taking the port over"))?;
        let ending = self.shared.stopping.on_ending();
        let service = self.into_router(others).into_make_service_with_connect_info::<Peer>();
        let served = axum::serve(port, service).with_graceful_shutdown(ending);
        Ok(async move { served.await.map_err(failed("serving")) })
    }

    /// Returns the service as a router for HTTP/2 on an [`XdsPort`].
    fn into_router(self, others: OtherRoutes) -> Router {
        let guard = OnlyNodes { shared: self.shared.clone(), refuse: others.refuse };
        let others = others.router.layer(middleware::from_fn_with_state(guard, only_nodes));
        let streams = Router::new()
            .route(StateOfTheWorld::PATH, post(open::<StateOfTheWorld, S>))
            .route(Incremental::PATH, post(open::<Incremental, S>))
            .with_state(self.shared);
        // Unknown methods get an answer of gRPC.
        Routes::default().into_axum_router().merge(streams).merge(others)
    }
}

/// Opens a stream.
async fn open<P: Protocol, S: Source>(
    State(shared): State<Arc<Shared<S>>>,
    request: extract::Request,
) -> Response {
    if !is_grpc(request.headers()) {
        shared.refused(XdsRefusal::BadRequest);
        return Status::invalid_argument(
            "xDS is gRPC, without `origin`: send `content-type: application/grpc`",
        )
        .into_http();
    }
    let authorization = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let shown = credentials(request.extensions(), authorization);
    let Ok(permit) = shared.streams.clone().try_acquire_owned() else {
        shared.refused(XdsRefusal::TooManyStreams);
        let reason = format!("the maximum of {STREAMS_MAX} coordinators is connected");
        return Status::resource_exhausted(reason).into_http();
    };
    let decoder = ProstDecoder::new(BufferSettings::new(REQUEST_BYTES_USUAL, REQUEST_BYTES_USUAL));
    let requests = Streaming::new_request(decoder, request.into_body(), None, Some(REQUEST_BYTES_MAX));
    // One response of each type may be unacknowledged.
    let (responses, messages) = mpsc::channel(shared.catalog.types().len().max(1));
    tokio::spawn(serve_stream::<P, S>(shared, shown, requests, responses, permit));
    ResponseBody::new(messages).into_response()
}

/// Serves one stream to its end.
async fn serve_stream<P: Protocol, S: Source>(
    shared: Arc<Shared<S>>,
    shown: NodeCredentials,
    mut requests: Streaming<P::Request>,
    responses: mpsc::Sender<Result<Frame, Status>>,
    permit: OwnedSemaphorePermit,
) {
    let mut node_id = String::new();
    let outcome = run_stream::<P, S>(&shared, &shown, &mut node_id, &mut requests, &responses, permit).await;
    if let Err(StreamEnd { refusal, status }) = outcome {
        if let Some(refusal) = refusal {
            shared.refused(refusal);
        }
        // When the process ends, the end of each stream is not worth a line.
        let is_shutdown = shared.stopping.phase() == Phase::Ending;
        if !is_shutdown && shared.logged().is_new(&node_id, status.message()) {
            warn!(node = node_id, code = ?status.code(), reason = status.message(), "xDS stream ended");
        }
        // The node may have disconnected.
        let _ = responses.send(Err(status)).await;
    }
}

/// Runs one stream. `node_id` is set as soon as the id is known.
async fn run_stream<P: Protocol, S: Source>(
    shared: &Shared<S>,
    shown: &NodeCredentials,
    node_id: &mut String,
    requests: &mut Streaming<P::Request>,
    responses: &mpsc::Sender<Result<Frame, Status>>,
    permit: OwnedSemaphorePermit,
) -> Result<(), StreamEnd> {
    let first = timeout(FIRST_WITHIN, requests.message()).await;
    let first = first.map_err(|_| Status::deadline_exceeded("the stream's first request did not arrive"))?;
    let Some(mut first) = first? else { return Ok(()) };
    let node = Node::read(P::node(&mut first))?;
    node_id.clone_from(&node.id);
    // A node is admitted before it can claim its id.
    let mut access = shared.access.clone();
    access.borrow_and_update().clone().admit(&node.group, shown)?;
    let mut source = shared.source.clone();
    let target = snapshot(&mut source, &node)?;
    let claim = shared.nodes.claim(&node, P::VARIANT, shared.handover).await;
    let claim = claim.ok_or_else(|| node_id_taken(&node))?;
    let session = Session::new(&node.id, shared.catalog.clone(), target);
    let mut stream = NodeStream { session, _permit: permit, claim, shared, node: &node };
    info!(node = node.id, group = node.group, envoy = node.version, "coordinator connected");
    shared.logged().forget(&node.id);
    stream.receive(P::read(first)?)?;
    stream.exchange::<P>(source, access, shown, requests, responses).await?;
    info!(node = node.id, "coordinator disconnected");
    Ok(())
}

/// Returns the status with which a node connects to another control plane, if there are several.
fn shutting_down() -> Status {
    Status::unavailable("the control plane is shutting down")
}

fn node_id_taken(node: &Node) -> Status {
    Status::already_exists(format!(
        "another Envoy is connected with the node id {:?}, and only one process can give out its slots: give this one a node id \
         of its own (`slotway bootstrap --node NAME`), or stop the other one; hot restart (--restart-epoch) is not supported",
        node.id
    ))
}

struct NodeStream<'a, S> {
    session: Session,
    /// Released before the claim: once a coordinator is no longer listed, its stream is free.
    _permit: OwnedSemaphorePermit,
    claim: NodeClaim<'a>,
    shared: &'a Shared<S>,
    node: &'a Node,
}

impl<S: Source> NodeStream<'_, S> {
    /// Exchanges requests and responses until the node disconnects.
    async fn exchange<P: Protocol>(
        &mut self,
        mut source: S,
        mut access: watch::Receiver<Arc<NodeAccess>>,
        shown: &NodeCredentials,
        requests: &mut Streaming<P::Request>,
        responses: &mpsc::Sender<Result<Frame, Status>>,
    ) -> Result<(), StreamEnd> {
        let mut ending = pin!(self.shared.stopping.on_ending());
        let mut release_at = None;
        loop {
            self.send::<P>(responses).await;
            // After the responses: they may find that the node has its root already.
            if self.session.has_lingering_bounds() {
                let at = *release_at.get_or_insert_with(|| Instant::now() + source.linger());
                if at <= Instant::now() {
                    self.session.release_inherited_bounds();
                    release_at = None;
                    continue;
                }
            }
            self.claim.update(&self.session);
            let expires_at = self.session.target().expires_at();
            tokio::select! {
                request = requests.message() => match request {
                    Ok(Some(request)) => self.receive(P::read(request)?)?,
                    Ok(None) | Err(_) => return Ok(()),
                },
                () = sleep_until(release_at) => {}
                () = sleep_until(expires_at) => self.session.retarget(snapshot(&mut source, self.node)?),
                changed = source.changed() => {
                    changed.map_err(|_| shutting_down())?;
                    self.session.retarget(snapshot(&mut source, self.node)?);
                }
                Ok(()) = access.changed() => access.borrow_and_update().clone().admit(&self.node.group, shown)?,
                () = &mut ending => return Err(shutting_down().into()),
            }
        }
    }

    /// Sends the responses that are due.
    async fn send<P: Protocol>(&mut self, responses: &mpsc::Sender<Result<Frame, Status>>) {
        for response in self.session.responses(&self.shared.history) {
            let span =
                tracing::debug_span!("xds push", node = self.node.id, type_url = response.ty.type_url());
            if responses.send(Ok(P::write(&response))).instrument(span).await.is_err() {
                // The node has disconnected, which its requests tell, too.
                return;
            }
        }
    }

    fn receive(&mut self, incoming: Incoming) -> Result<(), Status> {
        match self.session.receive(incoming, &self.shared.history)? {
            SessionEvent::None | SessionEvent::Acked(_) => {}
            SessionEvent::Rejected(ty, reason) => {
                warn!(
                    node = self.node.id,
                    type_url = ty.type_url(),
                    reason = shortened(&reason),
                    "coordinator rejected its configuration; the previous one stays in force"
                );
                self.claim.rejected(ty, &reason, self.session.rejected_revisions(ty));
            }
            SessionEvent::UnknownType(type_url) => {
                info!(
                    node = self.node.id,
                    type_url = shortened(&type_url),
                    "coordinator subscribed to a type that is not served"
                );
            }
        }
        Ok(())
    }
}

/// Waits until `time`; forever without one.
async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Returns what the node shall have now.
fn snapshot<S: Source>(source: &mut S, node: &Node) -> Result<Arc<Snapshot>, Status> {
    source.snapshot(node).map_err(|error| match error {
        SnapshotError::UnknownGroup(reason) => Status::permission_denied(reason),
        SnapshotError::Failed(reason) => Status::internal(reason),
    })
}

/// Returns the credentials of a request.
fn credentials(extensions: &Extensions, authorization: Option<&[u8]>) -> NodeCredentials {
    let peer = extensions.get::<ConnectInfo<Peer>>();
    let bearer = |given: &[u8]| {
        let (scheme, token) = given.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.to_vec())
    };
    NodeCredentials {
        certificate_names: peer.map(|ConnectInfo(peer)| peer.certificate_names.to_vec()).unwrap_or_default(),
        token: authorization.and_then(bearer),
    }
}

struct OnlyNodes<S> {
    shared: Arc<Shared<S>>,
    refuse: fn() -> Response,
}

// Derived, it would ask `S: Clone` of the state.
impl<S> Clone for OnlyNodes<S> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), refuse: self.refuse }
    }
}

/// Lets requests of nodes through that are admitted to some group, with the sender as the extension [`AdmittedNode`].
async fn only_nodes<S: Source>(
    State(OnlyNodes { shared, refuse }): State<OnlyNodes<S>>,
    mut request: extract::Request,
    next: middleware::Next,
) -> Response {
    let authorization = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let shown = credentials(request.extensions(), authorization);
    let access = shared.access.borrow().clone();
    if access.admits_anywhere(&shown) {
        request.extensions_mut().insert(AdmittedNode::new(access, shown));
        return next.run(request).await;
    }
    shared.refused(XdsRefusal::Report);
    refuse()
}

#[cfg(test)]
#[path = "server_tests/mod.rs"]
mod tests;
