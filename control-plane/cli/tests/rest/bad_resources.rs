use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::fixture::{Fixture, worker_path};

const W1: &str = "http://127.0.0.1:9001";

async fn all(fixture: &Fixture) -> Vec<Value> {
    let mut all = Vec::new();
    for kind in ["pools", "policies", "workers"] {
        all.push(fixture.get(&format!("/api/v1/{kind}")).await.body["items"].clone());
    }
    all
}

fn worker(changes: &[(&str, Value)]) -> Value {
    let mut body = json!({ "kind": "Worker", "metadata": {}, "spec": { "capacity": 1 } });
    for (pointer, value) in changes {
        let mut at = &mut body;
        for step in pointer.split('/') {
            at = &mut at[step];
        }
        *at = value.clone();
    }
    body
}

/// Invalid workers, the field in the error, and a part of its text.
fn wrong_workers() -> Vec<(Value, &'static str, &'static str)> {
    let many: serde_json::Map<_, _> = (0..33).map(|number| (format!("l{number}"), json!(""))).collect();
    let label = |name: &str, value: &str| worker(&[("metadata/labels", json!({ name: value }))]);
    vec![
        (worker(&[("spec/capacity", json!(0))]), "spec.capacity", "from 1 to 65535"),
        (worker(&[("spec/capacity", json!(65_536))]), "spec.capacity", "from 1 to 65535"),
        (worker(&[("spec/capacity", json!("1"))]), "spec.capacity", "a whole number from 1 to 65535"),
        (worker(&[("spec", json!({}))]), "spec", "missing field `capacity`"),
        (worker(&[("spec/slots", json!(1))]), "spec.slots", "unknown field `slots`"),
        (worker(&[("state", json!("active"))]), "state", "unknown field `state`"),
        (worker(&[("metadata/annotations", json!({}))]), "metadata.annotations", "unknown field"),
        (worker(&[("kind", json!("Pool"))]), "kind", "the kind of this path, \"Worker\""),
        (worker(&[("metadata/name", json!("http://other"))]), "metadata.name", "A name cannot be changed"),
        (worker(&[("spec/pool", json!("A"))]), "spec.pool", "is not a"),
        (worker(&[("spec/pool", json!("none"))]), "spec.pool", "there is preannotation, ocr"),
        (worker(&[("spec/protocol", json!("http3"))]), "spec.protocol", "unknown variant `http3`"),
        (worker(&[("spec/tls", json!({}))]), "spec.tls", "only an https worker"),
        (worker(&[("spec/tls", json!({ "ca": 1 }))]), "spec.tls.ca", "unknown field `ca`"),
        (worker(&[("spec/cordoned", json!("yes"))]), "spec.cordoned", "expected a boolean"),
        (worker(&[("spec/heartbeat", json!({}))]), "spec.heartbeat", "missing field `path`"),
        (worker(&[("spec/heartbeat", json!({ "path": "x" }))]), "spec.heartbeat", "must begin with /"),
        (
            worker(&[("spec/heartbeat", json!({ "path": "/", "interval": "1ms" }))]),
            "spec.heartbeat",
            "from 100ms to 1h",
        ),
        (
            worker(&[("spec/heartbeat", json!({ "path": "/", "timeout": "2m" }))]),
            "spec.heartbeat",
            "from 10ms to 1m",
        ),
        (
            worker(&[("spec/heartbeat", json!({ "path": "/", "threshold": 0 }))]),
            "spec.heartbeat",
            "from 1 to 100",
        ),
        (worker(&[("spec/slow_start", json!("61m"))]), "spec.slow_start", "at most 1h"),
        (worker(&[("spec/slow_start", json!("fast"))]), "spec.slow_start", "is not a duration"),
        (worker(&[("metadata/labels", Value::Object(many))]), "metadata.labels", "33 labels are too many"),
        (label(&"a".repeat(64), ""), "metadata.labels", "is not a label's name"),
        (label("", ""), "metadata.labels", "is not a label's name"),
        (label("a", &"b".repeat(64)), "metadata.labels", "at most 63 bytes"),
        (label("a", "b\u{1b}"), "metadata.labels", "without control characters"),
        (worker(&[("metadata/notes", json!("a".repeat(4_097)))]), "metadata.notes", "at most 4096"),
        (worker(&[("metadata/notes", json!("a\u{0}b"))]), "metadata.notes", "control characters"),
        (
            worker(&[("metadata/resourceVersion", json!("new"))]),
            "metadata.resourceVersion",
            "is not a version",
        ),
    ]
}

#[tokio::test]
async fn an_invalid_worker_is_refused_with_its_field_and_nothing_changes() {
    let fixture = Fixture::new().await;
    let before = all(&fixture).await;
    for (body, field, says) in wrong_workers() {
        for method in ["PUT", "PATCH"] {
            // A patch without a capacity keeps the current one.
            if method == "PATCH" && says.contains("missing field `capacity`") {
                continue;
            }
            let answer = fixture.ask(method, &worker_path(W1), &body).await;
            assert_eq!(
                (answer.status, answer.problem()),
                (StatusCode::BAD_REQUEST, "bad-body"),
                "{method} {body}"
            );
            assert_eq!(answer.body["field"], field, "{method} {body}: {}", answer.body);
            let detail = answer.body["detail"].as_str().unwrap();
            assert!(detail.contains(says), "{method} {body}: {detail}");
        }
    }
    assert_eq!(all(&fixture).await, before);
}

#[tokio::test]
async fn an_invalid_pool_or_policy_is_refused_with_its_field_and_nothing_changes() {
    let fixture = Fixture::new().await;
    let before = all(&fixture).await;
    for (path, body, field, says) in [
        (
            "pools/ocr",
            json!({ "spec": { "match": { "prefix": "ocr" } } }),
            "spec.match.prefix",
            "must begin with /",
        ),
        (
            "pools/ocr",
            json!({ "spec": { "match": { "prefix": "/a?b" } } }),
            "spec.match.prefix",
            "must begin with /",
        ),
        (
            "pools/ocr",
            json!({ "spec": { "match": { "prefix": "/a", "host": "b" } } }),
            "spec.match.host",
            "unknown field",
        ),
        (
            "pools/ocr",
            json!({ "spec": { "match": { "prefix": "/a" }, "position": -1 } }),
            "spec.position",
            "invalid value",
        ),
        (
            "pools/ocr",
            json!({ "spec": { "match": { "prefix": "/a" }, "workers": [] } }),
            "spec.workers",
            "unknown field",
        ),
        (
            "pools/ocr",
            json!({ "kind": "Policy", "spec": { "match": { "prefix": "/a" } } }),
            "kind",
            "the kind of this path, \"Pool\"",
        ),
        (
            "pools/ocr",
            json!({ "metadata": { "name": "other" }, "spec": { "match": { "prefix": "/a" } } }),
            "metadata.name",
            "cannot be changed",
        ),
        (
            "pools/ocr",
            json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "match": { "prefix": "/a" } } }),
            "metadata.labels",
            "only workers",
        ),
        (
            "pools/ocr",
            json!({ "metadata": { "notes": "a" }, "spec": { "match": { "prefix": "/a" } } }),
            "metadata.notes",
            "only workers",
        ),
        ("policies/ocr", json!({ "spec": { "max_waiting": 65_537 } }), "spec.max_waiting", "at most 65536"),
        (
            "policies/ocr",
            json!({ "spec": { "free_worker_timeout": "8d" } }),
            "spec.free_worker_timeout",
            "is not a duration",
        ),
        (
            "policies/ocr",
            json!({ "spec": { "answer_timeout": 5 } }),
            "spec.answer_timeout",
            "is not a duration",
        ),
        (
            "policies/ocr",
            json!({ "spec": { "abandoned_hold": "169h" } }),
            "spec.abandoned_hold",
            "at most 7 days",
        ),
        ("policies/ocr", json!({ "spec": { "match": { "prefix": "/" } } }), "spec.match", "unknown field"),
    ] {
        for method in ["PUT", "PATCH"] {
            let answer = fixture.ask(method, &format!("/api/v1/{path}"), &body).await;
            assert_eq!(
                (answer.status, answer.problem()),
                (StatusCode::BAD_REQUEST, "bad-body"),
                "{method} {body}"
            );
            assert_eq!(answer.body["field"], field, "{method} {body}: {}", answer.body);
            let detail = answer.body["detail"].as_str().unwrap();
            assert!(detail.contains(says), "{method} {body}: {detail}");
        }
    }
    let answer =
        fixture.ask("PUT", "/api/v1/pools/OCR", &json!({ "spec": { "match": { "prefix": "/a" } } })).await;
    assert_eq!((answer.status, &answer.body["field"]), (StatusCode::BAD_REQUEST, &json!("metadata.name")));
    let answer = fixture.ask("PUT", "/api/v1/pools/a", &json!({ "spec": {} })).await;
    assert_eq!(
        (answer.status, &answer.body["field"]),
        (StatusCode::BAD_REQUEST, &json!("spec")),
        "a match is needed"
    );
    assert_eq!(all(&fixture).await, before);
}

#[tokio::test]
async fn invalid_json_queries_and_preconditions_are_refused() {
    let fixture = Fixture::new().await;
    let before = all(&fixture).await;
    let authorization = fixture.control_plane.token.authorization();
    let put = r#"{"spec": {"capacity": 1}}"#;
    let path = worker_path(W1);
    let text = [("authorization", authorization.as_str()), ("content-type", "text/plain")];
    let answer = fixture.send("PUT".parse().unwrap(), &path, &text, put).await;
    assert_eq!((answer.status, answer.problem()), (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json"));
    for (path, headers, body) in [
        (path.clone(), vec![], json!("{")),
        (path.clone(), vec![], json!([])),
        (format!("{path}?dry_run=maybe"), vec![], json!({ "spec": { "capacity": 1 } })),
        (path.clone(), vec![("if-match", "42")], json!({ "spec": { "capacity": 1 } })),
        (path.clone(), vec![("if-none-match", "\"42\"")], json!({ "spec": { "capacity": 1 } })),
        (path.clone(), vec![("if-none-match", "*"), ("if-match", "*")], json!({ "spec": { "capacity": 1 } })),
        ("/api/v1/workers/nobody".to_owned(), vec![], json!({ "spec": { "capacity": 1 } })),
        ("/api/v1/workers/http%3A%2F%2Fu%3Ap%40a".to_owned(), vec![], json!({ "spec": { "capacity": 1 } })),
    ] {
        let answer = fixture.ask_with("PUT", &path, &headers, &body).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (StatusCode::BAD_REQUEST, "bad-body"),
            "{path} {headers:?} {body}"
        );
    }
    // Of two equal names, a client and a server could read different ones.
    let json = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    for (method, body, field) in [
        ("PUT", r#"{"spec": {"capacity": 1, "capacity": 9}}"#, "spec"),
        ("PATCH", r#"{"spec": {"capacity": 1, "capacity": 9}}"#, "spec"),
        ("PATCH", r#"{"metadata": {"labels": {"gpu": "a", "gpu": "b"}}}"#, "metadata.labels"),
    ] {
        let answer = fixture.send(method.parse().unwrap(), &path, &json, body).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (StatusCode::BAD_REQUEST, "bad-body"),
            "{method} {body}"
        );
        assert_eq!(answer.body["field"], field, "{method} {body}");
        assert!(answer.body["detail"].as_str().unwrap().contains("duplicate field"), "{}", answer.body);
    }
    for query in ["limit=0", "limit=1001", "limit=x", "state=busy", "label=gpu", "shape=round"] {
        let answer = fixture.get(&format!("/api/v1/workers?{query}")).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::BAD_REQUEST, "bad-body"), "{query}");
        assert_eq!(answer.body["field"].as_str(), query.split('=').next(), "{query}");
    }
    for kind in ["pools", "policies"] {
        assert_eq!(fixture.get(&format!("/api/v1/{kind}?limit=0")).await.status, StatusCode::BAD_REQUEST);
    }
    assert_eq!(all(&fixture).await, before);
}

#[tokio::test]
async fn without_the_token_nothing_is_changed() {
    let fixture = Fixture::new().await;
    let before = all(&fixture).await;
    let json = [("content-type", "application/json")];
    for (method, path) in [
        ("PUT", worker_path(W1)),
        ("PATCH", worker_path(W1)),
        ("DELETE", worker_path(W1)),
        ("POST", format!("{}/cordon", worker_path(W1))),
        ("PUT", "/api/v1/pools/ocr".to_owned()),
        ("DELETE", "/api/v1/pools/ocr".to_owned()),
        ("PATCH", "/api/v1/policies/ocr".to_owned()),
        ("POST", "/api/v1/apply".to_owned()),
    ] {
        let answer = fixture.send(method.parse().unwrap(), &path, &json, "{}").await;
        assert_eq!(
            (answer.status, answer.problem()),
            (StatusCode::UNAUTHORIZED, "unauthorized"),
            "{method} {path}"
        );
    }
    assert_eq!(all(&fixture).await, before);
}
