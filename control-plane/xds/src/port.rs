//! The port of xDS: connections with or without TLS, and the certificate that a node presents.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{extract::connect_info::Connected, serve::IncomingStream};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::warn;

use slotway_runtime::{
    liveness,
    tls::{Connection, HANDSHAKE_WITHIN, LiveTls},
};

use crate::{XdsRefusal, XdsRefusalCounts, logged_reasons::LoggedReasons};

/// Most TLS handshakes at once; further connections wait in the system's queue.
const HANDSHAKES_MAX: usize = 256;
/// Pause after a failed accept, for example without free file descriptors.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// The other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The names in its verified certificate; empty without one.
    pub certificate_names: Arc<[String]>,
}

/// The port of xDS.
#[derive(Debug)]
pub struct XdsPort {
    address: SocketAddr,
    connections: mpsc::Receiver<(Connection, Peer)>,
    accepting: JoinHandle<()>,
}

impl XdsPort {
    /// Accepts connections on `listener`, and counts failed TLS handshakes.
    ///
    /// # Errors
    /// The operating system does not return the address of the port.
    pub fn new(
        listener: TcpListener,
        tls: Option<LiveTls>,
        refusals: Arc<XdsRefusalCounts>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (ready, connections) = mpsc::channel(HANDSHAKES_MAX);
        let accepting = tokio::spawn(accept(listener, tls, ready, refusals));
        Ok(Self { address, connections, accepting })
    }
}

impl Drop for XdsPort {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl axum::serve::Listener for XdsPort {
    type Io = Connection;
    type Addr = Peer;

    async fn accept(&mut self) -> (Connection, Peer) {
        match self.connections.recv().await {
            Some(connection) => connection,
            // The task that accepts lives as long as the port does.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer { address: self.address, certificate_names: Arc::new([]) })
    }
}

impl Connected<IncomingStream<'_, XdsPort>> for Peer {
    fn connect_info(stream: IncomingStream<'_, XdsPort>) -> Self {
        stream.remote_addr().clone()
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<LiveTls>,
    ready: mpsc::Sender<(Connection, Peer)>,
    refusals: Arc<XdsRefusalCounts>,
) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let logged = Arc::new(Mutex::new(LoggedReasons::default()));
    loop {
        let Ok(permit) = handshakes.clone().acquire_owned().await else { return };
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "xDS connection not accepted");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                continue;
            }
        };
        // Small frames must not wait for each other: a change shall be in force within 100 ms.
        let _ = stream.set_nodelay(true);
        let _ = liveness::watch(&stream);
        let tls = tls.as_ref().map(|tls| TlsAcceptor::from(tls.borrow().clone()));
        let Some(tls) = tls else {
            let peer = Peer { address, certificate_names: Arc::new([]) };
            if ready.send((Connection::Plain(stream), peer)).await.is_err() {
                return;
            }
            continue;
        };
        let (ready, logged, refusals) = (ready.clone(), logged.clone(), refusals.clone());
        tokio::spawn(async move {
            let reason = match timeout(HANDSHAKE_WITHIN, tls.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let certificate_names = names(&stream).into();
                    let connection = Connection::Tls(Box::new(stream));
                    let _ = ready.send((connection, Peer { address, certificate_names })).await;
                    return;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("not within {} s", HANDSHAKE_WITHIN.as_secs()),
            };
            drop(permit);
            refusals.count(XdsRefusal::Tls);
            let mut logged = logged.lock().unwrap_or_else(PoisonError::into_inner);
            if logged.is_new(&address.ip().to_string(), &reason) {
                warn!(
                    peer = %address.ip(),
                    reason,
                    "xDS connection refused: it needs TLS, and a certificate of the configured authority"
                );
            }
        });
    }
}

/// Returns the names in the certificate of a verified client.
fn names(stream: &TlsStream<TcpStream>) -> Vec<String> {
    let (_, session) = stream.get_ref();
    let Some(certificate) = session.peer_certificates().and_then(<[_]>::first) else { return Vec::new() };
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else { return Vec::new() };
    certificate.valid_dns_names().chain(certificate.valid_uri_names()).map(str::to_owned).collect()
}
