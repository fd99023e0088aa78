//! TLS of listeners and of clients, by rustls with ring, and connections with or without it.

mod client;

use std::{
    io,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::watch,
};
use tokio_rustls::{
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
    server::TlsStream,
};

pub use client::{TrustedRoots, client};
pub use tokio_rustls::rustls::ClientConfig;

use crate::{
    RuntimeError,
    bounded_read::{self, PEM_BYTES_MAX},
};

/// The longest TLS handshake of a listener.
pub const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// The TLS configuration in force; a reload replaces it for new connections.
pub type LiveTls = watch::Receiver<Arc<ServerConfig>>;

/// A connection with or without TLS.
pub enum Connection {
    /// Without TLS.
    Plain(TcpStream),
    /// With TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Plain(_)) { "Plain" } else { "Tls" })
    }
}

/// Reads the TLS configuration of a listener. With `client_ca_file`, clients need a certificate of these authorities.
///
/// # Errors
/// [`RuntimeError::File`] for a file that cannot be read or is not valid.
pub fn server(
    certificate_file: &Path,
    key_file: &Path,
    client_ca_file: Option<&Path>,
) -> Result<Arc<ServerConfig>, RuntimeError> {
    let wrong = |file: &Path, reason: String| RuntimeError::file(file, reason);
    let provider = Arc::new(ring::default_provider());
    let chain = certificates(certificate_file)?;
    let key = PrivateKeyDer::from_pem_slice(&pem(key_file)?)
        .map_err(|_| wrong(key_file, "it holds no private key in PEM".to_owned()))?;
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(certificate_file, error.to_string()))?;
    let builder = match client_ca_file {
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
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|error| wrong(certificate_file, format!("it does not go with its key: {error}")))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Reads the certificates of a PEM file. There is at least one.
///
/// # Errors
/// [`RuntimeError::File`] for a file that cannot be read or is not valid.
pub fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, RuntimeError> {
    certificates_in(&pem(file)?).map_err(|reason| RuntimeError::file(file, reason))
}

/// Reads a PEM file of a limited size.
fn pem(file: &Path) -> Result<Vec<u8>, RuntimeError> {
    bounded_read::read(file, PEM_BYTES_MAX).map_err(|error| RuntimeError::file(file, error))
}

/// Returns the certificates of a PEM text. There is at least one. The reason of a failure has nothing of the text: a client may
/// have named a file that it cannot read.
fn certificates_in(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err("it holds no certificate in PEM"),
        Err(_) => Err("it is not valid PEM"),
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
