use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::fixture::{Fixture, worker_path};

const W1: &str = "http://127.0.0.1:9001";
const W2: &str = "http://127.0.0.1:9002";
const NEW: &str = "http://new.example:81/base";

/// Returns the workers that get requests, in the desired state of Envoy: URL and pool.
fn in_force(fixture: &Fixture) -> Vec<(String, String)> {
    let desired = fixture.control_plane.workers.desired().borrow().clone();
    let of = |pool: &slotway_config::Pool| {
        let name = pool.name.to_string();
        pool.workers.iter().map(|worker| (worker.worker.to_string(), name.clone())).collect::<Vec<_>>()
    };
    desired.pools.iter().flat_map(of).collect()
}

fn pair(worker: &str, pool: &str) -> (String, String) {
    (worker.to_owned(), pool.to_owned())
}

fn report(fixture: &Fixture, sequence: u64, workers: &Value) -> Value {
    let generation = fixture.control_plane.workers.desired().borrow().generation;
    json!({
        "coordinator": "envoy", "reporter": 1, "sequence": sequence, "full": true, "generation": generation,
        "pools": [{ "pool": "preannotation", "free": 5, "in_flight": 2, "parked": 0, "waiting": 9,
                    "oldest_wait_ms": 120, "workers": workers }],
    })
}

#[tokio::test]
async fn a_worker_is_a_resource_with_its_version_in_body_and_tag() {
    let fixture = Fixture::new().await;
    let worker = fixture.get(&worker_path(W1)).await;
    let version = worker.version();
    assert_eq!(worker.status, StatusCode::OK);
    assert_eq!(worker.body["metadata"], json!({ "name": W1, "resourceVersion": version }));
    assert_eq!(
        worker.body["spec"],
        json!({ "pool": "preannotation", "capacity": 3, "protocol": "http1", "cordoned": false })
    );
    assert_eq!(worker.body["status"]["state"], "unknown");
    assert_eq!(worker.body["status"]["reason"], "no Envoy has reported for 10 seconds");

    let line = json!({ "worker": W1, "capacity": 3, "in_flight": 1, "free": 2, "parked": 0, "failures": 0, "state": "active" });
    fixture.report(&report(&fixture, 1, &json!([line]))).await;
    let status = fixture.get(&worker_path(W1)).await.body["status"].clone();
    assert_eq!((&status["state"], &status["reason"]), (&json!("active"), &Value::Null));
    assert_eq!(
        (&status["in_flight"], &status["free"], &status["waiting"]),
        (&json!(1), &json!(2), &json!(9))
    );
    assert_eq!((&status["capacity_in_force"], &status["oldest_wait_ms"]), (&json!(3), &json!(120)));
    assert_eq!(fixture.get(&worker_path(W2)).await.body["status"]["state"], "pending");
}

#[tokio::test]
async fn put_creates_or_replaces_a_worker_and_patch_keeps_other_fields() {
    let fixture = Fixture::new().await;
    let path = worker_path(NEW);
    let wanted = json!({
        "kind": "Worker",
        "metadata": { "name": NEW, "labels": { "gpu": "a100" }, "notes": "rack 7\nthe left one" },
        "spec": { "pool": "ocr", "capacity": 5, "slow_start": "30s", "protocol": "http2",
                  "heartbeat": { "path": "/health", "interval": "2s" } },
    });
    let made = fixture.ask("PUT", &path, &wanted).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    assert_eq!(made.body["metadata"]["labels"], json!({ "gpu": "a100" }));
    assert_eq!(
        made.body["spec"],
        json!({ "pool": "ocr", "capacity": 5, "protocol": "http2", "cordoned": false, "slow_start": "30s",
                "heartbeat": { "path": "/health", "interval": "2s", "timeout": "1s", "threshold": 3 } })
    );
    assert!(in_force(&fixture).contains(&pair(NEW, "ocr")));
    let again = fixture.ask("PUT", &path, &made.body).await;
    assert_eq!(
        (again.status, again.version()),
        (StatusCode::OK, made.version()),
        "an answer can be sent back as it is"
    );

    let patch = json!({ "spec": { "capacity": 6, "heartbeat": { "threshold": 5 }, "slow_start": null },
                        "metadata": { "labels": { "rack": "7" } } });
    let patched = fixture.ask("PATCH", &path, &patch).await;
    assert_eq!(patched.status, StatusCode::OK, "{}", patched.body);
    assert_eq!(patched.body["metadata"]["labels"], json!({ "gpu": "a100", "rack": "7" }));
    assert_eq!(patched.body["metadata"]["notes"], "rack 7\nthe left one");
    assert_eq!(
        patched.body["spec"],
        json!({ "pool": "ocr", "capacity": 6, "protocol": "http2", "cordoned": false,
                "heartbeat": { "path": "/health", "interval": "2s", "timeout": "1s", "threshold": 5 } })
    );

    let bare = fixture.ask("PUT", &path, &json!({ "spec": { "capacity": 6 } })).await;
    assert_eq!(bare.status, StatusCode::OK);
    assert_eq!(
        (&bare.body["spec"], &bare.body["metadata"]["labels"]),
        (&json!({ "pool": "ocr", "capacity": 6, "protocol": "http1", "cordoned": false }), &Value::Null),
        "missing fields take the defaults of a new worker, except the pool"
    );
}

#[tokio::test]
async fn another_spelling_of_a_name_is_the_same_worker() {
    let fixture = Fixture::new().await;
    let body = json!({ "metadata": { "name": "HTTP://127.0.0.1:9001" }, "spec": { "capacity": 9 } });
    let put = fixture.ask("PUT", &worker_path("http://127.0.0.1:9001/"), &body).await;
    assert_eq!((put.status, &put.body["metadata"]["name"]), (StatusCode::OK, &json!(W1)), "{}", put.body);
}

#[tokio::test]
async fn a_change_of_an_outdated_version_is_refused() {
    let fixture = Fixture::new().await;
    let path = worker_path(W1);
    let seen = fixture.get(&path).await.version();
    let put = json!({ "spec": { "capacity": 4 } });
    let tag = format!("\"{seen}\"");
    let changed = fixture.ask_with("PUT", &path, &[("if-match", &tag)], &put).await;
    assert_eq!(changed.status, StatusCode::OK);
    let now = changed.version();
    let none = Value::Null;
    let in_body = json!({ "metadata": { "resourceVersion": seen }, "spec": { "capacity": 5 } });
    for (method, path, headers, body) in [
        ("PUT", path.clone(), vec![("if-match", tag.as_str())], &put),
        ("PATCH", path.clone(), vec![("if-match", tag.as_str())], &put),
        ("PUT", path.clone(), vec![], &in_body),
        ("PATCH", path.clone(), vec![], &in_body),
        ("DELETE", path.clone(), vec![("if-match", tag.as_str())], &none),
        ("POST", format!("{path}/cordon"), vec![("if-match", tag.as_str())], &none),
        ("PUT", path.clone(), vec![("if-none-match", "*")], &put),
        ("PUT", worker_path(NEW), vec![("if-match", "*")], &put),
        ("PUT", worker_path(NEW), vec![("if-match", tag.as_str())], &put),
    ] {
        let refused = fixture.ask_with(method, &path, &headers, body).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (StatusCode::PRECONDITION_FAILED, "stale"),
            "{method} {path}"
        );
    }
    assert_eq!(fixture.get(&path).await.version(), now);
    assert_eq!(
        fixture.ask_with("PUT", &worker_path(NEW), &[("if-none-match", "*")], &put).await.status,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn a_dry_run_answers_like_the_change_and_changes_nothing() {
    let fixture = Fixture::new().await;
    let before = (
        fixture.get("/api/v1/workers").await.body,
        fixture.get("/api/v1/audit").await.body,
        in_force(&fixture),
    );
    let (w1, new) = (worker_path(W1), worker_path(NEW));
    for (method, path, body, status) in [
        ("PUT", new.clone(), json!({ "spec": { "capacity": 4 } }), StatusCode::CREATED),
        ("PUT", w1.clone(), json!({ "spec": { "capacity": 9 } }), StatusCode::OK),
        ("PATCH", w1.clone(), json!({ "spec": { "capacity": 9 } }), StatusCode::OK),
        ("DELETE", w1.clone(), Value::Null, StatusCode::ACCEPTED),
        ("POST", format!("{w1}/cordon"), Value::Null, StatusCode::OK),
        (
            "PUT",
            "/api/v1/pools/x".to_owned(),
            json!({ "spec": { "match": { "prefix": "/x" } } }),
            StatusCode::CREATED,
        ),
        ("DELETE", "/api/v1/pools/ocr".to_owned(), Value::Null, StatusCode::OK),
        ("PATCH", "/api/v1/policies/ocr".to_owned(), json!({ "spec": { "max_waiting": 1 } }), StatusCode::OK),
        ("PUT", w1.clone(), json!({ "spec": { "capacity": 0 } }), StatusCode::BAD_REQUEST),
    ] {
        let answer = fixture.ask(method, &format!("{path}?dry_run=true"), &body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        if status.is_success() {
            assert_eq!(answer.headers["slotway-dry-run"], "true");
        }
        if body["spec"]["capacity"] == 9 {
            assert_eq!(answer.body["spec"]["capacity"], 9);
        }
    }
    let after = (
        fixture.get("/api/v1/workers").await.body,
        fixture.get("/api/v1/audit").await.body,
        in_force(&fixture),
    );
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_deleted_worker_is_shown_while_it_drains() {
    let fixture = Fixture::new().await;
    let path = worker_path(W1);
    for _ in 0..2 {
        let answer = fixture.ask("DELETE", &path, &Value::Null).await;
        assert_eq!(
            (answer.status, &answer.body["status"]["state"]),
            (StatusCode::ACCEPTED, &json!("draining"))
        );
    }
    let shown = fixture.get(&path).await;
    assert_eq!((shown.status, &shown.body["status"]["state"]), (StatusCode::OK, &json!("draining")));
    assert!(shown.body["status"]["reason"].as_str().unwrap().contains("removed"));
    assert_eq!(in_force(&fixture), [pair(W2, "preannotation")]);

    let back = fixture.ask("PUT", &path, &json!({ "spec": { "capacity": 2 } })).await;
    assert_eq!(back.status, StatusCode::OK, "the worker still exists");
    assert_eq!(in_force(&fixture), [pair(W1, "preannotation"), pair(W2, "preannotation")]);
    let missing = fixture.ask("DELETE", &worker_path(NEW), &Value::Null).await;
    assert_eq!((missing.status, missing.problem()), (StatusCode::NOT_FOUND, "unknown-worker"));
    assert_eq!(missing.body["known"], json!([W1, W2]));
}

#[tokio::test]
async fn a_worker_that_is_put_into_another_pool_drains_first() {
    let fixture = Fixture::new().await;
    let moved = fixture.ask("PATCH", &worker_path(W1), &json!({ "spec": { "pool": "ocr" } })).await;
    assert_eq!((moved.status, &moved.body["spec"]["pool"]), (StatusCode::OK, &json!("ocr")));
    assert_eq!(moved.body["status"]["state"], "draining");
    assert_eq!(
        moved.body["status"]["reason"],
        "it moves to pool ocr once its requests in pool preannotation have ended"
    );
    assert_eq!(in_force(&fixture), [pair(W2, "preannotation")]);
    let refused = fixture.ask("DELETE", "/api/v1/pools/preannotation", &Value::Null).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "it still has requests");
    let back = fixture.ask("PATCH", &worker_path(W1), &json!({ "spec": { "pool": "preannotation" } })).await;
    assert_eq!(back.body["status"]["state"], "unknown");
    assert_eq!(
        in_force(&fixture),
        [pair(W1, "preannotation"), pair(W2, "preannotation")],
        "the worker has not left its pool"
    );
}

#[tokio::test]
async fn workers_are_listed_with_filters_and_pages() {
    let fixture = Fixture::new().await;
    for number in 0..6 {
        let labels =
            json!({ "kind": if number % 2 == 0 { "even" } else { "odd" }, "number": number.to_string() });
        let body = json!({ "metadata": { "labels": labels }, "spec": { "capacity": 1, "pool": "ocr" } });
        fixture.ask("PUT", &worker_path(&format!("http://w{number}")), &body).await;
    }
    fixture.ask("POST", &format!("{}/cordon", worker_path("http://w3")), &Value::Null).await;
    let names = async |query: &str| {
        let list = fixture.get(&format!("/api/v1/workers?{query}")).await;
        assert_eq!(list.status, StatusCode::OK, "{}", list.body);
        let items = list.body["items"].as_array().unwrap().clone();
        let name = |item: &Value| {
            item["metadata"]["name"].as_str().unwrap().trim_start_matches("http://").to_owned()
        };
        (items.iter().map(name).collect::<Vec<_>>(), list.body["continue"].as_str().map(str::to_owned))
    };
    assert_eq!(names("pool=ocr&label=kind=even").await.0, ["w0", "w2", "w4"]);
    assert_eq!(names("label=kind%3Deven&label=number=4").await.0, ["w4"]);
    assert_eq!(names("state=cordoned").await.0, ["w3"]);
    assert_eq!(names("pool=none").await.0, [""; 0]);
    let (first, next) = names("limit=5").await;
    assert_eq!(first, ["127.0.0.1:9001", "127.0.0.1:9002", "w0", "w1", "w2"]);
    let (rest, end) = names(&format!("limit=5&continue={}", next.unwrap())).await;
    assert_eq!((rest, end), (vec!["w3".to_owned(), "w4".to_owned(), "w5".to_owned()], None));
}

#[tokio::test]
async fn metrics_count_workers_by_pool_and_state() {
    let fixture = Fixture::new().await;
    fixture.ask("POST", &format!("{}/cordon", worker_path(W1)), &Value::Null).await;
    let metrics = fixture.get("/metrics").await.body;
    for line in [
        r#"slotway_workers{pool="preannotation",state="cordoned"} 1"#,
        r#"slotway_workers{pool="preannotation",state="unknown"} 1"#,
        r#"slotway_workers{pool="ocr",state="active"} 0"#,
    ] {
        assert!(metrics.as_str().unwrap().lines().any(|other| other == line), "{line} is not in\n{metrics}");
    }
}
