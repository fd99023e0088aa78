//! Traces as a collector gets them: built with the feature `otlp` alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    fs::File,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    resource::v1::Resource,
    trace::v1::{Span, span::SpanKind},
};
use tonic::{Request, Response, Status, service::Routes};

const WITHIN: Duration = Duration::from_secs(60);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A collector that keeps what it gets.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<(Resource, Span)>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut kept = self.0.lock().unwrap();
        for spans in request.into_inner().resource_spans {
            let resource = spans.resource.unwrap();
            let spans = spans.scope_spans.into_iter().flat_map(|scope| scope.spans);
            kept.extend(spans.map(|span| (resource.clone(), span)));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    async fn start() -> (Self, SocketAddr) {
        let collector = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Routes::new(TraceServiceServer::new(collector.clone())).into_axum_router();
        tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        (collector, address)
    }

    /// Waits for a span.
    async fn span(&self, what: &str, is_it: impl Fn(&Span) -> bool) -> (Resource, Span) {
        let began = Instant::now();
        loop {
            if let Some(found) = self.0.lock().unwrap().iter().find(|(_, span)| is_it(span)) {
                return found.clone();
            }
            let names =
                || self.0.lock().unwrap().iter().map(|(_, span)| span.name.clone()).collect::<Vec<_>>();
            assert!(began.elapsed() < WITHIN, "timed out: {what}; there is {:?}", names());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn text(span: &Span, key: &str) -> Option<String> {
    let attribute = span.attributes.iter().find(|attribute| attribute.key == key)?;
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn slotway(directory: &Path, command: &[&str]) -> Command {
    let mut slotway = Command::new(env!("CARGO_BIN_EXE_slotway"));
    slotway.args(command).args(["-f", "f.yaml"]).current_dir(directory).env_clear();
    slotway.stdin(Stdio::null()).stdout(Stdio::null());
    slotway
}

fn send(port: u16, method: &str, path: &str, head: &str, body: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: {length}\r\n\
         content-type: application/json\r\n{head}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_requests_in_their_senders_trace_with_their_commits_and_the_pushes() {
    let (collector, address) = Collector::start().await;
    let directory = tempfile::tempdir().unwrap();
    let listeners = [(); 4].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let [listen, api, xds, admin] = listeners.map(|listener| listener.local_addr().unwrap().port());
    let yaml = format!(
        "listen: 127.0.0.1:{listen}\napi: 127.0.0.1:{api}\nxds: 127.0.0.1:{xds}\nenvoy: {{ admin: 127.0.0.1:{admin} }}\n\
         state: state\npools: [{{ name: p, workers: [] }}]\n"
    );
    std::fs::write(directory.path().join("f.yaml"), yaml).unwrap();
    std::fs::write(directory.path().join("filter.wasm"), "").unwrap();
    let log = directory.path().join("log");
    let mut serve = slotway(directory.path(), &["serve", "--filter", "filter.wasm"]);
    serve.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"));
    serve.env("OTEL_BSP_SCHEDULE_DELAY", "50").env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test");
    let mut serving = Running(serve.stderr(File::create(&log).unwrap()).spawn().unwrap());
    let began = Instant::now();
    while send(api, "GET", "/healthz", "", "").is_none() {
        assert!(began.elapsed() < WITHIN, "{}", std::fs::read_to_string(&log).unwrap());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let token = std::fs::read_to_string(directory.path().join("state/admin-token")).unwrap();
    let head = format!("authorization: Bearer {token}\r\ntraceparent: 00-{TRACE}-{PARENT}-01\r\n");
    let body = r#"[{"worker": "http://hush-body", "capacity": 2}]"#;
    let answer = send(api, "POST", "/coordinator/workers?q=hush-query", &head, body).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let (resource, request) =
        collector.span("the request", |span| span.name == "POST /coordinator/workers").await;
    assert_eq!((hex(&request.trace_id), hex(&request.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
    assert_eq!(request.kind, i32::from(SpanKind::Server));
    assert_eq!(text(&request, "http.response.status_code").as_deref(), Some("200"));
    assert_eq!(text(&request, "http.route").as_deref(), Some("/coordinator/workers"));
    let name = |key: &str| resource.attributes.iter().find(|attribute| attribute.key == key).cloned();
    let service = name("service.name").unwrap().value.unwrap().value.unwrap();
    assert_eq!(service, Value::StringValue("slotway".to_owned()));
    assert!(name("deployment.environment").is_some(), "{resource:?}");
    let is_its_commit = |span: &Span| span.name == "store commit" && hex(&span.trace_id) == TRACE;
    let (_, commit) = collector.span("its commit", is_its_commit).await;
    assert_eq!(commit.parent_span_id, request.span_id);
    assert_eq!(text(&commit, "who").as_deref(), Some("admin token"));

    let watch = slotway(directory.path(), &["xds", "watch", "server-limits"]).spawn();
    let _watching = Running(watch.unwrap());
    let (_, push) = collector.span("a push", |span| span.name == "xds push").await;
    assert!(text(&push, "type_url").is_some_and(|url| url.contains("slotway")), "{push:?}");

    // What has not been sent yet is sent at the end.
    send(api, "GET", "/api/v1/audit", "", "").unwrap();
    let pid = rustix::process::Pid::from_child(&serving.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(serving.0.wait().unwrap().code(), Some(0));
    collector.span("the last request", |span| span.name == "GET /api/v1/audit").await;
    let all = format!("{:?}", collector.0.lock().unwrap());
    assert!(!all.contains("hush") && !all.contains(token.trim()), "{all}");
}
