use std::net::SocketAddr;

use axum::{
    Router,
    extract::Request,
    http::{StatusCode, Version, header, header::LOCATION},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use slotway_config::Protocol;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{Probe, ProbeTls, TargetHealth};

const BOTH: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

/// Probes a worker at `path`, which has half a second.
async fn probe(url: &str, path: &str, protocol: Protocol, tls: Option<ProbeTls>) -> Result<(), String> {
    let target = ProbeTarget {
        worker: url.parse().unwrap(),
        protocol,
        tls,
        has_connection_limit: false,
        pool: "a".parse().unwrap(),
        probe: Probe {
            path: path.to_owned(),
            interval: Duration::from_secs(1),
            timeout: Duration::from_millis(500),
            threshold: 3,
        },
        slow_start: None,
        health: TargetHealth::Up,
    };
    HttpProber::default().probe(&target).await
}

/// A worker with one path for each kind of answer.
fn router() -> Router {
    Router::new()
        .route("/well", get(|| async { "ok" }))
        .route("/made", get(|| async { StatusCode::NO_CONTENT }))
        .route("/ill", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
        .route("/moved", get(|| async { (StatusCode::FOUND, [(LOCATION, "/well")]) }))
        .route("/mute", get(|| async { std::future::pending::<()>().await }))
        .route("/base/well", get(|| async { "ok" }))
        .route("/base/seen", get(seen))
        .route("/seen", get(seen))
}

/// Answers 200 if the request has the expected form.
async fn seen(request: Request) -> Response {
    let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (agent, connection) = (header(header::USER_AGENT).unwrap(), header(header::CONNECTION));
    let is_right = match request.version() {
        Version::HTTP_11 => header(header::HOST).is_some() && connection.as_deref() == Some("close"),
        version => version == Version::HTTP_2 && request.uri().authority().is_some() && connection.is_none(),
    };
    if is_right && agent.starts_with("slotway/") && request.uri().query() == Some("deep=1") {
        return StatusCode::OK.into_response();
    }
    StatusCode::BAD_REQUEST.into_response()
}

async fn serve(tls: Option<TlsAcceptor>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let tls = tls.clone();
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                let service = TowerToHyperService::new(router());
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

#[tokio::test]
async fn a_worker_has_to_answer_with_a_status_of_2xx_in_time() {
    let address = serve(None).await;
    for (base, path, outcome) in [
        ("", "/well", Ok(())),
        ("", "/made", Ok(())),
        ("", "/seen?deep=1", Ok(())),
        ("/base", "/well", Ok(())),
        ("/base", "/seen?deep=1", Ok(())),
        ("", "/ill", Err("it answered 503")),
        ("", "/nothing", Err("it answered 404")),
        ("", "/moved", Err("it answered 302, and redirects are not followed")),
        ("", "/mute", Err("no answer within 500 ms")),
    ] {
        for protocol in BOTH {
            let outcome_of = probe(&format!("http://{address}{base}"), path, protocol, None).await;
            assert_eq!(outcome_of, outcome.map_err(str::to_owned), "{base}{path} {protocol:?}");
        }
    }
}

#[tokio::test]
async fn a_closed_port_is_distinguished_from_a_silent_worker() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = taken.local_addr().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let closing = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closes = closing.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            drop(closing.accept().await);
        }
    });
    for (url, says) in [
        (format!("http://{free}"), "cannot connect: Connection refused"),
        (format!("http://{silent}"), "no answer within 500 ms"),
        (format!("http://{closes}"), "connection"),
        ("http://no-such-host.invalid".to_owned(), "cannot connect"),
    ] {
        for protocol in BOTH {
            let error = probe(&url, "/", protocol, None).await.unwrap_err();
            // A resolver without a network may take longer than the time limit.
            let is_late = url.contains("invalid") && error.contains("within 500 ms");
            assert!(error.contains(says) || is_late, "{url} {protocol:?}: {error}");
        }
    }
}

#[tokio::test]
async fn a_worker_with_tls_has_to_show_the_certificate_that_envoy_expects() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = |name: &str| {
        let own = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let file = directory.path().join(format!("{name}.pem"));
        std::fs::write(&file, own.cert.pem()).unwrap();
        (own, file)
    };
    let ((own, file), (_, other)) = (certificate("ocr.example"), certificate("other.example"));
    let key_file = directory.path().join("tls.key");
    std::fs::write(&key_file, own.signing_key.serialize_pem()).unwrap();
    let config = slotway_runtime::tls::server(&file, &key_file, None).unwrap();
    let address = serve(Some(config.into())).await;
    let (file, other) = (file.display().to_string(), other.display().to_string());
    for (ca_file, server_name, outcome) in [
        (file.as_str(), Some("ocr.example"), Ok(())),
        (&file, None, Err("TLS failed")),
        (&file, Some("other.example"), Err("TLS failed")),
        (&other, Some("ocr.example"), Err("TLS failed")),
        ("/nowhere.pem", Some("ocr.example"), Err("cannot be read by the control plane")),
    ] {
        for protocol in BOTH {
            let server_name = server_name.map(str::to_owned);
            let tls = ProbeTls { ca_file: ca_file.to_owned(), server_name };
            let url = format!("https://{address}");
            match (probe(&url, "/seen?deep=1", protocol, Some(tls.clone())).await, outcome) {
                (Ok(()), Ok(())) => {}
                (Err(error), Err(says)) => assert!(error.contains(says), "{tls:?}: {error}"),
                (probed, _) => panic!("{tls:?} {protocol:?}: {probed:?}"),
            }
        }
    }
}
