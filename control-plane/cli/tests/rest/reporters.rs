//! Permissions to report, by group.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use slotway_coordinators::types::FILTER;

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
    send(fixture.control_plane.xds, Method::POST, "/coordinator/report", &headers, &report.to_string()).await
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
