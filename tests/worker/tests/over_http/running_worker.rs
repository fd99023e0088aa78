use std::time::{Duration, Instant};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, Request, StatusCode, header::CONTENT_TYPE},
};
use clap::Parser;
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use slotway_worker::{Counts, Options, Stats, WorkerServer};
use tokio::sync::oneshot;

/// The time limit for a condition.
const PATIENCE: Duration = Duration::from_secs(20);

/// A worker in this process and a client for it. Dropping it stops the worker.
pub(crate) struct RunningWorker {
    base: String,
    stats: Stats,
    client: Client<HttpConnector, Body>,
    _stop: oneshot::Sender<()>,
}

/// A complete answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Without Nagle's algorithm, which would hold a body back until its head is acknowledged.
fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector
}

impl RunningWorker {
    /// A worker started with these arguments, on a free port, and a client that speaks HTTP/1.1.
    pub(crate) async fn start(arguments: &str) -> Self {
        Self::start_with(arguments, Client::builder(TokioExecutor::new()).build(connector())).await
    }

    /// The same with a client that speaks HTTP/2 without asking before.
    pub(crate) async fn start_http2(arguments: &str) -> Self {
        Self::start_with(arguments, Client::builder(TokioExecutor::new()).http2_only(true).build(connector()))
            .await
    }

    async fn start_with(arguments: &str, client: Client<HttpConnector, Body>) -> Self {
        let fixed = ["slotway-worker", "--listen", "127.0.0.1:0"];
        let options = Options::parse_from(fixed.into_iter().chain(arguments.split_whitespace()));
        let worker = WorkerServer::bind(&options).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (base, stats) = (format!("http://{}", worker.address()), worker.stats());
        tokio::spawn(worker.serve(async {
            let _ = stopped.await;
        }));
        Self { base, stats, client, _stop: stop }
    }

    pub(crate) fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    pub(crate) fn counts(&self) -> Counts {
        self.stats.counts()
    }

    /// Waits until the counts are as wanted.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(Counts) -> bool) {
        let begin = Instant::now();
        while !wanted(self.counts()) {
            assert!(begin.elapsed() < PATIENCE, "never {what}: {:?}", self.counts());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        Request::builder().method(method).uri(format!("{}{path}", self.base))
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.client.request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, content_type: &str, body: impl Into<Bytes>) -> Answer {
        let request = self.request("POST", path).header(CONTENT_TYPE, content_type);
        self.send(request.body(Body::new(Full::new(body.into()))).unwrap()).await
    }

    /// Sends `Hello London!` in a task. Aborting the task disconnects.
    pub(crate) fn post_in_background(&self, path: &str) -> tokio::task::JoinHandle<StatusCode> {
        let request = self.request("POST", path).header(CONTENT_TYPE, "text/plain");
        let response = self.client.request(request.body(Body::from("Hello London!")).unwrap());
        tokio::spawn(async { response.await.unwrap().status() })
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The mentions as name, start and end.
    #[track_caller]
    pub(crate) fn mentions(&self) -> Vec<(String, u64, u64)> {
        assert_eq!(self.status, StatusCode::OK, "{:?}", self.body);
        assert_eq!(self.header("content-type"), "application/vnd.ontotext.ces+json");
        let answer = self.json();
        let mentions = answer["mentions"].as_array().unwrap().iter();
        let offset = |value: &Value| value.as_u64().unwrap();
        mentions
            .map(|m| {
                (m["name"].as_str().unwrap().to_owned(), offset(&m["startOffset"]), offset(&m["endOffset"]))
            })
            .collect()
    }

    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, reason: &str) {
        assert_eq!((self.status.as_u16(), reason), (status, self.json()["reason"].as_str().unwrap()));
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("urn:slotway:worker:{reason}"));
        assert!(!problem["title"].as_str().unwrap().is_empty());
        assert!(!problem["detail"].as_str().unwrap().is_empty());
    }
}
