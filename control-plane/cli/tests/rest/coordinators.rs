//! The resource `Coordinator`.

use axum::http::StatusCode;
use serde_json::json;
use slotway_coordinators::types::FILTER;

use crate::{fixture::Fixture, scripted_envoy::ScriptedEnvoy};

const W1: &str = "http://127.0.0.1:9001";

#[tokio::test]
async fn a_coordinator_is_shown_with_its_acknowledgements_and_its_report() {
    let fixture = Fixture::new().await;
    let empty = fixture.get("/api/v1/coordinators").await;
    assert_eq!((empty.status, &empty.body["items"]), (StatusCode::OK, &json!([])));

    // The name must be percent-encoded in a path.
    let mut envoy = ScriptedEnvoy::connect(fixture.control_plane.xds, "edge/1", "slotway", None).await;
    envoy.accept_until(FILTER).await;
    fixture.control_plane.coordinators.nodes().synced("edge/1", 0).await;
    let path = "/api/v1/coordinators/edge%2F1";
    let silent = fixture.get(path).await;
    assert_eq!(silent.status, StatusCode::OK, "{}", silent.body);
    assert_eq!(silent.body["kind"], "Coordinator");
    assert_eq!(silent.body["metadata"]["name"], "edge/1");
    let status = &silent.body["status"];
    assert_eq!((&status["state"], &status["cluster"]), (&json!("SYNCED"), &json!("slotway")));
    assert_eq!((&status["pools"], &status["report_age_ms"]), (&json!([]), &json!(null)));

    let worker = json!({ "worker": W1, "capacity": 3, "in_flight": 1, "free": 2, "parked": 0, "failures": 0,
                         "state": "active" });
    let pool = json!({ "pool": "preannotation", "free": 2, "in_flight": 1, "parked": 0, "waiting": 4,
                       "oldest_wait_ms": 70, "workers": [worker] });
    let report = json!({ "coordinator": "edge/1", "reporter": 1, "sequence": 1, "full": true, "generation": 7,
                         "pools": [pool] });
    assert_eq!(fixture.report(&report).await.status, StatusCode::NO_CONTENT);
    let shown = fixture.get(path).await.body;
    let expected = json!([{ "name": "preannotation", "free": 2, "in_flight": 1, "parked": 0, "waiting": 4,
                            "oldest_wait_ms": 70 }]);
    assert_eq!(shown["status"]["pools"], expected);
    assert_eq!(shown["status"]["generation_in_force"], 7);
    assert!(shown["status"]["report_age_ms"].is_u64());

    let list = fixture.get("/api/v1/coordinators").await.body;
    assert_eq!(
        (&list["kind"], &list["items"][0]["metadata"]),
        (&json!("CoordinatorList"), &shown["metadata"])
    );
}

#[tokio::test]
async fn coordinators_are_listed_with_pages() {
    let fixture = Fixture::new().await;
    let mut envoys = Vec::new();
    for name in ["c", "a", "b"] {
        let mut envoy = ScriptedEnvoy::connect(fixture.control_plane.xds, name, "slotway", None).await;
        envoy.accept_until(FILTER).await;
        envoys.push(envoy);
    }
    let names = async |query: &str| {
        let page = fixture.get(&format!("/api/v1/coordinators?{query}")).await.body;
        let items = page["items"].as_array().unwrap().clone();
        let names: Vec<_> = items.iter().map(|item| item["metadata"]["name"].clone()).collect();
        (json!(names), page["continue"].clone())
    };
    assert_eq!(names("limit=2").await, (json!(["a", "b"]), json!("b")));
    assert_eq!(names("limit=2&continue=b").await, (json!(["c"]), json!(null)));
}

#[tokio::test]
async fn invalid_pages_and_unknown_coordinators_are_refused() {
    let fixture = Fixture::new().await;
    for (path, status, problem, says) in [
        ("/api/v1/coordinators?limit=0", StatusCode::BAD_REQUEST, "bad-body", "0 is not from 1 to 1000"),
        (
            "/api/v1/coordinators?limit=1001",
            StatusCode::BAD_REQUEST,
            "bad-body",
            "1001 is not from 1 to 1000",
        ),
        ("/api/v1/coordinators?limit=x", StatusCode::BAD_REQUEST, "bad-body", "there is limit and continue"),
        ("/api/v1/coordinators/nobody", StatusCode::NOT_FOUND, "unknown-coordinator", "\"nobody\""),
        ("/api/v1/coordinators/%FF", StatusCode::BAD_REQUEST, "bad-body", "UTF-8"),
    ] {
        let answer = fixture.get(path).await;
        assert_eq!((answer.status, answer.problem()), (status, problem), "{path}: {}", answer.body);
        assert!(answer.body["detail"].as_str().unwrap().contains(says), "{path}: {}", answer.body);
    }
}
