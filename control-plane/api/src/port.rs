//! The REST port: HTTP/1.1 and HTTP/2, with or without TLS.
//!
//! The resources of idle clients are bounded: connections in total and per address, the time until the first request, until
//! the end of headers and of bodies, and the idle time of a connection.

use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    BoxError, Router,
    body::{Body, Bytes, HttpBody},
    extract::{ConnectInfo, Request},
    response::Response,
};
use http_body::{Frame, SizeHint};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use slotway_identity::network_of;
use slotway_runtime::liveness;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Sleep, sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

use crate::ApiError;
use slotway_runtime::Stopping;
use slotway_runtime::tls::{Connection, HANDSHAKE_WITHIN, LiveTls};

/// The longest time until the first request, and for the headers of each. An HTTP/1.1 connection that is idle for this long
/// is closed.
const HEADERS_WITHIN: Duration = Duration::from_secs(30);
/// The longest time for a body of at most 2 MiB.
const BODY_WITHIN: Duration = Duration::from_secs(30);
/// The interval of pings on an idle HTTP/2 connection, and the longest time for the answer.
const ASK_EVERY: Duration = Duration::from_secs(20);
/// The largest number of concurrent requests of an HTTP/2 connection.
const STREAMS_MAX: u32 = 128;
/// The largest headers, in bytes.
const HEADERS_BYTES_MAX: u32 = 64 * 1024;
/// The pause after a failed accept, for example without free file descriptors.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// The divisor of all connections that gives the limit of one address.
const SHARE_OF_ONE: u32 = 2;

/// The REST port.
pub struct ApiPort {
    listener: TcpListener,
    tls: Option<LiveTls>,
    places: Arc<Semaphore>,
    addresses: Arc<Addresses>,
}

impl ApiPort {
    /// Takes `listener` over, for at most this number of simultaneous connections.
    ///
    /// # Errors
    /// If the operating system refuses it.
    pub fn new(listener: std::net::TcpListener, tls: Option<LiveTls>, connections: u32) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let of_one = (connections / SHARE_OF_ONE).max(1);
        Ok(Self {
            listener: TcpListener::from_std(listener)?,
            tls,
            places: Arc::new(Semaphore::new(usize::try_from(connections).unwrap_or(Semaphore::MAX_PERMITS))),
            addresses: Arc::new(Addresses { of_one, open: Mutex::default() }),
        })
    }

    /// Serves until the shutdown: then running requests are answered, and streams end by themselves. Dropping it closes all connections.
    ///
    /// # Errors
    /// None: a failure of a connection ends only that connection.
    pub async fn serve(self, router: Router, stopping: Stopping) -> Result<(), ApiError> {
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        loop {
            // Without a permit, further connections wait in the system's queue.
            let (place, stream, peer) = tokio::select! {
                accepted = self.accept() => accepted,
                () = stopping.ending() => break,
            };
            while connections.try_join_next().is_some() {}
            let Some(share) = self.addresses.take(peer.ip()) else {
                tracing::debug!(peer = %peer.ip(), "REST connection refused: limit of the address");
                continue;
            };
            // Small frames must not be delayed: a change must be in force within 100 ms.
            let _ = stream.set_nodelay(true);
            let _ = liveness::watch(&stream);
            let tls = self.tls.as_ref().map(|tls| TlsAcceptor::from(tls.borrow().clone()));
            let (router, watcher) = (router.clone(), graceful.watcher());
            connections.spawn(async move {
                let _held = (place, share);
                let Some(connection) = agreed(stream, tls).await else { return };
                let begun = Arc::new(AtomicBool::new(false));
                let service = Served { router, peer, begun: Arc::clone(&begun) };
                let builder = builder();
                let io = TokioIo::new(connection);
                let served = builder.serve_connection(io, TowerToHyperService::new(service));
                let mut served = std::pin::pin!(watcher.watch(served.into_owned()));
                // Until the version of HTTP is known, no other limit applies.
                if let Ok(ended) = timeout(HEADERS_WITHIN, served.as_mut()).await {
                    note(ended);
                } else if begun.load(Ordering::Relaxed) {
                    note(served.await);
                }
            });
        }
        drop(self.listener);
        tokio::join!(graceful.shutdown(), async { while connections.join_next().await.is_some() {} });
        Ok(())
    }

    async fn accept(&self) -> (OwnedSemaphorePermit, TcpStream, SocketAddr) {
        loop {
            let Ok(place) = self.places.clone().acquire_owned().await else {
                std::future::pending::<()>().await;
                continue;
            };
            match self.listener.accept().await {
                Ok((stream, peer)) => return (place, stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "accepting a REST connection failed");
                    sleep(ACCEPT_AGAIN_AFTER).await;
                }
            }
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    let timer = TokioTimer::new();
    let buffer = usize::try_from(HEADERS_BYTES_MAX).unwrap_or(usize::MAX);
    builder.http1().timer(timer.clone()).header_read_timeout(HEADERS_WITHIN).max_buf_size(buffer);
    builder
        .http2()
        .timer(timer)
        .keep_alive_interval(ASK_EVERY)
        .keep_alive_timeout(ASK_EVERY)
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEADERS_BYTES_MAX);
    builder
}

fn note(ended: Result<(), BoxError>) {
    if let Err(error) = ended {
        tracing::trace!(%error, "REST connection ended");
    }
}

/// Returns the connection after the TLS handshake, if there is TLS.
async fn agreed(stream: TcpStream, tls: Option<TlsAcceptor>) -> Option<Connection> {
    let Some(tls) = tls else { return Some(Connection::Plain(stream)) };
    match timeout(HANDSHAKE_WITHIN, tls.accept(stream)).await {
        Ok(Ok(stream)) => Some(Connection::Tls(Box::new(stream))),
        Ok(Err(error)) => {
            tracing::debug!(%error, "TLS handshake of a REST connection failed");
            None
        }
        Err(_) => None,
    }
}

/// The number of connections of each address.
struct Addresses {
    of_one: u32,
    /// Never more entries than connections.
    open: Mutex<HashMap<IpAddr, u32>>,
}

impl Addresses {
    /// Counts a connection of an address; none if it is at its limit.
    fn take(self: &Arc<Self>, address: IpAddr) -> Option<Share> {
        let address = network_of(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let number = open.entry(address).or_insert(0);
        if *number >= self.of_one {
            return None;
        }
        *number += 1;
        Some(Share { addresses: Arc::clone(self), address })
    }
}

/// A counted connection of an address, until it is dropped.
struct Share {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.addresses.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = open.get_mut(&self.address) {
            *number -= 1;
            if *number == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// The routes for one connection.
#[derive(Clone)]
struct Served {
    router: Router,
    peer: SocketAddr,
    /// Whether a request has arrived.
    begun: Arc<AtomicBool>,
}

impl<B> Service<axum::http::Request<B>> for Served
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = <Router as Service<Request>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: axum::http::Request<B>) -> Self::Future {
        self.begun.store(true, Ordering::Relaxed);
        let mut request = request.map(|body| Body::new(Timely { body, late: Box::pin(sleep(BODY_WITHIN)) }));
        request.extensions_mut().insert(ConnectInfo(self.peer));
        Service::<Request>::call(&mut self.router, request)
    }
}

/// A body with a time limit.
struct Timely<B> {
    body: B,
    late: Pin<Box<Sleep>>,
}

impl<B> HttpBody for Timely<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(Into::into))),
            Poll::Pending => this.late.as_mut().poll(cx).map(|()| {
                let reason = format!("the body is not there within {} s", BODY_WITHIN.as_secs());
                Some(Err(io::Error::new(io::ErrorKind::TimedOut, reason).into()))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn an_address_has_a_limit_of_connections_and_frees_them() {
        let addresses = Arc::new(Addresses { of_one: 2, open: Mutex::default() });
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let (first, second) = (addresses.take(one).unwrap(), addresses.take(one).unwrap());
        assert!(addresses.take(one).is_none());
        let third = addresses.take(other).unwrap();
        drop(first);
        let fourth = addresses.take(one).unwrap();
        drop((second, third, fourth));
        assert!(addresses.open.lock().unwrap().is_empty());
    }

    /// A port that answers with the length of the body, and its shutdown.
    async fn served(
        connections: u32,
    ) -> (SocketAddr, Stopping, tokio::task::JoinHandle<Result<(), ApiError>>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let echo = |body: Result<Bytes, axum::extract::rejection::BytesRejection>| async move {
            body.map_or_else(|error| error.to_string(), |body| body.len().to_string())
        };
        let router = Router::new().route("/", axum::routing::post(echo));
        let stopping = Stopping::default();
        let port = ApiPort::new(listener, None, connections).unwrap();
        let serving = tokio::spawn(port.serve(router, stopping.clone()));
        (address, stopping, serving)
    }

    /// Sends a request and reads until the other end closes the connection.
    async fn told(address: SocketAddr, sent: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let mut answer = Vec::new();
        // A reset also ends the connection.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    // The paused clock advances when every task waits.
    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_no_complete_request_is_disconnected() {
        let (address, ..) = served(8).await;
        for slow in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n\r\nSM", b"POST / HTTP/1.1\r\nhost: a\r\n"] {
            let answer = told(address, slow).await;
            assert!(!answer.contains("200 OK"), "{answer}");
        }
        let half = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n12345";
        let answer = told(address, half).await;
        assert!(answer.contains("not there within 30 s") || answer.contains("uffer"), "{answer}");
        let whole = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n12345";
        let answer = told(address, whole).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("\r\n\r\n5"), "{answer}");
    }

    #[tokio::test]
    async fn the_shutdown_closes_idle_connections_and_accepts_no_new_ones() {
        let (address, stopping, serving) = served(8).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        let mut answer = [0; 15];
        stream.read_exact(&mut answer).await.unwrap();
        stopping.advance(slotway_runtime::Phase::Ending);
        serving.await.unwrap().unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
