//! The HTTP client: one request on a connection of its own, which ends with the answer or when the caller drops the future.
//!
//! HTTP/1.1 and HTTP/2, with and without TLS. Redirects are not followed. Every request has time limits; the body of an answer is
//! either read up to a size ([`HttpClient::send`]) or as it arrives ([`HttpClient::open`]).

use std::{future::Future, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full};
pub use hyper::body::Bytes;
use hyper::{
    Response,
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use slotway_config::Protocol;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

mod error;
mod request;
mod server;

pub use error::HttpError;
pub use request::HttpRequest;
pub use server::{HttpServer, HttpTls, is_confidential_url};

/// Sends requests within these limits.
#[derive(Debug, Clone, Copy)]
pub struct HttpClient {
    /// Longest time for a TCP connection, and again for TLS.
    pub connect_within: Duration,
    /// Longest time for everything, connection and body included; with [`HttpClient::open`] up to the headers of the answer.
    pub answer_within: Duration,
    /// Largest body of an answer, in bytes.
    pub body_bytes_max: usize,
}

/// An answer that was read completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// An answer whose body is read as it arrives. Dropping it closes the connection.
#[derive(Debug)]
pub struct HttpStream {
    /// The status code.
    pub status: u16,
    body: Incoming,
    _connection: Connection,
}

/// The task that drives a connection; it ends when this is dropped.
#[derive(Debug)]
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl HttpResponse {
    /// Says whether the status is one of 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl HttpClient {
    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// [`HttpError`] if there is no complete answer. A status is not an error.
    pub async fn send(&self, server: &HttpServer, request: &HttpRequest) -> Result<HttpResponse, HttpError> {
        let whole = async {
            let stream = self.begin(server, request).await?;
            let status = stream.status;
            let body = stream.read(self.body_bytes_max).await?;
            Ok(HttpResponse { status, body })
        };
        self.in_time(whole).await
    }

    /// Sends a request and returns with the headers of the answer.
    ///
    /// # Errors
    /// As [`HttpClient::send`].
    pub async fn open(&self, server: &HttpServer, request: &HttpRequest) -> Result<HttpStream, HttpError> {
        self.in_time(self.begin(server, request)).await
    }

    async fn in_time<T>(&self, answer: impl Future<Output = Result<T, HttpError>>) -> Result<T, HttpError> {
        let late = |_| Err(HttpError::Timeout(self.answer_within));
        timeout(self.answer_within, answer).await.unwrap_or_else(late)
    }

    async fn begin(&self, server: &HttpServer, request: &HttpRequest) -> Result<HttpStream, HttpError> {
        let message = request.for_server(server)?;
        let connect = TcpStream::connect((server.host.as_str(), server.port));
        let late = |_| HttpError::ConnectTimeout(self.connect_within);
        let stream =
            timeout(self.connect_within, connect).await.map_err(late)?.map_err(HttpError::Connect)?;
        // Only delays small requests.
        let _ = stream.set_nodelay(true);
        let Some(tls) = &server.tls else { return exchange(stream, server.protocol, message).await };
        let name = tls.server_name.clone().unwrap_or_else(|| server.host.clone());
        let name = ServerName::try_from(name)
            .map_err(|error| HttpError::Invalid(format!("no certificate can bear its name: {error}")))?;
        let handshake = TlsConnector::from(Arc::clone(&tls.config)).connect(name, stream);
        let late = |_| HttpError::TlsTimeout(self.connect_within);
        let stream = timeout(self.connect_within, handshake).await.map_err(late)?.map_err(HttpError::Tls)?;
        exchange(stream, server.protocol, message).await
    }
}

async fn exchange<S>(
    stream: S,
    protocol: Protocol,
    request: hyper::Request<Full<Bytes>>,
) -> Result<HttpStream, HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = TokioIo::new(stream);
    match protocol {
        Protocol::Http1 => {
            let (mut sender, connection) = http1::handshake(stream).await?;
            answered(connection, sender.send_request(request)).await
        }
        Protocol::Http2 => {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
            answered(connection, sender.send_request(request)).await
        }
    }
}

async fn answered(
    connection: impl Future<Output = hyper::Result<()>> + Send + 'static,
    answer: impl Future<Output = hyper::Result<Response<Incoming>>>,
) -> Result<HttpStream, HttpError> {
    let connection = async {
        // Its failure is also that of the answer.
        let _ = connection.await;
    };
    let connection = Connection(tokio::spawn(connection));
    let response = answer.await?;
    let status = response.status().as_u16();
    Ok(HttpStream { status, body: response.into_body(), _connection: connection })
}

impl HttpStream {
    /// Says whether the status is one of 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Returns the next bytes of the body; none at its end.
    ///
    /// # Errors
    /// [`HttpError::Body`] if the connection ends before the body does.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        while let Some(frame) = self.body.frame().await {
            // Trailers are of no use here.
            if let Ok(bytes) = frame.map_err(HttpError::Body)?.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// Reads the rest of the body. The caller limits the time.
    ///
    /// # Errors
    /// [`HttpError::Body`], and [`HttpError::TooLarge`] for more than `bytes_max` bytes.
    pub async fn read(mut self, bytes_max: usize) -> Result<Bytes, HttpError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() + chunk.len() > bytes_max {
                return Err(HttpError::TooLarge(bytes_max));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.into())
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
