//! Who may report for a coordinator: the coordinator itself, with the credentials of its group.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use slotway_coordinators::types::FILTER;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::{
    fixture::{Answer, Fixture, send},
    scripted_envoy::{ScriptedEnvoy, soon},
};

const OF_ONE: &str = "the-token-of-group-one";
const OF_TWO: &str = "the-token-of-group-two";
const W1: &str = "http://127.0.0.1:9001";

/// Starts a control plane with two groups, each with a token.
async fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let token = |name: &str, token: &str| {
        let file = directory.path().join(name);
        std::fs::write(&file, token).unwrap();
        file
    };
    let file = json!({
        "pools": [
            { "name": "one", "workers": [{ "worker": W1, "capacity": 3 }] },
            { "name": "two", "match": { "prefix": "/two" } },
        ],
        "groups": [
            { "name": "slotway", "token_file": token("one", OF_ONE) },
            { "name": "two", "pools": ["two"], "token_file": token("two", OF_TWO) },
        ],
    });
    Fixture::with(directory, &file.to_string()).await
}

/// Sends a full report of a coordinator with this number of requests at the worker.
async fn report(fixture: &Fixture, token: Option<&str>, coordinator: &str, in_flight: u32) -> Answer {
    let worker = json!({ "worker": W1, "capacity": 3, "in_flight": in_flight, "free": 3 - in_flight,
                         "parked": 0, "failures": 0, "state": "active" });
    let pool = json!({ "pool": "one", "free": 3 - in_flight, "in_flight": in_flight, "parked": 0, "waiting": 0,
                       "oldest_wait_ms": 0, "workers": [worker] });
    let report = json!({ "coordinator": coordinator, "reporter": 1, "sequence": 1, "full": true, "generation": 1,
                         "pools": [pool] });
    let authorization = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
    fixture.report_with(&report, &headers).await
}

async fn in_flight(fixture: &Fixture) -> Value {
    fixture.get("/coordinator/workers").await.body[0]["in_flight"].clone()
}

async fn refused_for(fixture: &Fixture, reason: &str) -> u64 {
    let metrics = fixture.get("/metrics").await.body;
    let start = format!("slotway_xds_refused_total{{reason=\"{reason}\"}} ");
    let metrics = metrics.as_str().unwrap();
    let number = metrics.lines().find_map(|line| line.strip_prefix(&start));
    number.unwrap_or_else(|| panic!("{start} is not in\n{metrics}")).parse().unwrap()
}

#[tokio::test]
async fn a_report_is_accepted_only_for_coordinators_of_its_tokens_group() {
    let fixture = fixture().await;
    let xds = fixture.control_plane.xds;
    let mut edge = ScriptedEnvoy::connect(xds, "edge", "slotway", Some(OF_ONE)).await;
    let mut other = ScriptedEnvoy::connect(xds, "other", "two", Some(OF_TWO)).await;
    edge.accept_until(FILTER).await;
    other.accept_until(FILTER).await;

    assert_eq!(report(&fixture, Some(OF_ONE), "edge", 1).await.status, StatusCode::NO_CONTENT);
    assert_eq!(in_flight(&fixture).await, json!(1));

    for (token, coordinator, status, problem, says) in [
        (Some(OF_TWO), "edge", StatusCode::FORBIDDEN, "not-its-node", "of another group"),
        (Some(OF_ONE), "other", StatusCode::FORBIDDEN, "not-its-node", "of another group"),
        (Some(OF_TWO), "nobody", StatusCode::FORBIDDEN, "not-its-node", "is not connected"),
        (Some(OF_ONE), "nobody", StatusCode::FORBIDDEN, "not-its-node", "is not connected"),
        (Some("the-token-of-no-group"), "edge", StatusCode::UNAUTHORIZED, "not-a-node", "token"),
        (None, "edge", StatusCode::UNAUTHORIZED, "not-a-node", "token"),
    ] {
        let before = refused_for(&fixture, "report").await;
        let answer = report(&fixture, token, coordinator, 3).await;
        assert_eq!((answer.status, answer.problem()), (status, problem), "{token:?} for {coordinator}");
        assert!(answer.body["detail"].as_str().unwrap().contains(says), "{}", answer.body);
        assert!(!answer.body.to_string().contains(OF_ONE), "{}", answer.body);
        assert_eq!(in_flight(&fixture).await, json!(1), "{token:?} for {coordinator} changed something");
        assert_eq!(refused_for(&fixture, "report").await, before + 1);
    }
    assert_eq!(fixture.control_plane.reports.latest(std::time::Instant::now()).len(), 1);

    assert_eq!(report(&fixture, Some(OF_TWO), "other", 0).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_refused_stream_is_counted_by_its_reason() {
    let fixture = fixture().await;
    for (group, token, reason) in
        [("two", Some(OF_ONE), "token"), ("two", None, "token"), ("nobody", None, "unknown_group")]
    {
        let before = refused_for(&fixture, reason).await;
        let _refused = ScriptedEnvoy::connect(fixture.control_plane.xds, "edge", group, token).await;
        soon(async {
            while refused_for(&fixture, reason).await == before {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(refused_for(&fixture, reason).await, before + 1);
    }
    for reason in ["tls", "certificate", "node_id_taken", "too_many_streams", "bad_request", "late", "report"]
    {
        assert_eq!(refused_for(&fixture, reason).await, 0, "{reason}");
    }
    let metrics = fixture.get("/metrics").await.body;
    for line in ["# HELP slotway_xds_refused ", "# TYPE slotway_xds_refused counter"] {
        assert!(metrics.as_str().unwrap().contains(line), "{line} is not in\n{metrics}");
    }
    assert!(fixture.control_plane.coordinators.nodes().list().is_empty());
}

const W2: &str = "http://127.0.0.1:9002";

/// Returns a full report of a coordinator that says this about its workers.
fn full(fixture: &Fixture, coordinator: &str, reporter: u64, workers: &Value) -> Value {
    let generation = fixture.control_plane.workers.desired().borrow().generation;
    let pool = json!({ "pool": "preannotation", "free": 0, "in_flight": 0, "parked": 0, "waiting": 0,
                       "oldest_wait_ms": 0, "workers": workers });
    json!({ "coordinator": coordinator, "reporter": reporter, "sequence": 1, "full": true,
            "generation": generation, "pools": [pool] })
}

fn worker(url: &str, capacity: u32, in_flight: u32, state: &str) -> Value {
    json!({ "worker": url, "capacity": capacity, "in_flight": in_flight, "free": 0, "parked": 0, "failures": 0,
            "state": state })
}

/// Everything that a report can change: what REST shows of workers and coordinators.
async fn shown(fixture: &Fixture) -> (Value, Value, usize) {
    let mut workers = fixture.get("/coordinator/workers").await.body;
    for row in workers.as_array_mut().unwrap() {
        row.as_object_mut().unwrap().remove("report_age_ms");
    }
    let mut coordinators = fixture.get("/api/v1/coordinators").await.body;
    for item in coordinators["items"].as_array_mut().unwrap() {
        item["status"].as_object_mut().unwrap().remove("report_age_ms");
    }
    let reporters = fixture.control_plane.reports.latest(std::time::Instant::now()).len();
    (workers, coordinators, reporters)
}

/// Starts a control plane with an Envoy `edge` at which the removed worker `W1` still has a request.
async fn draining() -> (Fixture, ScriptedEnvoy) {
    let fixture = Fixture::new().await;
    let mut edge = ScriptedEnvoy::connect(fixture.control_plane.xds, "edge", "slotway", None).await;
    edge.accept_until(FILTER).await;
    let put = json!([{ "worker": "http://added", "capacity": 1 }]).to_string();
    assert_eq!(fixture.post(&put).await.status, StatusCode::OK);
    edge.accept_until(FILTER).await;
    let coordinators = &fixture.control_plane.coordinators;
    fixture.control_plane.workers.set_connected(coordinators.envoys(), std::time::Instant::now());
    assert_eq!(fixture.delete("http://added").await.status, StatusCode::ACCEPTED);
    edge.accept_until(FILTER).await;
    let busy = full(
        &fixture,
        "edge",
        1,
        &json!([worker(W1, 3, 1, "active"), worker("http://added", 0, 1, "draining")]),
    );
    assert_eq!(fixture.report(&busy).await.status, StatusCode::NO_CONTENT);
    (fixture, edge)
}

fn is_draining(shown: &(Value, Value, usize)) -> bool {
    let rows = shown.0.as_array().unwrap();
    rows.iter().any(|row| row["worker"] == "http://added" && row["state"] == "draining")
}

/// The report of `report_from_a_page.sh`: that no pool has requests. And others that are not of the coordinator itself.
#[tokio::test]
async fn a_report_that_is_not_of_its_coordinator_changes_nothing() {
    let (fixture, _edge) = draining().await;
    let before = shown(&fixture).await;
    assert!(is_draining(&before), "{}", before.0);
    let keys = &fixture.control_plane.node_keys;
    let (own, other) = (keys.of("edge"), keys.of("other"));
    let (own, other) = (own.header_value(), other.header_value());
    let nothing = full(&fixture, "edge", 7, &json!([]));
    let nothing_of_made_up = full(&fixture, "made-up", 7, &json!([]));
    let json_type = ("content-type", "application/json");
    let (named, keyed) = (("x-slotway-node", "edge"), ("x-slotway-node-key", own));
    let page = [("origin", "https://elsewhere.example"), ("sec-fetch-site", "cross-site")];
    let forbidden = StatusCode::FORBIDDEN;
    let mut refused = 0;
    for (name, headers, report, status, problem, says) in [
        (
            "the page",
            &[page[0], page[1], ("content-type", "text/plain")][..],
            &nothing,
            forbidden,
            "report-of-a-page",
            "page",
        ),
        (
            "a page with the key",
            &[page[0], json_type, named, keyed],
            &nothing,
            forbidden,
            "report-of-a-page",
            "page",
        ),
        (
            "another site with the key",
            &[page[1], json_type, named, keyed],
            &nothing,
            forbidden,
            "report-of-a-page",
            "page",
        ),
        ("no headers", &[json_type], &nothing, forbidden, "wrong-node-key", "slotway bootstrap"),
        ("no key", &[json_type, named], &nothing, forbidden, "wrong-node-key", "earlier version"),
        ("no name", &[json_type, keyed], &nothing, forbidden, "wrong-node-key", "slotway bootstrap"),
        (
            "a wrong key",
            &[json_type, named, ("x-slotway-node-key", "0000")],
            &nothing,
            forbidden,
            "wrong-node-key",
            "slotway bootstrap",
        ),
        (
            "the key of another node",
            &[json_type, named, ("x-slotway-node-key", other)],
            &nothing,
            forbidden,
            "wrong-node-key",
            "is not the key of the coordinator",
        ),
        (
            "the report of another node",
            &[json_type, ("x-slotway-node", "other"), ("x-slotway-node-key", other)],
            &nothing,
            forbidden,
            "wrong-node-key",
            "is not the key of the coordinator",
        ),
        (
            "two keys",
            &[json_type, named, ("x-slotway-node-key", other), keyed],
            &nothing,
            forbidden,
            "wrong-node-key",
            "is not the key of the coordinator",
        ),
        (
            "two names",
            &[json_type, named, ("x-slotway-node", "other"), keyed],
            &nothing,
            forbidden,
            "wrong-node-key",
            "slotway bootstrap",
        ),
        (
            "a made-up name",
            &[json_type, ("x-slotway-node", "made-up"), keyed],
            &nothing_of_made_up,
            forbidden,
            "wrong-node-key",
            "slotway bootstrap",
        ),
        (
            "no JSON",
            &[("content-type", "text/plain"), named, keyed],
            &nothing,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not-json",
            "application/json",
        ),
    ] {
        let xds = fixture.control_plane.xds;
        let answer = send(xds, Method::POST, "/coordinator/report", headers, &report.to_string()).await;
        assert_eq!((answer.status, answer.problem()), (status, problem), "{name}");
        assert!(answer.body["detail"].as_str().unwrap().contains(says), "{name}: {}", answer.body);
        assert!(
            ![own, other].iter().any(|key| answer.body.to_string().contains(key)),
            "{name}: {}",
            answer.body
        );
        assert_eq!(shown(&fixture).await, before, "{name} changes something");
        refused += u64::from(status == forbidden);
        assert_eq!(refused_for(&fixture, "report").await, refused, "{name}");
    }
    let drained = full(&fixture, "edge", 1, &json!([worker(W1, 3, 1, "active")]));
    assert_eq!(fixture.report(&drained).await.status, StatusCode::NO_CONTENT);
    assert!(!is_draining(&shown(&fixture).await), "the coordinator itself reports");
}

#[tokio::test]
async fn a_report_beyond_the_bounds_changes_nothing() {
    let (fixture, _edge) = draining().await;
    let before = shown(&fixture).await;
    let many: Vec<_> =
        (0..1_100).map(|number| worker(&format!("http://w{number}"), 1, 0, "active")).collect();
    let mut pools = full(&fixture, "edge", 7, &json!([]));
    pools["pools"] = json!(vec![pools["pools"][0].clone(); 65]);
    let mut vast = full(&fixture, "edge", 7, &json!([]));
    vast["pools"][0]["note"] = json!("x".repeat(slotway_coordinators::REPORT_BYTES_MAX));
    for (name, report, status, problem) in [
        ("workers", full(&fixture, "edge", 7, &json!(many)), StatusCode::BAD_REQUEST, "bad-body"),
        ("pools", pools, StatusCode::BAD_REQUEST, "bad-body"),
        ("bytes", vast, StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
    ] {
        let answer = fixture.report(&report).await;
        assert_eq!((answer.status, answer.problem()), (status, problem), "{name}: {}", answer.body);
        assert_eq!(shown(&fixture).await, before, "{name} change something");
    }
}

/// Thousands of made-up names and workers once made reads slow, and no further Envoy was heard.
#[tokio::test]
async fn made_up_names_and_workers_take_no_memory() {
    let fixture = Fixture::new().await;
    let other = fixture.control_plane.node_keys.of("other");
    for number in 0..100 {
        let name = format!("made-up-{number}");
        let headers = [
            ("content-type", "application/json"),
            ("x-slotway-node", name.as_str()),
            ("x-slotway-node-key", other.header_value()),
        ];
        let report = full(&fixture, &name, 1, &json!([worker(W1, 3, 0, "active")])).to_string();
        let xds = fixture.control_plane.xds;
        let answer = send(xds, Method::POST, "/coordinator/report", &headers, &report).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(fixture.control_plane.reports.latest(std::time::Instant::now()).len(), 0);
    let unknown: Vec<_> =
        (0..900).map(|number| worker(&format!("http://w{number}"), 0, 0, "draining")).collect();
    let known = [worker(W1, 3, 0, "active"), worker(W2, 4, 0, "active")];
    let report = full(&fixture, "edge", 1, &json!([unknown, known.to_vec()].concat()));
    assert_eq!(fixture.report(&report).await.status, StatusCode::NO_CONTENT);
    let latest = fixture.control_plane.reports.latest(std::time::Instant::now());
    assert_eq!((latest.len(), latest[0].workers.len()), (1, 2));
}

#[tokio::test]
async fn a_coordinator_that_reports_without_pause_is_slowed_down() {
    let fixture = Fixture::new().await;
    let report = full(&fixture, "edge", 1, &json!([]));
    let answer = loop {
        // All at once, so that the sender is faster than the permitted rate on any machine.
        let answers = (0..200).map(|_| fixture.sending(&report)).collect::<JoinSet<_>>().join_all().await;
        let refused = answers.into_iter().find(|answer| answer.status != StatusCode::NO_CONTENT);
        if let Some(answer) = refused {
            break answer;
        }
    };
    assert_eq!((answer.status, answer.problem()), (StatusCode::TOO_MANY_REQUESTS, "too-many-reports"));
    assert!(answer.headers.contains_key("retry-after"));
    let report = full(&fixture, "other", 1, &json!([]));
    assert_eq!(fixture.report(&report).await.status, StatusCode::NO_CONTENT, "others are heard");
}

/// A refusal needs the headers alone: the sender waits for it with its whole body unsent.
#[tokio::test]
async fn the_body_of_a_foreign_report_is_not_read() {
    let fixture = Fixture::new().await;
    let mut stream = TcpStream::connect(fixture.control_plane.xds).await.unwrap();
    let head = "POST /coordinator/report HTTP/1.1\r\nhost: x\r\nx-slotway-node: edge\r\n\
                content-type: application/json\r\ncontent-length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    soon(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 403");
}

/// A page can also send the bytes of a gRPC message.
#[tokio::test]
async fn a_page_opens_no_xds_stream() {
    let fixture = Fixture::new().await;
    let path = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
    for headers in [
        &[("content-type", "text/plain")][..],
        &[],
        &[("content-type", "application/grpc"), ("origin", "https://elsewhere.example")],
        &[("content-type", "application/grpc"), ("sec-fetch-site", "cross-site")],
    ] {
        let before = refused_for(&fixture, "bad_request").await;
        let answer = send(fixture.control_plane.xds, Method::POST, path, headers, "").await;
        assert_eq!(answer.headers["grpc-status"], "3", "{headers:?}");
        assert_eq!(refused_for(&fixture, "bad_request").await, before + 1, "{headers:?}");
    }
}
