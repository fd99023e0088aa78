use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::fixture::Fixture;

const W1: &str = "http://127.0.0.1:9001";

fn pool(name: &str, prefix: &str) -> Value {
    json!({ "kind": "Pool", "metadata": { "name": name }, "spec": { "match": { "prefix": prefix } } })
}

fn worker(url: &str, capacity: u32, pool: &str) -> Value {
    json!({ "kind": "Worker", "metadata": { "name": url }, "spec": { "capacity": capacity, "pool": pool } })
}

async fn apply(fixture: &Fixture, items: &[Value]) -> (StatusCode, Value) {
    let answer = fixture.ask("POST", "/api/v1/apply", &json!({ "items": items })).await;
    (answer.status, answer.body)
}

async fn all(fixture: &Fixture) -> Vec<Value> {
    let mut all = Vec::new();
    for kind in ["pools", "policies", "workers"] {
        all.push(fixture.get(&format!("/api/v1/{kind}")).await.body["items"].clone());
    }
    all
}

fn actions(body: &Value) -> Vec<&str> {
    body["items"].as_array().unwrap().iter().map(|item| item["action"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_list_is_applied_in_any_order_and_shows_each_item_before_and_after() {
    let fixture = Fixture::new().await;
    let items = [
        worker("http://t", 2, "training"),
        json!({ "kind": "Policy", "metadata": { "name": "training" }, "spec": { "max_waiting": 3 } }),
        pool("training", "/training"),
        worker(W1, 3, "preannotation"),
        json!({ "kind": "Policy", "metadata": { "name": "ocr" }, "spec": { "answer_timeout": "1m" } }),
    ];
    let before = all(&fixture).await;
    let dry = fixture.ask("POST", "/api/v1/apply?dry_run=true", &json!({ "items": items })).await;
    assert_eq!(
        (dry.status, &dry.headers["slotway-dry-run"]),
        (StatusCode::OK, &"true".parse().unwrap()),
        "{}",
        dry.body
    );
    assert_eq!(actions(&dry.body), ["created", "created", "created", "unchanged", "changed"]);
    assert_eq!(all(&fixture).await, before, "a dry run changes nothing");

    let (status, body) = apply(&fixture, &items).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(actions(&body), actions(&dry.body));
    let changed = &body["items"][4];
    assert_eq!(
        (&changed["before"]["spec"]["answer_timeout"], &changed["after"]["spec"]["answer_timeout"]),
        (&json!("10m"), &json!("1m"))
    );
    assert_eq!(
        (&body["items"][0]["before"], &body["items"][0]["after"]["spec"]["pool"]),
        (&Value::Null, &json!("training"))
    );
    assert_eq!(body["items"][3]["before"], body["items"][3]["after"]);
    let rows = fixture.get("/api/v1/audit?limit=4").await.body["changes"].clone();
    let revisions: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["revision"].clone()).collect();
    assert!(revisions.iter().all(|revision| *revision == revisions[0]), "all in one commit: {rows}");

    let (_, again) = apply(&fixture, &items).await;
    assert_eq!(actions(&again), ["unchanged"; 5]);
}

#[tokio::test]
async fn pools_can_exchange_their_matches_and_get_the_requested_order() {
    let fixture = Fixture::new().await;
    let (status, body) = apply(&fixture, &[pool("preannotation", "/ocr"), pool("ocr", "/")]).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let at = |name: &str, position: u32| json!({ "kind": "Pool", "metadata": { "name": name }, "spec": { "match": { "prefix": format!("/{name}") }, "position": position } });
    let (status, body) = apply(&fixture, &[at("c", 2), at("a", 0), at("b", 1)]).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let desired = fixture.control_plane.workers.desired().borrow().clone();
    let names: Vec<_> = desired.pools.iter().map(|pool| pool.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "preannotation", "ocr"]);
}

#[tokio::test]
async fn one_invalid_item_changes_nothing_and_is_named_by_its_index() {
    let fixture = Fixture::new().await;
    let right = pool("training", "/training");
    let before = all(&fixture).await;
    let version = |version: &str| json!({ "kind": "Worker", "metadata": { "name": W1, "resourceVersion": version }, "spec": { "capacity": 1 } });
    for (wrong, status, kind, field) in [
        (json!({ "kind": "Pod", "metadata": { "name": "a" }, "spec": {} }), 400, "bad-body", Some("kind")),
        (json!({ "metadata": { "name": "a" }, "spec": {} }), 400, "bad-body", Some("kind")),
        (json!("Pool"), 400, "bad-body", Some("kind")),
        (json!({ "kind": "Worker", "spec": { "capacity": 1 } }), 400, "bad-body", Some("metadata.name")),
        (pool("A", "/a"), 400, "bad-body", Some("metadata.name")),
        (pool("a", "a"), 400, "bad-body", Some("spec.match.prefix")),
        (worker("nobody", 1, "ocr"), 400, "bad-body", Some("metadata.name")),
        (worker("http://a", 0, "ocr"), 400, "bad-body", Some("spec.capacity")),
        (worker("http://a", 1, "none"), 400, "bad-body", Some("spec.pool")),
        (pool("training", "/other"), 400, "bad-body", Some("metadata.name")),
        (pool("other", "/ocr"), 409, "conflict", Some("spec.match")),
        (json!({ "kind": "Policy", "metadata": { "name": "none" }, "spec": {} }), 404, "unknown-pool", None),
        (
            json!({ "kind": "Policy", "metadata": { "name": "ocr" }, "spec": { "max": 1 } }),
            400,
            "bad-body",
            Some("spec.max"),
        ),
        (version("1000000"), 412, "stale", None),
        (version("x"), 400, "bad-body", Some("metadata.resourceVersion")),
    ] {
        let answer = fixture.ask("POST", "/api/v1/apply", &json!({ "items": [right, wrong] })).await;
        assert_eq!((answer.status.as_u16(), answer.problem()), (status, kind), "{wrong}: {}", answer.body);
        assert_eq!(answer.body["index"], 1, "{wrong}: {}", answer.body);
        assert_eq!(answer.body["field"].as_str(), field, "{wrong}: {}", answer.body);
        assert_eq!(all(&fixture).await, before, "{wrong}");
    }
    for body in [
        json!({}),
        json!({ "items": [] }),
        json!({ "items": {} }),
        json!({ "items": [], "force": true }),
        json!([]),
    ] {
        let answer = fixture.ask("POST", "/api/v1/apply", &body).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::BAD_REQUEST, "bad-body"), "{body}");
    }
    let many: Vec<_> = (0..5).map(|number| worker(&format!("http://w{number}"), 65_535, "ocr")).collect();
    let (status, body) = apply(&fixture, &many).await;
    assert_eq!(
        (status, &body["index"], &body["field"]),
        (StatusCode::CONFLICT, &json!(4), &json!("spec.capacity")),
        "{body}"
    );
    assert!(body["detail"].as_str().unwrap().contains("pool ocr: 327675 slots"), "{body}");
    assert_eq!(all(&fixture).await, before);
}

#[tokio::test]
async fn the_scope_for_workers_applies_workers_and_no_pools() {
    let fixture = Fixture::new().await;
    let token = json!({ "metadata": { "name": "autoscaler" }, "spec": { "scope": "workers" } });
    let token =
        fixture.ask("POST", "/api/v1/tokens", &token).await.body["secret"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let before = all(&fixture).await;
    let apply = async |items: Value| {
        let body = json!({ "items": items }).to_string();
        fixture.send("POST".parse().unwrap(), "/api/v1/apply", &headers, &body).await
    };
    let policy = json!({ "kind": "Policy", "metadata": { "name": "ocr" }, "spec": {} });
    for item in [pool("training", "/training"), policy] {
        let refused = apply(json!([worker("http://a", 1, "ocr"), item])).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (StatusCode::FORBIDDEN, "forbidden"),
            "{}",
            refused.body
        );
        assert_eq!(refused.body["index"], 1);
    }
    assert_eq!(all(&fixture).await, before);
    let applied = apply(json!([worker("http://a", 1, "ocr")])).await;
    assert_eq!(applied.status, StatusCode::OK, "{}", applied.body);
}
