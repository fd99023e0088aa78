//! The port of xDS: connections in the clear or over TLS, and what a node shows of itself with one.

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

use super::{Refusal, Refusals, liveness, told::Told};
use crate::tls::{Connection, HANDSHAKE_WITHIN, LiveTls};

/// Connections that agree on TLS at once; the next ones wait in the system's queue.
const HANDSHAKES_MAX: usize = 256;
/// After a failed accept, for example for want of file descriptors.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// The other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The names in its certificate, which was verified; none without one.
    pub certificate_names: Arc<[String]>,
}

/// The port of xDS.
#[derive(Debug)]
pub struct Port {
    address: SocketAddr,
    connections: mpsc::Receiver<(Connection, Peer)>,
    accepting: JoinHandle<()>,
}

impl Port {
    /// Takes connections on `listener`, and counts those that do not agree on TLS.
    ///
    /// # Errors
    /// The system refuses to tell the port's address.
    pub fn new(listener: TcpListener, tls: Option<LiveTls>, refusals: Arc<Refusals>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (ready, connections) = mpsc::channel(HANDSHAKES_MAX);
        let accepting = tokio::spawn(accept(listener, tls, ready, refusals));
        Ok(Self { address, connections, accepting })
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl axum::serve::Listener for Port {
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

impl Connected<IncomingStream<'_, Port>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Port>) -> Self {
        stream.remote_addr().clone()
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<LiveTls>,
    ready: mpsc::Sender<(Connection, Peer)>,
    refusals: Arc<Refusals>,
) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let told = Arc::new(Mutex::new(Told::default()));
    loop {
        let Ok(permit) = handshakes.clone().acquire_owned().await else { return };
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!("xDS: a connection cannot be taken: {error}");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                continue;
            }
        };
        // Small frames must not wait for one another: a change is to be in force within 100 ms.
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
        let (ready, told, refusals) = (ready.clone(), told.clone(), refusals.clone());
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
            refusals.count(Refusal::Tls);
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.is_news(&address.ip().to_string(), &reason) {
                warn!(
                    peer = %address.ip(),
                    reason,
                    "a connection to xDS was refused: TLS is needed, with a certificate of the right authority"
                );
            }
        });
    }
}

/// The names in the certificate that a verified client has shown.
fn names(stream: &TlsStream<TcpStream>) -> Vec<String> {
    let (_, session) = stream.get_ref();
    let Some(certificate) = session.peer_certificates().and_then(<[_]>::first) else { return Vec::new() };
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else { return Vec::new() };
    certificate.valid_dns_names().chain(certificate.valid_uri_names()).map(str::to_owned).collect()
}
