//! The port of xDS: connections in the clear or over TLS, and what a node shows of itself with one.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{extract::connect_info::Connected, serve::IncomingStream};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
    server::TlsStream,
};
use tracing::warn;

use super::{Refusal, Refusals, liveness, told::Told};
use crate::{config::XdsTls, error::Error};

/// How long a connection may take to agree on TLS.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
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

/// TLS as it is now: each new connection agrees on what was sent last.
pub type LiveTls = watch::Receiver<Arc<ServerConfig>>;

/// One connection.
pub enum Connection {
    /// In the clear.
    Plain(TcpStream),
    /// Over TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Plain(_)) { "Plain" } else { "Tls" })
    }
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

/// TLS as the configuration has it.
///
/// # Errors
/// [`Error::File`] for a file that cannot be read or holds something else.
pub fn tls(settings: &XdsTls) -> Result<Arc<ServerConfig>, Error> {
    let wrong = |file: &Path, reason: String| Error::file(file, reason);
    let provider = Arc::new(ring::default_provider());
    let chain = certificates(&settings.certificate_file)?;
    let key = PrivateKeyDer::from_pem_file(&settings.key_file)
        .map_err(|error| wrong(&settings.key_file, format!("it holds no private key in PEM: {error}")))?;
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&settings.certificate_file, error.to_string()))?;
    let builder = match &settings.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(|error| wrong(file, error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| wrong(file, error.to_string()))?)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|error| {
        wrong(&settings.certificate_file, format!("it does not go with its key: {error}"))
    })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(file: &PathBuf) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(Error::file(file, "it holds no certificate in PEM")),
        Err(error) => Err(Error::file(file, error)),
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }
}
