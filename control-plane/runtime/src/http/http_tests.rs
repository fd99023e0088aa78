use std::net::SocketAddr;

use axum::{Router, body::Body, extract::Request, routing::get};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::tls;

const CLIENT: HttpClient = HttpClient {
    connect_within: Duration::from_secs(5),
    answer_within: Duration::from_millis(500),
    body_bytes_max: 64,
};

fn router() -> Router {
    Router::new()
        .route("/seen", get(seen).post(seen))
        .route("/large", get(|| async { "x".repeat(65) }))
        .route("/mute", get(|| async { std::future::pending::<()>().await }))
        .route("/endless", get(|| async { Body::new(Endless(0)) }))
}

/// Says what was received: version, host or authority, the query, a header, the body.
async fn seen(request: Request) -> String {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 100).await.unwrap();
    let host = head.headers.get("host").map(|host| host.to_str().unwrap().to_owned());
    let host = host.or(head.uri.authority().map(ToString::to_string)).unwrap();
    let media_type = head.headers.get("content-type").map_or("-", |value| value.to_str().unwrap());
    let query = head.uri.query().unwrap_or("-").to_owned();
    format!("{:?} {host} {query} {media_type} {}", head.version, String::from_utf8(body.to_vec()).unwrap())
}

/// Two chunks, and then neither more nor an end.
struct Endless(u8);

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        if self.0 == 2 {
            return std::task::Poll::Pending;
        }
        self.0 += 1;
        std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from_static(b"tick\n")))))
    }
}

async fn serve(tls: Option<TlsAcceptor>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let tls = tls.clone();
            tokio::spawn(async move {
                let (builder, service) =
                    (auto::Builder::new(TokioExecutor::new()), TowerToHyperService::new(router()));
                match tls {
                    None => drop(builder.serve_connection(TokioIo::new(stream), service).await),
                    Some(tls) => {
                        let Ok(stream) = tls.accept(stream).await else { return };
                        drop(builder.serve_connection(TokioIo::new(stream), service).await);
                    }
                }
            });
        }
    });
    address
}

fn server(address: SocketAddr, protocol: Protocol) -> HttpServer {
    HttpServer { host: address.ip().to_string(), port: address.port(), tls: None, protocol }
}

#[tokio::test]
async fn both_versions_of_http_carry_path_headers_and_body() {
    let address = serve(None).await;
    for (protocol, version) in [(Protocol::Http1, "HTTP/1.1"), (Protocol::Http2, "HTTP/2.0")] {
        let post = HttpRequest::new("POST", "/seen?deep=1").body("text/plain", "hello");
        let answer = CLIENT.send(&server(address, protocol), &post).await.unwrap();
        assert_eq!((answer.status, answer.is_success()), (200, true));
        assert_eq!(answer.body, format!("{version} {address} deep=1 text/plain hello").as_bytes());
        let answer = CLIENT.send(&server(address, protocol), &HttpRequest::get("/none")).await.unwrap();
        assert_eq!((answer.status, answer.is_success()), (404, false));
    }
}

#[tokio::test]
async fn failures_are_told_apart() {
    let address = serve(None).await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let closing = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closes = closing.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            drop(closing.accept().await);
        }
    });
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let failure = async |address, path: &str| {
            CLIENT.send(&server(address, protocol), &HttpRequest::get(path)).await.unwrap_err()
        };
        assert!(failure(free, "/").await.is_refused());
        let closed = failure(closes, "/").await;
        assert!(matches!(closed, HttpError::Closed | HttpError::Protocol(_)), "{closed}");
        let late = failure(address, "/mute").await;
        assert!(late.is_timeout() && late.to_string() == "no answer within 500 ms", "{late}");
        assert!(matches!(failure(address, "/large").await, HttpError::TooLarge(64)));
        assert!(failure(address, "/endless").await.is_timeout());
    }
}

#[tokio::test]
async fn a_body_is_read_as_it_arrives() {
    let address = serve(None).await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut stream =
            CLIENT.open(&server(address, protocol), &HttpRequest::get("/endless")).await.unwrap();
        assert!(stream.is_success());
        let mut read = Vec::new();
        while read.len() < 10 {
            read.extend_from_slice(&stream.chunk().await.unwrap().unwrap());
        }
        assert_eq!(read, b"tick\ntick\n");
    }
}

#[tokio::test]
async fn a_server_has_to_show_a_trusted_certificate_with_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate_file, key_file) = (directory.path().join("tls.crt"), directory.path().join("tls.key"));
    let own = rcgen::generate_simple_self_signed(vec!["ocr.example".to_owned()]).unwrap();
    std::fs::write(&certificate_file, own.cert.pem()).unwrap();
    std::fs::write(&key_file, own.signing_key.serialize_pem()).unwrap();
    let address = serve(Some(tls::server(&certificate_file, &key_file, None).unwrap().into())).await;
    for (protocol, version) in [(Protocol::Http1, "HTTP/1.1"), (Protocol::Http2, "HTTP/2.0")] {
        let config = tls::client(tls::TrustedRoots::File(&certificate_file), protocol).unwrap();
        for (server_name, trusted) in
            [(Some("ocr.example"), true), (Some("other.example"), false), (None, false)]
        {
            let tls = HttpTls { config: config.clone(), server_name: server_name.map(str::to_owned) };
            let server = HttpServer { tls: Some(tls), ..server(address, protocol) };
            match CLIENT.send(&server, &HttpRequest::get("/seen")).await {
                Ok(answer) if trusted => assert!(answer.body.starts_with(version.as_bytes())),
                Err(HttpError::Tls(_)) if !trusted => {}
                other => panic!("{server_name:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_url_is_split_into_server_and_path() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, rcgen::generate_simple_self_signed(vec!["a".to_owned()]).unwrap().cert.pem())
        .unwrap();
    let tls = tls::client(tls::TrustedRoots::File(&file), Protocol::Http1).unwrap();
    for (url, host, port, authority, path) in [
        ("http://plane", "plane", 80, "plane", "/"),
        ("https://plane/token?a=b", "plane", 443, "plane", "/token?a=b"),
        ("https://plane:8443/", "plane", 8443, "plane:8443", "/"),
        ("http://[::1]:8080/x", "::1", 8080, "[::1]:8080", "/x"),
    ] {
        let (server, rest) = HttpServer::of_url(url, &tls).unwrap();
        let is_https = url.starts_with("https");
        assert_eq!(
            (server.host.as_str(), server.port, server.tls.is_some()),
            (host, port, is_https),
            "{url}"
        );
        assert_eq!((server.authority().as_str(), rest.as_str()), (authority, path), "{url}");
    }
    for url in ["plane", "/token", "ftp://plane/", "http://"] {
        assert!(matches!(HttpServer::of_url(url, &tls), Err(HttpError::Invalid(_))), "{url}");
    }
}

#[test]
fn a_url_is_confidential_over_tls_or_within_this_machine() {
    for url in ["https://id.example/realm", "http://localhost:9000/", "http://127.0.0.1", "http://[::1]:1/x"]
    {
        assert!(is_confidential_url(url), "{url}");
    }
    for url in [
        "",
        "id.example",
        "http://id.example",
        "http://localhost.id.example",
        "https://u:p@id.example",
        "http://localhost@id.example",
        "ftp://localhost",
    ] {
        assert!(!is_confidential_url(url), "{url}");
    }
}

#[test]
fn a_credential_is_never_shown() {
    let request = HttpRequest::get("/").header("authorization", "Bearer secret");
    assert!(!format!("{request:?}").contains("secret"));
}

#[tokio::test]
async fn a_header_with_a_line_end_is_refused() {
    let request = HttpRequest::get("/").header("authorization", "Bearer a\nb");
    let server = server(serve(None).await, Protocol::Http1);
    assert!(matches!(CLIENT.send(&server, &request).await, Err(HttpError::Invalid(_))));
}
