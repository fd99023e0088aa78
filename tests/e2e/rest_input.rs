//! A request that REST refuses changes nothing.

use http_body_util::Full;
use hyper::{Request, StatusCode};
use serde_json::Value;

use slotway_test_site::{Arrivals, Setup, Slotway, TestWorker, send};

/// Invalid bodies, and the text that the refusal must contain.
const BAD_LISTS: &[(&str, &str)] = &[
    ("", ""),
    ("{}", ""),
    ("[]", "empty"),
    ("[1]", ""),
    ("null", ""),
    ("[{}]", "worker"),
    (r#"[{"worker": "http://h:1"}]"#, "capacity"),
    (r#"[{"capacity": 1}]"#, "worker"),
    (r#"[{"worker": "http://h:1", "capacity": 0}]"#, "capacity"),
    (r#"[{"worker": "http://h:1", "capacity": 65536}]"#, "65535"),
    (r#"[{"worker": "http://h:1", "capacity": -1}]"#, "capacity"),
    (r#"[{"worker": "http://h:1", "capacity": 1.5}]"#, ""),
    (r#"[{"worker": "http://h:1", "capacity": "3"}]"#, ""),
    (r#"[{"worker": "h:1", "capacity": 1}]"#, "http://"),
    (r#"[{"worker": "ftp://h:1", "capacity": 1}]"#, "http://"),
    (r#"[{"worker": "http://h:0", "capacity": 1}]"#, "port"),
    (r#"[{"worker": "http://h:65536", "capacity": 1}]"#, "port"),
    (r#"[{"worker": "http://u:p@h:1", "capacity": 1}]"#, "password"),
    (r#"[{"worker": "http://h:1?q", "capacity": 1}]"#, "query"),
    (r#"[{"worker": "http://h:1/../x", "capacity": 1}]"#, ""),
    (r#"[{"worker": "http://", "capacity": 1}]"#, "host"),
    (r#"[{"worker": "", "capacity": 1}]"#, ""),
    (r#"[{"worker": "http://h:1", "capacity": 1, "pool": "nosuch"}]"#, "nosuch"),
    (r#"[{"worker": "http://h:1", "capacity": 1, "pool": "Bad Name"}]"#, ""),
    (r#"[{"worker": "http://h:1", "capacity": 1, "unknown": true}]"#, "unknown"),
    (r#"[{"worker": "http://h:1", "capacity": 1, "tls": {}}]"#, "https"),
    (r#"[{"worker": "http://h:1", "capacity": 1}, {"worker": "http://H:1/", "capacity": 2}]"#, ""),
    (
        r#"[{"worker": "http://good:1", "capacity": 1}, {"worker": "http://bad:1", "capacity": 0}]"#,
        "capacity",
    ),
    (r#"[{"worker": "http://good:1", "capacity": 1}] trailing"#, ""),
    (r#"[{"worker": "http://good:1", "capacity": 1}"#, ""),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_changes_nothing() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let slotway = Slotway::up(&Setup::with(&[(&worker, 2)])).await;
    let api = slotway.api();
    let identity = |rows: Value| -> Vec<(Value, Value, Value)> {
        let rows = rows.as_array().unwrap().clone();
        rows.iter()
            .map(|row| (row["worker"].clone(), row["capacity"].clone(), row["generation_wanted"].clone()))
            .collect()
    };
    let before = identity(api.get("/coordinator/workers").await.json());

    for (body, mention) in BAD_LISTS {
        let answer = api.request("POST", "/coordinator/workers", *body).await;
        assert!(matches!(answer.status.as_u16(), 400 | 409), "{body}: {} {}", answer.status, answer.text());
        assert_eq!(answer.header("content-type"), "application/problem+json", "{body}");
        assert!(answer.text().contains(mention), "{body}: {}", answer.text());
    }
    for (path, status) in [
        ("/coordinator/workers", 400),
        ("/coordinator/workers?worker=", 400),
        ("/coordinator/workers?worker=nonsense", 400),
        ("/coordinator/workers?worker=http://unknown:1", 404),
    ] {
        let answer = api.request("DELETE", path, "").await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
    let huge = vec![b' '; 3 * 1024 * 1024];
    assert_eq!(api.request("POST", "/coordinator/workers", huge).await.status, 413);
    assert_eq!(api.request("PUT", "/coordinator/workers", "[]").await.status, 405);
    assert_eq!(api.request("POST", "/coordinator/nosuch", "[]").await.status, 404);

    assert_eq!(identity(api.get("/coordinator/workers").await.json()), before);
    assert_eq!(slotway.get("/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_needs_the_admin_token_and_json() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let slotway = Slotway::up(&Setup::with(&[(&worker, 2)])).await;
    let api = slotway.api();
    let token = std::fs::read_to_string(slotway.path().join("state/admin-token")).unwrap();
    let token = token.trim();
    let change = format!(r#"[{{"worker": "{}", "capacity": 9}}]"#, worker.url());
    let ask = async |authorization: Option<String>, content_type: &str| -> StatusCode {
        let mut request = Request::post("/coordinator/workers").header("content-type", content_type);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.body(Full::from(change.clone())).unwrap();
        send(slotway.addresses().api, request).await.unwrap().status
    };
    let json = "application/json";
    assert_eq!(ask(None, json).await, 401);
    assert_eq!(ask(Some("Bearer wrong".to_owned()), json).await, 401);
    assert_eq!(ask(Some(format!("Bearer {token}x")), json).await, 401);
    assert_eq!(ask(Some(format!("Basic {token}")), json).await, 401);
    assert_eq!(ask(Some(format!("Bearer {token}")), "text/plain").await, 415);
    assert_eq!(api.workers().await[0].capacity, Some(2));
    assert_eq!(ask(Some(format!("Bearer {token}")), json).await, 200);
    assert_eq!(api.workers().await[0].capacity, Some(9));

    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(slotway.path().join("state/admin-token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
