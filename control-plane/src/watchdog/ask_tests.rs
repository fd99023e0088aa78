use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::Request as Asked,
    http::{Version, header::LOCATION},
    response::{IntoResponse, Response as Answered},
    routing::get,
};
use serde_json::{Value, json};
use slotway_xds::{Peer, XdsPort, XdsRefusalCounts};
use tokio::net::TcpListener;
use tokio_rustls::rustls::ServerConfig;

use super::*;
use crate::workers::Health;

/// A worker with a heartbeat at `path`, which has half a second.
fn watched(worker: Value, path: &str) -> WatchedWorker {
    let heartbeat = json!({ "path": path, "interval": "1s", "timeout": "500ms" });
    WatchedWorker {
        worker: serde_json::from_value(worker).unwrap(),
        pool: "a".parse().unwrap(),
        heartbeat: serde_json::from_value(heartbeat).unwrap(),
        slow_start: None,
        health: Health::Up,
    }
}

/// A worker that answers as its paths say.
fn router() -> Router {
    Router::new()
        .route("/well", get(|| async { "ok" }))
        .route("/made", get(|| async { StatusCode::NO_CONTENT }))
        .route("/ill", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
        .route("/moved", get(|| async { (StatusCode::FOUND, [(LOCATION, "/well")]) }))
        .route("/mute", get(|| async { std::future::pending::<()>().await }))
        .route("/base/well", get(|| async { "ok" }))
        .route("/base/who", get(who))
        .route("/who", get(who))
}

/// Well if the request is as it should be.
async fn who(asked: Asked) -> Answered {
    let header = |name| asked.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (agent, connection) = (header(header::USER_AGENT).unwrap(), header(header::CONNECTION));
    let right = match asked.version() {
        Version::HTTP_11 => header(header::HOST).is_some() && connection.as_deref() == Some("close"),
        version => version == Version::HTTP_2 && asked.uri().authority().is_some() && connection.is_none(),
    };
    if right && agent.starts_with("slotway/") && asked.uri().query() == Some("deep=1") {
        return StatusCode::OK.into_response();
    }
    StatusCode::BAD_REQUEST.into_response()
}

async fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router()).await });
    address
}

async fn ask(worker: Value, path: &str) -> Result<(), String> {
    AskOverHttp::default().ask(&watched(worker, path)).await
}

#[tokio::test]
async fn a_worker_is_there_if_it_answers_with_a_status_of_2xx_in_time() {
    let address = serve().await;
    for (base, path, outcome) in [
        ("", "/well", Ok(())),
        ("", "/made", Ok(())),
        ("", "/who?deep=1", Ok(())),
        ("/base", "/well", Ok(())),
        ("/base", "/who?deep=1", Ok(())),
        ("", "/ill", Err("it answered 503")),
        ("", "/nothing", Err("it answered 404")),
        ("", "/moved", Err("it answered 302, and redirects are not followed")),
        ("", "/mute", Err("it did not answer within 500 ms")),
    ] {
        for protocol in ["http1", "http2"] {
            let worker =
                json!({ "worker": format!("http://{address}{base}"), "capacity": 1, "protocol": protocol });
            let asked = ask(worker, path).await;
            assert_eq!(asked, outcome.map_err(str::to_owned), "{base}{path} {protocol}");
        }
    }
}

#[tokio::test]
async fn a_worker_that_is_not_there_is_told_from_one_that_says_nothing() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (silent, nobody) = (taken.local_addr().unwrap(), {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    });
    let closing = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closes = closing.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            drop(closing.accept().await);
        }
    });
    for (url, says) in [
        (format!("http://{nobody}"), "nobody listens there"),
        (format!("http://{silent}"), "it did not answer within 500 ms"),
        (format!("http://{closes}"), "connection"),
        ("http://no-such-host.invalid".to_owned(), "it cannot be connected to"),
    ] {
        for protocol in ["http1", "http2"] {
            let worker = json!({ "worker": url, "capacity": 1, "protocol": protocol });
            let error = ask(worker, "/").await.unwrap_err();
            // A resolver without a network may take longer than there is time.
            let late = url.contains("invalid") && error.contains("did not answer");
            assert!(error.contains(says) || late, "{url} {protocol}: {error}");
        }
    }
}

#[tokio::test]
async fn a_worker_with_tls_must_show_the_certificate_that_envoy_asks_for() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = |name: &str| {
        let own = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let file = directory.path().join(format!("{name}.pem"));
        std::fs::write(&file, own.cert.pem()).unwrap();
        (own, file.display().to_string())
    };
    let ((own, file), (_, other)) = (certificate("ocr.example"), certificate("other.example"));
    let key = own.signing_key.serialize_der().try_into().unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let port = XdsPort::new(
        listener,
        Some(tokio::sync::watch::channel(Arc::new(server)).1),
        Arc::<XdsRefusalCounts>::default(),
    )
    .unwrap();
    let service = router().into_make_service_with_connect_info::<Peer>();
    tokio::spawn(async move { axum::serve(port, service).await });

    for (tls, outcome) in [
        (json!({ "ca_file": file, "sni": "ocr.example" }), Ok(())),
        (json!({ "ca_file": file }), Err("TLS to it failed")),
        (json!({ "ca_file": file, "sni": "other.example" }), Err("TLS to it failed")),
        (json!({ "ca_file": other, "sni": "ocr.example" }), Err("TLS to it failed")),
        (
            json!({ "ca_file": "/nowhere.pem", "sni": "ocr.example" }),
            Err("cannot be read by the control plane"),
        ),
    ] {
        for protocol in ["http1", "http2"] {
            let worker = json!({ "worker": format!("https://{address}"), "capacity": 1, "protocol": protocol,
                                 "tls": tls });
            match (ask(worker, "/who?deep=1").await, outcome) {
                (Ok(()), Ok(())) => {}
                (Err(error), Err(says)) => assert!(error.contains(says), "{tls}: {error}"),
                (asked, _) => panic!("{tls} {protocol}: {asked:?}"),
            }
        }
    }
}
