//! Asks one worker whether it is there: one request on a connection of its own.

use std::{future::Future, io, pin::pin, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, Request, Response, StatusCode, Uri, header, uri},
};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use slotway_config::{Protocol, Scheme};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

use super::trust::Trust;
use crate::workers::WatchedWorker;

/// Somebody who asks.
pub(super) trait Ask: Send + Sync + 'static {
    /// Whether the worker answers in time and well; else what went wrong, in words.
    fn ask(&self, worker: &WatchedWorker) -> impl Future<Output = Result<(), String>> + Send;
}

/// Asks over the network, as Envoy would: by the worker's protocol, and with TLS where its URL says so.
#[derive(Debug, Default)]
pub(super) struct AskOverHttp {
    trust: Trust,
}

impl Ask for AskOverHttp {
    async fn ask(&self, worker: &WatchedWorker) -> Result<(), String> {
        let within = worker.heartbeat.timeout().as_duration();
        timeout(within, self.answered(worker)).await.unwrap_or_else(|_| Err(late(within)))
    }
}

impl AskOverHttp {
    /// The worker has answered with a status of 2xx. A redirect is not followed, and its body is not read.
    async fn answered(&self, watched: &WatchedWorker) -> Result<(), String> {
        let url = &watched.worker.worker;
        let stream = TcpStream::connect((url.host(), url.port())).await.map_err(|error| in_words(&error))?;
        let _ = stream.set_nodelay(true);
        let status = match url.scheme() {
            Scheme::Http => status(stream, watched).await?,
            Scheme::Https => status(self.trust.connect(stream, &watched.worker).await?, watched).await?,
        };
        match status {
            status if status.is_success() => Ok(()),
            status if status.is_redirection() => {
                Err(format!("it answered {}, and redirects are not followed", status.as_u16()))
            }
            status => Err(format!("it answered {}", status.as_u16())),
        }
    }
}

/// The status of the worker's answer.
async fn status<S>(stream: S, watched: &WatchedWorker) -> Result<StatusCode, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = request(watched)?;
    let stream = TokioIo::new(stream);
    // The connection lives as long as this future, so nothing is left behind where it is dropped.
    match watched.worker.protocol {
        Protocol::Http1 => {
            let (mut sender, connection) = http1::handshake(stream).await.map_err(broken)?;
            answer(sender.send_request(request), connection).await
        }
        Protocol::Http2 => {
            let (mut sender, connection) =
                http2::handshake(TokioExecutor::new(), stream).await.map_err(broken)?;
            answer(sender.send_request(request), connection).await
        }
    }
}

/// The answer, which comes while the connection is driven, and may be there when the connection has ended.
async fn answer<B>(
    answer: impl Future<Output = hyper::Result<Response<B>>>,
    connection: impl Future<Output = hyper::Result<()>>,
) -> Result<StatusCode, String> {
    let mut answer = pin!(answer);
    let answered = tokio::select! {
        biased;
        answered = &mut answer => answered,
        ended = connection => answer.await.map_err(|error| ended.err().unwrap_or(error)),
    };
    answered.map(|answer| answer.status()).map_err(broken)
}

fn broken(error: hyper::Error) -> String {
    if error.is_canceled() || error.is_incomplete_message() {
        return "it closed the connection without an answer".to_owned();
    }
    format!("the connection broke: {error}")
}

fn request(watched: &WatchedWorker) -> Result<Request<Body>, String> {
    let url = &watched.worker.worker;
    let path = format!("{}{}", url.path_prefix(), watched.heartbeat.path());
    let agent = HeaderValue::from_static(concat!("slotway/", env!("CARGO_PKG_VERSION")));
    let request = Request::get("/").header(header::USER_AGENT, agent);
    // HTTP/2 has the authority in its URI, HTTP/1.1 in a header.
    let (request, uri) = match watched.worker.protocol {
        Protocol::Http1 => {
            let request = request.header(header::HOST, url.authority()).header(header::CONNECTION, "close");
            (request, path.parse::<Uri>().map_err(|error| error.to_string()))
        }
        Protocol::Http2 => {
            let scheme = if url.scheme() == Scheme::Https { "https" } else { "http" };
            let uri = uri::Builder::new().scheme(scheme).authority(url.authority()).path_and_query(path);
            (request, uri.build().map_err(|error| error.to_string()))
        }
    };
    request.uri(uri?).body(Body::empty()).map_err(|error| error.to_string())
}

fn late(within: Duration) -> String {
    format!("it did not answer within {} ms", within.as_millis())
}

/// A failed connection in words that say the same on every system.
fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nobody listens there (connection refused)".to_owned(),
        _ => format!("it cannot be connected to: {error}"),
    }
}

#[cfg(test)]
#[path = "ask_tests.rs"]
mod tests;
