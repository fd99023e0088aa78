use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn,
    header,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// The protocol between client and Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientProtocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 by prior knowledge.
    Http2,
}

/// A complete answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Its trailers.
    pub trailers: HeaderMap,
    /// Time from the first byte of the request to the last byte of the answer.
    pub took: Duration,
}

impl Answer {
    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Parses the body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, self.text()))
    }

    /// Returns a header's value, or an empty string without it.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Returns the `reason` of a refusal. Fails if it is no 503 of the filter.
    pub fn reason(&self) -> String {
        assert_eq!(self.status, 503, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        self.json()["reason"].as_str().unwrap_or_default().to_owned()
    }
}

/// A client's connection to Envoy. It closes when it is dropped, also during a request.
pub struct ClientConnection {
    sender: Sender,
    address: SocketAddr,
    driver: Arc<Driver>,
}

/// The task that drives the connection. Aborting it closes the connection.
struct Driver(tokio::task::JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

enum Sender {
    Http1(conn::http1::SendRequest<Full<Bytes>>),
    Http2(conn::http2::SendRequest<Full<Bytes>>),
}

impl ClientConnection {
    /// Opens a connection.
    pub async fn open(address: SocketAddr, protocol: ClientProtocol) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let io = TokioIo::new(stream);
        let (sender, driver) = match protocol {
            ClientProtocol::Http1 => {
                let (sender, connection) = conn::http1::handshake(io).await.map_err(io::Error::other)?;
                (Sender::Http1(sender), tokio::spawn(async { drop(connection.await) }))
            }
            ClientProtocol::Http2 => {
                let mut builder = conn::http2::Builder::new(TokioExecutor::new());
                builder.adaptive_window(true);
                let (sender, connection) = builder.handshake(io).await.map_err(io::Error::other)?;
                (Sender::Http2(sender), tokio::spawn(async { drop(connection.await) }))
            }
        };
        Ok(Self { sender, address, driver: Arc::new(Driver(driver)) })
    }

    /// Returns whether it accepts another request.
    pub fn is_open(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => !sender.is_closed(),
            Sender::Http2(sender) => !sender.is_closed(),
        }
    }

    /// Returns another stream of the same HTTP/2 connection, which closes with the last of its streams.
    pub fn stream(&self) -> Self {
        let Sender::Http2(sender) = &self.sender else { panic!("HTTP/1.1 has no streams") };
        let sender = Sender::Http2(sender.clone());
        Self { sender, address: self.address, driver: Arc::clone(&self.driver) }
    }

    /// Sends a request and returns the head of its answer.
    pub async fn start(&mut self, mut request: Request<Full<Bytes>>) -> io::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::Http1(sender) => {
                let host = self.address.to_string().parse().unwrap();
                request.headers_mut().entry(header::HOST).or_insert(host);
                sender.ready().await.map_err(io::Error::other)?;
                sender.send_request(request).await.map_err(io::Error::other)
            }
            Sender::Http2(sender) => {
                let uri = format!("http://{}{}", self.address, request.uri());
                *request.uri_mut() = uri.parse().unwrap();
                sender.ready().await.map_err(io::Error::other)?;
                sender.send_request(request).await.map_err(io::Error::other)
            }
        }
    }

    /// Sends a request and reads the complete answer.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> io::Result<Answer> {
        let started = Instant::now();
        let (head, body) = self.start(request).await?.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        let took = started.elapsed();
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes(), trailers, took })
    }
}

/// Sends one request on a new connection.
pub async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> io::Result<Answer> {
    ClientConnection::open(address, ClientProtocol::Http1).await?.send(request).await
}

/// Builds a GET request.
pub fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}

/// Builds a POST request.
pub fn post(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(path).body(Full::new(body.into())).unwrap()
}

/// Opens a connection and sends a GET request on it, for a client that reads late or never.
pub async fn open_raw(address: SocketAddr, path: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).await?;
    Ok(stream)
}
