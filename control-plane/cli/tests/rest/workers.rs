use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::fixture::{FILE, Fixture};

const W1: &str = "http://127.0.0.1:9001";
const W2: &str = "http://127.0.0.1:9002";

fn pair(worker: &str, capacity: u64) -> (String, u64) {
    (worker.to_owned(), capacity)
}

#[tokio::test]
async fn posting_adds_new_workers_and_changes_known_ones() {
    let fixture = Fixture::new().await;
    let list = format!(
        r#"[{{"worker": "http://sample.worker.url", "capacity": 3}}, {{"worker": "{W1}/", "capacity": 7}},
            {{"worker": "https://ocr.example/api", "capacity": 1, "pool": "ocr", "tls": {{"sni": "o.example"}}}}]"#
    );
    let answer = fixture.post(&list).await;
    assert_eq!(answer.status, StatusCode::OK);
    let all =
        [pair(W1, 7), pair(W2, 4), pair("http://sample.worker.url", 3), pair("https://ocr.example/api", 1)];
    assert_eq!(answer.capacities(), all);
    assert_eq!(fixture.workers().await, all);
    assert_eq!(answer.body[3]["pool"], "ocr");
}

#[tokio::test]
async fn a_change_is_published_at_once_under_a_newer_generation() {
    let fixture = Fixture::new().await;
    let mut desired = fixture.control_plane.workers.desired();
    let before = desired.borrow_and_update().generation;
    fixture.post(r#"[{"worker": "http://new", "capacity": 2}]"#).await;
    let after = desired.borrow_and_update().clone();
    assert!(after.generation > before);
    assert_eq!(after.pools[0].workers[2].worker.as_str(), "http://new");
}

#[tokio::test]
async fn deleting_drains_a_worker_and_an_unknown_one_is_refused_with_the_known_ones() {
    let fixture = Fixture::new().await;
    let answer = fixture.delete(W1).await;
    assert_eq!(
        (answer.status, &answer.body),
        (StatusCode::ACCEPTED, &json!({ "worker": W1, "state": "draining" }))
    );
    let rows = fixture.get("/coordinator/workers").await.body;
    assert_eq!((&rows[0]["state"], &rows[1]["state"]), (&json!("draining"), &json!("unknown")));

    let answer = fixture.delete("http://nobody").await;
    assert_eq!((answer.status, answer.problem()), (StatusCode::NOT_FOUND, "unknown-worker"));
    assert_eq!(answer.body["known"], json!([W1, W2]));
}

fn report(generation: u64, sequence: u64, full: bool, workers: &Value) -> Value {
    json!({
        "coordinator": "envoy", "reporter": 1, "sequence": sequence, "full": full, "generation": generation,
        "pools": [{ "pool": "preannotation", "free": 5, "in_flight": 2, "parked": 0, "waiting": 9,
                    "oldest_wait_ms": 120, "workers": workers }],
    })
}

#[tokio::test]
async fn reports_of_a_coordinator_become_the_figures_of_the_workers() {
    let fixture = Fixture::new().await;
    let generation = fixture.control_plane.workers.desired().borrow().generation;
    let line = |worker, capacity, in_flight| {
        json!({ "worker": worker, "capacity": capacity, "in_flight": in_flight, "free": capacity - in_flight,
                "parked": 0, "failures": 0, "state": "active" })
    };
    let delta = report(generation, 4, false, &json!([line(W2, 4, 4)]));
    let answer = fixture.report(&delta).await;
    assert_eq!((answer.status, answer.problem()), (StatusCode::CONFLICT, "report-base-missing"));

    let full = report(generation, 3, true, &json!([line(W1, 3, 0), line(W2, 4, 2)]));
    assert_eq!(fixture.report(&full).await.status, StatusCode::NO_CONTENT);
    assert_eq!(fixture.report(&delta).await.status, StatusCode::NO_CONTENT);
    let rows = fixture.get("/coordinator/workers").await.body;
    assert_eq!(
        (&rows[0]["state"], &rows[0]["in_flight"], &rows[0]["free"]),
        (&json!("active"), &json!(0), &json!(3))
    );
    assert_eq!((&rows[1]["in_flight"], &rows[1]["waiting"]), (&json!(4), &json!(9)));
    assert_eq!(rows[1]["oldest_wait_ms"], 120);
    assert_eq!(rows[1]["generation_in_force"], json!(generation));

    let metrics = fixture.get("/metrics").await.body;
    let metrics = metrics.as_str().unwrap();
    for line in [
        r#"slotway_slots{pool="preannotation",state="free"} 5"#,
        r#"slotway_slots{pool="preannotation",state="in_flight"} 2"#,
        r#"slotway_slots{pool="ocr",state="free"} 0"#,
        r#"slotway_waiting{pool="preannotation"} 9"#,
        "slotway_coordinators_connected 0",
        &format!("slotway_config_generation {generation}"),
    ] {
        assert!(metrics.lines().any(|other| other == line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn an_invalid_or_oversized_report_is_refused() {
    let fixture = Fixture::new().await;
    let answer = fixture.report(&json!({ "coordinator": "envoy" })).await;
    assert_eq!((answer.status, answer.problem()), (StatusCode::BAD_REQUEST, "bad-body"));
    let answer = fixture.report(&json!("x".repeat(slotway_coordinators::REPORT_BYTES_MAX))).await;
    assert_eq!((answer.status, answer.problem()), (StatusCode::PAYLOAD_TOO_LARGE, "too-large"));
}

#[tokio::test]
async fn the_description_has_every_path_with_its_methods() {
    let fixture = Fixture::new().await;
    let description = fixture.get("/openapi.json").await.body;
    assert!(description["openapi"].as_str().unwrap().starts_with("3."));
    let methods: Vec<_> = description["paths"]["/coordinator/workers"].as_object().unwrap().keys().collect();
    assert_eq!(methods, ["delete", "get", "post"]);
    for path in ["/coordinator/envoys", "/healthz", "/readyz", "/metrics"] {
        let answer = fixture.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(description["paths"][path]["get"].is_object(), "{path}");
    }
    let row = &description["components"]["schemas"]["WorkerRow"]["properties"];
    let shown = fixture.get("/coordinator/workers").await.body;
    for field in shown[0].as_object().unwrap().keys() {
        assert!(row[field].is_object(), "{field} is not described");
    }
    assert!(FILE.contains(shown[0]["worker"].as_str().unwrap()));
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_get_a_problem() {
    let fixture = Fixture::new().await;
    let answer = fixture.get("/coordinator/nothing").await;
    assert_eq!((answer.status, answer.problem()), (StatusCode::NOT_FOUND, "not-found"));
    let answer = fixture.send(axum::http::Method::PUT, "/coordinator/workers", &[], "").await;
    assert_eq!((answer.status, answer.problem()), (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"));
}
