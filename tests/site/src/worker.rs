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

use crate::{
    Arrivals, ArrivedRequest, Behaviour, Reply,
    worker_body::{Concurrency, InFlightRequest, WorkerBody},
};

const HALF_IS_SENT: Duration = Duration::from_millis(50);

/// A worker in the test's process, with a chosen behaviour, that counts its requests.
pub struct TestWorker {
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
    /// Starts a worker on a fresh port. It adds its requests to `arrivals`.
    pub async fn start(name: &str, arrivals: &Arrivals) -> Self {
        Self::listen(name, arrivals, SocketAddr::from(([127, 0, 0, 1], 0)), None).await
    }

    /// Starts a worker on `address`, such as that of a killed one.
    pub async fn start_at(name: &str, arrivals: &Arrivals, address: SocketAddr) -> Self {
        Self::listen(name, arrivals, address, None).await
    }

    /// Starts a worker with TLS.
    pub async fn start_tls(name: &str, arrivals: &Arrivals, tls: TlsAcceptor) -> Self {
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

    /// Returns its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns its base URL.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Sets the behaviour for requests that arrive from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap() = behaviour;
    }

    /// Releases `count` held requests or chunks of answers, including later ones.
    pub fn release(&self, count: usize) {
        self.shared.permits.add_permits(count);
    }

    /// Returns the number of requests in flight.
    pub fn current(&self) -> usize {
        self.shared.concurrency.current()
    }

    /// Returns the highest number of requests in flight.
    pub fn highest(&self) -> usize {
        self.shared.concurrency.highest()
    }

    /// Resets the highest number.
    pub fn forget_highest(&self) {
        self.shared.concurrency.forget_highest();
    }

    /// Returns the number of all requests.
    pub fn total(&self) -> usize {
        self.shared.concurrency.total()
    }

    /// Ends it like a crash: its port and connections close, and requests in flight are lost. Returns its address.
    pub async fn kill(mut self) -> SocketAddr {
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
    // Aborting this task drops the set, and the set closes the connections.
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
    // An error means that Envoy closed the connection, or that the behaviour breaks it.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, shared: &Arc<Shared>) -> io::Result<Response<WorkerBody>> {
    let in_flight = shared.concurrency.enter();
    shared.arrivals.push(ArrivedRequest {
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
        Reply::Chunks(chunks) => return Ok(Response::new(in_pieces(chunks, in_flight, Arc::clone(shared)))),
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
                // An immediate error would be found before the first half is sent.
                tokio::time::sleep(HALF_IS_SENT).await;
                let _ = sender.send(Err(io::ErrorKind::ConnectionReset.into())).await;
            });
            response.body(WorkerBody::Pieces(receiver))
        }
    };
    drop(in_flight);
    Ok(response.unwrap())
}

fn in_pieces(chunks: Vec<Bytes>, in_flight: InFlightRequest, shared: Arc<Shared>) -> WorkerBody {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut in_flight = Some(in_flight);
        let last = chunks.len().saturating_sub(1);
        for (n, chunk) in chunks.into_iter().enumerate() {
            tokio::select! {
                permit = shared.permits.acquire() => permit.unwrap().forget(),
                () = sender.closed() => return,
            }
            if n == last {
                in_flight.take();
            }
            if sender.send(Ok(Frame::data(chunk))).await.is_err() {
                return;
            }
        }
    });
    WorkerBody::Pieces(receiver)
}
