use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use http_body_util::BodyExt;
use hyper::{
    Request, Response,
    body::{Bytes, Frame, Incoming},
    header::{HeaderName, HeaderValue},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{Semaphore, mpsc},
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use super::{
    Arrival, Arrivals, Behaviour, Reply,
    worker_body::{Concurrency, InHand, WorkerBody},
};

const HALF_IS_SENT: Duration = Duration::from_millis(50);

/// A worker in the test's own process: it does as it is told and counts what it has in hand.
pub(crate) struct TestWorker {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    accept: JoinHandle<()>,
}

struct Shared {
    name: String,
    arrivals: Arrivals,
    behaviour: Mutex<Behaviour>,
    concurrency: Arc<Concurrency>,
    permits: Semaphore,
}

impl TestWorker {
    /// A worker on a fresh port; its requests are added to `arrivals`.
    pub(crate) async fn start(name: &str, arrivals: &Arrivals) -> Self {
        Self::listen(name, arrivals, SocketAddr::from(([127, 0, 0, 1], 0)), None).await
    }

    /// A worker on `address`, for one that comes back.
    pub(crate) async fn start_at(name: &str, arrivals: &Arrivals, address: SocketAddr) -> Self {
        Self::listen(name, arrivals, address, None).await
    }

    /// A worker that speaks TLS.
    pub(crate) async fn start_tls(name: &str, arrivals: &Arrivals, tls: TlsAcceptor) -> Self {
        Self::listen(name, arrivals, SocketAddr::from(([127, 0, 0, 1], 0)), Some(tls)).await
    }

    async fn listen(name: &str, arrivals: &Arrivals, address: SocketAddr, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            arrivals: arrivals.clone(),
            behaviour: Mutex::new(Behaviour::default()),
            concurrency: Arc::default(),
            permits: Semaphore::new(0),
        });
        let scheme = if tls.is_some() { "https" } else { "http" };
        let accept = tokio::spawn(accept(listener, tls, Arc::clone(&shared)));
        Self { address, scheme, shared, accept }
    }

    /// Its address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// What it does with the requests that arrive from now on.
    pub(crate) fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap() = behaviour;
    }

    /// Lets `count` held requests, or pieces of answers, go; those that arrive later too.
    pub(crate) fn release(&self, count: usize) {
        self.shared.permits.add_permits(count);
    }

    /// Requests that it has in hand.
    pub(crate) fn current(&self) -> usize {
        self.shared.concurrency.current()
    }

    /// The most that it has had in hand at once.
    pub(crate) fn highest(&self) -> usize {
        self.shared.concurrency.highest()
    }

    /// Counts the highest from now on.
    pub(crate) fn forget_highest(&self) {
        self.shared.concurrency.forget_highest();
    }

    /// Requests that have reached it.
    pub(crate) fn total(&self) -> usize {
        self.shared.concurrency.total()
    }

    /// Ends it as a crash does: its port and its connections close, whatever was in hand is lost.
    pub(crate) async fn kill(mut self) -> SocketAddr {
        self.accept.abort();
        let _ = (&mut self.accept).await;
        self.address
    }
}

impl Drop for TestWorker {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    // Goes with this task, and the connections with it.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let (tls, shared) = (tls.clone(), Arc::clone(&shared));
        connections.spawn(async move {
            match tls {
                None => serve(stream, shared).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, shared).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, shared: Arc<Shared>) {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { answer(request, &shared).await }
    });
    // An error is a connection that Envoy closed, or one that a behaviour told us to break.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, shared: &Arc<Shared>) -> io::Result<Response<WorkerBody>> {
    let in_hand = shared.concurrency.enter();
    shared.arrivals.push(Arrival {
        worker: shared.name.clone(),
        uri: request.uri().clone(),
        headers: request.headers().clone(),
    });
    let behaviour = shared.behaviour.lock().unwrap().clone();
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    tokio::time::sleep(behaviour.delay).await;
    if behaviour.held {
        shared.permits.acquire().await.unwrap().forget();
    }
    let response = Response::builder();
    let response = match behaviour.reply {
        Reply::Whole(status, headers, body) => {
            let response = headers
                .into_iter()
                .fold(response.status(status), |response, (name, value)| response.header(name, value));
            response.body(WorkerBody::Whole(Some(body)))
        }
        Reply::Echo => response.body(WorkerBody::Whole(Some(body))),
        Reply::Chunks(chunks) => return Ok(Response::new(in_pieces(chunks, in_hand, Arc::clone(shared)))),
        Reply::Trailers(body, trailers) => {
            let (sender, receiver) = mpsc::channel(2);
            let trailers = trailers
                .into_iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            sender.try_send(Ok(Frame::data(body))).unwrap();
            sender.try_send(Ok(Frame::trailers(trailers.collect()))).unwrap();
            response.header("content-type", "application/grpc").body(WorkerBody::Pieces(receiver))
        }
        Reply::ResetBeforeAnswer => return Err(io::ErrorKind::ConnectionReset.into()),
        Reply::ResetMidAnswer => {
            let (sender, receiver) = mpsc::channel(1);
            tokio::spawn(async move {
                let _ = sender.send(Ok(Frame::data(Bytes::from_static(b"half of an answ")))).await;
                // An error at once would be found before the half is sent.
                tokio::time::sleep(HALF_IS_SENT).await;
                let _ = sender.send(Err(io::ErrorKind::ConnectionReset.into())).await;
            });
            response.body(WorkerBody::Pieces(receiver))
        }
    };
    drop(in_hand);
    Ok(response.unwrap())
}

fn in_pieces(chunks: Vec<Bytes>, in_hand: InHand, shared: Arc<Shared>) -> WorkerBody {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut in_hand = Some(in_hand);
        let last = chunks.len().saturating_sub(1);
        for (n, chunk) in chunks.into_iter().enumerate() {
            tokio::select! {
                permit = shared.permits.acquire() => permit.unwrap().forget(),
                () = sender.closed() => return,
            }
            if n == last {
                in_hand.take();
            }
            if sender.send(Ok(Frame::data(chunk))).await.is_err() {
                return;
            }
        }
    });
    WorkerBody::Pieces(receiver)
}
