use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{fixture::Fixture, people::SignedInUser};

#[tokio::test]
async fn a_token_has_its_scope_and_is_named_in_audit_entries() {
    let fixture = Fixture::new().await;
    let list = json!([{ "worker": "http://new", "capacity": 1 }]).to_string();
    let limits = json!({ "spec": { "servers_max": 3 } }).to_string();
    for (scope, workers, settings) in [("read", 403, 403), ("workers", 200, 403), ("admin", 200, 200)] {
        let secret = fixture.token(scope, scope).await;
        let authorization = format!("Bearer {secret}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let answer = fixture.send(Method::POST, "/coordinator/workers", &headers, &list).await;
        assert_eq!(answer.status, workers, "{scope}: {}", answer.body);
        let answer = fixture.send(Method::PUT, "/api/v1/server-limits/slotway", &headers, &limits).await;
        assert_eq!(answer.status, settings, "{scope}: {}", answer.body);
        let who = fixture.send(Method::GET, "/api/v1/session", &headers, "").await;
        assert_eq!((&who.body["who"], &who.body["scope"]), (&json!(format!("token {scope}")), &json!(scope)));
        assert_eq!((&who.body["user"], &who.body["csrf_token"]), (&json!(null), &json!(null)));
    }
    let audit = fixture.get("/api/v1/audit?who=token%20workers").await;
    assert_eq!(audit.body["changes"][0]["key"], "http://new");
}

#[tokio::test]
async fn a_secret_is_shown_once_and_a_deleted_token_is_refused() {
    let fixture = Fixture::new().await;
    let secret = fixture.token("t", "read").await;
    assert!(secret.starts_with("slotway_"), "{secret}");
    let authorization = format!("Bearer {secret}");
    let headers = [("authorization", authorization.as_str()), ("host", "elsewhere")];
    assert_eq!(fixture.send(Method::GET, "/coordinator/workers", &headers, "").await.status, StatusCode::OK);
    let listed = fixture.admin(Method::GET, "/api/v1/tokens", &json!(null)).await.body;
    let shown = fixture.admin(Method::GET, "/api/v1/tokens/t", &json!(null)).await.body;
    let audit = fixture.get("/api/v1/audit").await.body;
    for answer in [&listed, &shown, &audit] {
        assert!(!answer.to_string().contains(&secret[8..]), "{answer}");
    }
    assert_eq!(shown["spec"], json!({ "scope": "read", "expires_at": null }));
    assert!(shown["status"]["last_used_at"].is_string(), "{shown}");
    // The last use is stored a moment later, and so possibly between the two reads.
    let besides_use = |shown: &Value| {
        let mut shown = shown.clone();
        shown["status"]["last_used_at"] = Value::Null;
        shown["metadata"]["resourceVersion"] = Value::Null;
        shown
    };
    assert_eq!(besides_use(&listed["items"][0]), besides_use(&shown));
    assert_eq!(fixture.admin(Method::DELETE, "/api/v1/tokens/t", &json!(null)).await.status, StatusCode::OK);
    let answer = fixture.send(Method::GET, "/coordinator/workers", &headers, "").await;
    assert_eq!((answer.status, answer.problem()), (StatusCode::UNAUTHORIZED, "unauthorized"));
    let answer = fixture.admin(Method::DELETE, "/api/v1/tokens/t", &json!(null)).await;
    assert_eq!((answer.status, answer.problem()), (StatusCode::NOT_FOUND, "unknown-token"));
}

/// The body, the field in the error, and a part of its text.
const WRONG: &[(&str, &str, &str)] = &[
    (r#"{"spec": {"scope": "read"}}"#, "metadata.name", "must have a name"),
    (r#"{"metadata": {"name": "A"}, "spec": {"scope": "read"}}"#, "metadata.name", "is not a name"),
    (r#"{"metadata": {"name": "t"}}"#, "", "missing field `spec`"),
    (r#"{"metadata": {"name": "t"}, "spec": {}}"#, "spec", "missing field `scope`"),
    (r#"{"metadata": {"name": "t"}, "spec": {"scope": "root"}}"#, "spec.scope", "unknown variant"),
    (
        r#"{"metadata": {"name": "t"}, "spec": {"scope": "read", "expires_in": "soon"}}"#,
        "spec.expires_in",
        "is not a duration",
    ),
    (
        r#"{"metadata": {"name": "t"}, "spec": {"scope": "read", "expires_in": "1s"}}"#,
        "spec.expires_in",
        "from 1m",
    ),
    (
        r#"{"metadata": {"name": "t"}, "spec": {"scope": "read", "expires_in": "9999d"}}"#,
        "spec.expires_in",
        "to 3660d",
    ),
    (
        r#"{"metadata": {"name": "t"}, "spec": {"scope": "read", "secret": "x"}}"#,
        "spec.secret",
        "unknown field",
    ),
    (r#"{"kind": "User", "metadata": {"name": "t"}, "spec": {"scope": "read"}}"#, "kind", "\"Token\""),
    (r#"{"metadata": {"name": "t", "notes": "x"}, "spec": {"scope": "read"}}"#, "metadata.notes", "no notes"),
    ("7", "", "invalid type"),
];

#[tokio::test]
async fn an_invalid_token_request_is_refused_with_its_field_and_creates_none() {
    let fixture = Fixture::new().await;
    let authorization = fixture.control_plane.token.authorization();
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    for (body, field, says) in WRONG {
        let answer = fixture.send(Method::POST, "/api/v1/tokens", &headers, body).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::BAD_REQUEST, "bad-body"), "{body}");
        let at = if field.is_empty() { json!(null) } else { json!(field) };
        assert_eq!(answer.body["field"], at, "{body}: {}", answer.body);
        assert!(answer.body["detail"].as_str().unwrap().contains(says), "{body}: {}", answer.body);
    }
    let dry = json!({ "metadata": { "name": "t" }, "spec": { "scope": "read", "expires_in": "30d" } });
    let answer = fixture.admin(Method::POST, "/api/v1/tokens?dry_run=true", &dry).await;
    assert_eq!((answer.status, answer.body.get("secret")), (StatusCode::CREATED, None));
    assert_eq!(fixture.admin(Method::GET, "/api/v1/tokens", &json!(null)).await.body["items"], json!([]));
    fixture.token("t", "read").await;
    let again = fixture.admin(Method::POST, "/api/v1/tokens", &dry).await;
    assert_eq!((again.status, again.problem()), (StatusCode::CONFLICT, "conflict"));
}

#[tokio::test]
async fn a_viewer_creates_read_tokens_and_sees_only_the_own_ones() {
    let fixture = Fixture::new().await;
    fixture.user("vic", "viewer").await;
    fixture.token("another", "admin").await;
    let vic = SignedInUser::signed_in(&fixture, "vic").await;
    let token = |scope: &str| json!({ "metadata": { "name": "vics" }, "spec": { "scope": scope } });
    for scope in ["workers", "admin"] {
        let answer = vic.change(&fixture, Method::POST, "/api/v1/tokens", &token(scope)).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::FORBIDDEN, "forbidden"), "{scope}");
    }
    let made = vic.change(&fixture, Method::POST, "/api/v1/tokens", &token("read")).await;
    assert_eq!((made.status, &made.body["status"]["owner"]), (StatusCode::CREATED, &json!("vic")));
    let listed = vic.get(&fixture, "/api/v1/tokens").await.body;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(vic.get(&fixture, "/api/v1/tokens/another").await.status, StatusCode::NOT_FOUND);
    let answer = vic.change(&fixture, Method::DELETE, "/api/v1/tokens/vics", &json!({})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}
