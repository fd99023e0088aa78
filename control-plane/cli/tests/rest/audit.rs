use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixture::Fixture;

const W1: &str = "http://127.0.0.1:9001";

/// Returns author, kind, key, and the capacity before and after.
fn told(change: &Value) -> (&str, &str, &str, &Value, &Value) {
    let text = |field: &str| change[field].as_str().unwrap();
    let capacity = |field: &str| &change[field]["worker"]["capacity"];
    (text("who"), text("kind"), text("key"), capacity("before"), capacity("after"))
}

#[tokio::test]
async fn every_change_has_an_audit_entry_with_its_author_and_the_state_before() {
    let fixture = Fixture::new().await;
    fixture
        .post(&format!(r#"[{{"worker": "{W1}", "capacity": 5}}, {{"worker": "http://new", "capacity": 2}}]"#))
        .await;
    fixture.delete("http://new").await;
    let answer = fixture.get("/api/v1/audit").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let changes = answer.body["changes"].as_array().unwrap();
    let (none, admin, file) = (&Value::Null, "admin token", "config file");
    let (two, three, four, five) = (&json!(2), &json!(3), &json!(4), &json!(5));
    let mut expected = vec![
        (admin, "worker", "http://new", two, two),
        (admin, "worker", "http://new", none, two),
        (admin, "worker", W1, three, five),
        (file, "settings", "file", none, none),
        (file, "worker", "http://127.0.0.1:9002", none, four),
        (file, "worker", W1, none, three),
        (file, "policy", "ocr", none, none),
        (file, "policy", "preannotation", none, none),
        (file, "pool", "ocr", none, none),
        (file, "pool", "preannotation", none, none),
    ];
    let mut seen: Vec<_> = changes.iter().map(told).collect();
    // Changes by the control plane itself are skipped: without connected coordinators, the removed worker is released
    // at an unspecified time.
    seen.retain(|(who, ..)| *who != "system");
    assert_eq!(seen.len(), expected.len(), "{:#}", answer.body);
    // The order within a batch is that of the batch.
    let by_batch =
        |told: &(&str, &str, &str, &Value, &Value)| (told.0 == file, told.2.to_owned(), told.1.to_owned());
    seen[1..].sort_by_key(by_batch);
    expected[1..].sort_by_key(by_batch);
    assert_eq!(seen, expected);
    assert_eq!(changes[0]["after"]["standing"], changes[0]["after"]["standing"]);
    assert!(changes.iter().all(|change| change["at"].as_str().unwrap().ends_with('Z')), "{:#}", answer.body);
    assert_eq!(changes[1]["revision"], changes[2]["revision"], "both are of the same commit");
    assert_eq!(answer.body.get("next"), None, "there is no further page");
}

#[tokio::test]
async fn a_refused_change_leaves_no_audit_entry() {
    let fixture = Fixture::new().await;
    let before = fixture.get("/api/v1/audit").await.body;
    fixture
        .post(r#"[{"worker": "http://new", "capacity": 1}, {"worker": "http://new", "capacity": 1}]"#)
        .await;
    fixture.post(&format!(r#"[{{"worker": "{W1}", "capacity": 3}}]"#)).await;
    assert_eq!(fixture.get("/api/v1/audit").await.body, before);
}

#[tokio::test]
async fn changes_are_listed_with_pages_and_filters() {
    let fixture = Fixture::new().await;
    for capacity in 5..10 {
        fixture.post(&format!(r#"[{{"worker": "{W1}", "capacity": {capacity}}}]"#)).await;
    }
    let capacities = |body: &Value| {
        let changes = body["changes"].as_array().unwrap();
        changes.iter().map(|change| told(change).4.as_u64().unwrap()).collect::<Vec<_>>()
    };
    let filter = format!("kind=worker&key={W1}&who=admin%20token&limit=2");
    let first = fixture.get(&format!("/api/v1/audit?{filter}")).await.body;
    assert_eq!(capacities(&first), [9, 8]);
    let second = fixture.get(&format!("/api/v1/audit?{filter}&before={}", first["next"])).await.body;
    assert_eq!(capacities(&second), [7, 6]);
    let last = fixture.get(&format!("/api/v1/audit?{filter}&before={}", second["next"])).await.body;
    assert_eq!((capacities(&last), last.get("next")), (vec![5], None));
    let nobody = fixture.get("/api/v1/audit?who=nobody").await.body;
    assert_eq!(nobody, json!({ "changes": [] }));
}

#[tokio::test]
async fn an_invalid_filter_is_refused_with_the_valid_ones() {
    let fixture = Fixture::new().await;
    for (query, says) in [
        ("limit=0", "0 is not from 1 to 1000"),
        ("limit=1001", "1001 is not from 1 to 1000"),
        ("limit=many", "there is before, kind, key, who and limit"),
        ("before=-1", "there is before, kind, key, who and limit"),
        ("since=1", "unknown field `since`"),
        ("who=a%00b", "NUL"),
    ] {
        let answer = fixture.get(&format!("/api/v1/audit?{query}")).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::BAD_REQUEST, "bad-body"), "{query}");
        assert!(answer.body["detail"].as_str().unwrap().contains(says), "{query}: {}", answer.body);
    }
}

#[tokio::test]
async fn with_a_host_that_is_not_loopback_the_audit_log_needs_the_token() {
    let fixture = Fixture::new().await;
    let read =
        async |headers: &[(&str, &str)]| fixture.send(Method::GET, "/api/v1/audit", headers, "").await.status;
    assert_eq!(read(&[("host", "example.com")]).await, StatusCode::UNAUTHORIZED);
    let authorization = fixture.control_plane.token.authorization();
    assert_eq!(read(&[("host", "example.com"), ("authorization", &authorization)]).await, StatusCode::OK);
}
