//! The REST port: TLS and limits for clients.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    body::Bytes,
    http::{Request, StatusCode, Version, header},
};
use http_body_util::{BodyExt, Full};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::json;
use slotway::{
    config::Config,
    control_plane::{ControlPlane, Ports},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, pem::PemObject},
    },
};

use crate::{fixture::Fixture, people::PASSWORD};

type HttpsClient = Client<hyper_rustls::HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Returns a control plane with TLS, and a client that trusts its certificate.
async fn with_tls() -> (Fixture, HttpsClient) {
    let directory = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let file = json!({
        "api_tls": { "certificate_file": certificate, "key_file": key },
        "pools": [{ "name": "p", "workers": [] }],
    });
    let fixture = Fixture::with(directory, &file.to_string()).await;
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().build();
    (fixture, Client::builder(TokioExecutor::new()).build(connector))
}

#[tokio::test]
async fn all_is_served_over_tls_with_secure_cookies() {
    let (fixture, client) = with_tls().await;
    let url = |path: &str| format!("https://localhost:{}{path}", fixture.control_plane.api.port());
    let request = |request: axum::http::request::Builder, body: String| {
        let authorization = fixture.control_plane.token.authorization();
        let request =
            request.header("authorization", authorization).header("content-type", "application/json");
        request.body(Full::new(Bytes::from(body))).unwrap()
    };
    let put = json!({ "spec": { "role": "admin", "password": PASSWORD } }).to_string();
    let answer = client.request(request(Request::put(url("/api/v1/users/ada")), put)).await.unwrap();
    assert_eq!((answer.status(), answer.version()), (StatusCode::CREATED, Version::HTTP_11));
    let sign_in = json!({ "name": "ada", "password": PASSWORD }).to_string();
    let answer = client.request(request(Request::post(url("/api/v1/session")), sign_in)).await.unwrap();
    let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.ends_with("; Secure"), "{cookie}");
    answer.into_body().collect().await.unwrap();
    // A connection without TLS gets no answer.
    let mut plain = TcpStream::connect(fixture.control_plane.api).await.unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("ok"), "{answer:?}");
}

#[tokio::test]
async fn tls_negotiates_both_versions_of_http() {
    let (fixture, _) = with_tls().await;
    let certificate = std::fs::read(fixture.directory.path().join("cert.pem")).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&certificate).unwrap()).unwrap();
    for wanted in [&b"h2"[..], b"http/1.1"] {
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![wanted.to_vec()];
        let stream = TcpStream::connect(fixture.control_plane.api).await.unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(wanted));
        let is_http2 = wanted == b"h2";
        // A connection preface and empty settings for HTTP/2; else a request.
        let sent: &[u8] = if is_http2 {
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"
        } else {
            b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
        };
        stream.write_all(sent).await.unwrap();
        let mut answer = [0; 9];
        stream.read_exact(&mut answer).await.unwrap();
        // SETTINGS (RFC 9113, section 6.5), or a status line.
        assert!(if is_http2 { answer[3] == 4 } else { answer.starts_with(b"HTTP/1.1 ") }, "{answer:?}");
    }
}

async fn started(directory: &TempDir, file: &serde_json::Value) -> Result<ControlPlane, slotway::CliError> {
    let mut config: Config = serde_json::from_value(file.clone()).unwrap();
    config.api.set_port(0);
    config.xds.set_port(0);
    config.state = directory.path().join("state");
    ControlPlane::start(&config, "/filter.wasm".into(), Ports::take(&config)?).await
}

#[tokio::test]
async fn plain_http_for_other_machines_requires_an_explicit_setting() {
    let directory = tempfile::tempdir().unwrap();
    let mut file = json!({ "api": "0.0.0.0:1", "pools": [{ "name": "p", "workers": [] }] });
    let Err(error) = started(&directory, &file).await else {
        panic!("the control plane must refuse to start")
    };
    let error = error.to_string();
    for word in ["api: 0.0.0.0:0", "api_tls", "127.0.0.1", "api_insecure: true"] {
        assert!(error.contains(word), "{error}");
    }
    file["api_insecure"] = json!(true);
    started(&directory, &file).await.unwrap();
}

#[tokio::test]
async fn an_address_above_the_rate_limit_gets_a_retry_time_and_health_checks_are_answered() {
    let file =
        r#"{ "api_limits": { "requests_per_s": 1, "burst": 5 }, "pools": [{ "name": "p", "workers": [] }] }"#;
    let fixture = Fixture::with(tempfile::tempdir().unwrap(), file).await;
    let mut refused = None;
    for _ in 0..100 {
        let answer = fixture.get("/coordinator/workers").await;
        if answer.status != StatusCode::OK {
            refused = Some(answer);
            break;
        }
    }
    let answer = refused.expect("a refusal");
    assert_eq!((answer.status, answer.problem()), (StatusCode::TOO_MANY_REQUESTS, "too-many-requests"));
    let wait: u64 = answer.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    for probe in ["/healthz", "/readyz"] {
        assert_eq!(fixture.get(probe).await.status, StatusCode::OK, "{probe}");
    }
}

/// Returns a connection on which an answer arrived; none if the server closed it.
async fn answered(address: SocketAddr) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.ok()?;
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await.ok()?;
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    Some(stream)
}

#[tokio::test]
async fn one_address_has_a_limit_of_connections_and_frees_them() {
    let file = r#"{ "api_limits": { "connections": 6 }, "pools": [{ "name": "p", "workers": [] }] }"#;
    let fixture = Fixture::with(tempfile::tempdir().unwrap(), file).await;
    let address = fixture.control_plane.api;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(answered(address).await.expect("a connection"));
    }
    assert!(answered(address).await.is_none());
    held.pop();
    // The server notices the closed connections a moment later.
    while answered(address).await.is_none() {
        tokio::task::yield_now().await;
    }
}
