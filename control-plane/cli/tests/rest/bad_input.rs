use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::fixture::Fixture;

const RIGHT: &str = r#"{"worker": "http://right", "capacity": 1}"#;

/// The second entry of the list, the field in the error, and a part of its text.
const WRONG: &[(&str, Option<&str>, &str)] = &[
    (r#"{"worker": "http://a"}"#, None, "missing field `capacity`"),
    (r#"{"capacity": 1}"#, None, "missing field `worker`"),
    (r#"{"worker": "http://a", "capacity": 0}"#, Some("capacity"), "from 1 to 65535"),
    (r#"{"worker": "http://a", "capacity": 65536}"#, Some("capacity"), "from 1 to 65535"),
    (r#"{"worker": "http://a", "capacity": -1}"#, Some("capacity"), "from 1 to 65535"),
    (r#"{"worker": "http://a", "capacity": "1"}"#, Some("capacity"), "a whole number from 1 to 65535"),
    (r#"{"worker": "http://a", "capacity": 1.5}"#, Some("capacity"), "a whole number from 1 to 65535"),
    (r#"{"worker": "http://a", "capacity": 1, "slots": 1}"#, Some("slots"), "unknown field `slots`"),
    (r#"{"worker": "a:9001", "capacity": 1}"#, Some("worker"), "must begin with http:// or https://"),
    (r#"{"worker": "ftp://a", "capacity": 1}"#, Some("worker"), "must begin with http:// or https://"),
    (
        r#"{"worker": "http://a?b", "capacity": 1}"#,
        Some("worker"),
        "a query or fragment cannot be part of it",
    ),
    (
        r#"{"worker": "http://u:p@a", "capacity": 1}"#,
        Some("worker"),
        "user and password cannot be part of it",
    ),
    (
        r#"{"worker": "http://RIGHT:80/", "capacity": 2}"#,
        Some("worker"),
        "cannot stand twice; the first is entry 0",
    ),
    (r#"{"worker": "http://a", "capacity": 1, "pool": "A"}"#, Some("pool"), "is not a name for a pool"),
    (r#"{"worker": "http://a", "capacity": 1, "pool": "none"}"#, Some("pool"), "there is preannotation, ocr"),
    (
        r#"{"worker": "http://a", "capacity": 1, "protocol": "http3"}"#,
        Some("protocol"),
        "unknown variant `http3`",
    ),
    (r#"{"worker": "http://a", "capacity": 1, "tls": {}}"#, Some("tls"), "only an https worker"),
    (r#"{"worker": "https://a", "capacity": 1, "tls": {"ca": 1}}"#, Some("tls.ca"), "unknown field `ca`"),
    ("3", None, "invalid type: integer `3`"),
];

#[tokio::test]
async fn an_invalid_entry_is_refused_with_its_field_and_nothing_changes() {
    let fixture = Fixture::new().await;
    let before = fixture.workers().await;
    for (wrong, field, says) in WRONG {
        let answer = fixture.post(&format!("[{RIGHT}, {wrong}]")).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::BAD_REQUEST, "bad-body"), "{wrong}");
        assert!(answer.body["detail"].as_str().unwrap().contains(says), "{wrong}: {}", answer.body);
        assert_eq!(answer.body["index"], 1, "{wrong}: {}", answer.body);
        assert_eq!(answer.body["field"], field.map_or(Value::Null, |field| json!(field)), "{wrong}");
        assert_eq!(fixture.workers().await, before, "{wrong}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_a_list_is_refused() {
    let fixture = Fixture::new().await;
    for (body, says) in [
        ("", "EOF"),
        ("[", "EOF"),
        ("[]", "the list is empty"),
        (RIGHT, "expected a sequence"),
        ("[] []", "trailing characters"),
    ] {
        let answer = fixture.post(body).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::BAD_REQUEST, "bad-body"), "{body}");
        assert!(answer.body["detail"].as_str().unwrap().contains(says), "{body}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_list_that_is_too_long_is_refused() {
    let fixture = Fixture::new().await;
    let answer = fixture.post(&format!("[{RIGHT}{}]", " ".repeat(3 * 1024 * 1024))).await;
    assert_eq!((answer.status, answer.problem()), (StatusCode::PAYLOAD_TOO_LARGE, "too-large"));
    let entry = |number| format!(r#"{{"worker":"http://w{number}","capacity":1}}"#);
    let many: Vec<_> = (0..16_385).map(entry).collect();
    let answer = fixture.post(&format!("[{}]", many.join(","))).await;
    assert_eq!((answer.status, answer.problem()), (StatusCode::BAD_REQUEST, "bad-body"));
    assert!(answer.body["detail"].as_str().unwrap().contains("at most 16384"), "{}", answer.body);
}

#[tokio::test]
async fn a_worker_of_another_pool_is_a_conflict() {
    let fixture = Fixture::new().await;
    let answer = fixture.post(r#"[{"worker": "http://127.0.0.1:9001", "capacity": 3, "pool": "ocr"}]"#).await;
    assert_eq!((answer.status, answer.problem()), (StatusCode::CONFLICT, "conflict"));
    assert_eq!((&answer.body["index"], &answer.body["field"]), (&json!(0), &json!("pool")));
}

#[tokio::test]
async fn a_delete_without_a_valid_url_is_refused() {
    let fixture = Fixture::new().await;
    let answer = fixture.delete("nonsense").await;
    assert_eq!((answer.status, answer.problem()), (StatusCode::BAD_REQUEST, "bad-body"));
    let authorization = fixture.control_plane.token.authorization();
    let headers = [("authorization", authorization.as_str())];
    let answer = fixture.send(axum::http::Method::DELETE, "/coordinator/workers", &headers, "").await;
    assert_eq!((answer.status, answer.problem()), (StatusCode::BAD_REQUEST, "bad-body"));
}
