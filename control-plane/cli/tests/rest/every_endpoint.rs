//! No endpoint is open by accident: every operation in `/openapi.json` is called, over real HTTP, with insufficient
//! permissions.

use axum::{
    body::Bytes,
    http::{Method, Request, StatusCode},
};
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;

use crate::{fixture::Fixture, people::SignedInUser};

/// The endpoints that are open to every client on any machine.
const OPEN: &[(&str, &str)] = &[
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/readyz/xds"),
    ("GET", "/readyz/store"),
    ("GET", "/openapi.json"),
    ("POST", "/api/v1/session"),
    ("GET", "/api/v1/oidc/login"),
    ("GET", "/api/v1/oidc/callback"),
];

/// The endpoints that a token with the scope `read` may not even read.
const CLOSED_TO_READERS: &[&str] =
    &["/api/v1/users", "/api/v1/users/{name}", "/api/v1/tokens", "/api/v1/tokens/{name}"];

struct Operation {
    method: Method,
    /// The path in the description.
    path: String,
    /// A concrete path.
    url: String,
    security: Option<Value>,
}

impl Operation {
    fn is_open(&self) -> bool {
        OPEN.contains(&(self.method.as_str(), self.path.as_str()))
    }
}

async fn operations(fixture: &Fixture) -> Vec<Operation> {
    let description = fixture.get("/openapi.json").await.body;
    let mut operations = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        let mut url = path.clone();
        while let Some((start, rest)) = url.split_once('{') {
            url = format!("{start}x{}", rest.split_once('}').unwrap().1);
        }
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else { continue };
            let security = operation.get("security").cloned();
            operations.push(Operation { method, path: path.clone(), url: url.clone(), security });
        }
    }
    assert!(operations.len() > 30, "{}", operations.len());
    operations
}

/// Returns only the status, because some answers do not end.
async fn status(fixture: &Fixture, operation: &Operation, headers: &[(&str, &str)]) -> StatusCode {
    let url = format!("http://{}{}", fixture.control_plane.api, operation.url);
    let mut request = Request::builder().method(operation.method.clone()).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::new())).unwrap();
    Client::builder(TokioExecutor::new()).build_http().request(request).await.unwrap().status()
}

/// Returns the operations with an unexpected answer.
async fn surprises(
    fixture: &Fixture,
    headers: &[(&str, &str)],
    expected: impl Fn(&Operation) -> Option<StatusCode>,
) -> Vec<String> {
    let mut surprises = Vec::new();
    for operation in operations(fixture).await {
        let got = status(fixture, &operation, headers).await;
        let denied = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
        let right = match expected(&operation) {
            Some(expected) => got == expected,
            None => !denied.contains(&got),
        };
        if !right {
            surprises.push(format!("{} {}: {got}", operation.method, operation.path));
        }
    }
    surprises
}

#[tokio::test]
async fn remote_requests_without_credentials_reach_only_open_endpoints() {
    let fixture = Fixture::new().await;
    let expected = |operation: &Operation| (!operation.is_open()).then_some(StatusCode::UNAUTHORIZED);
    let none = Vec::<String>::new();
    assert_eq!(surprises(&fixture, &[("host", "slotway.example")], expected).await, none);
    let wrong = [("host", "slotway.example"), ("authorization", "Bearer slotway_wrong")];
    assert_eq!(surprises(&fixture, &wrong, expected).await, none);
    let ended = [("host", "slotway.example"), ("cookie", "slotway_session=wrong")];
    assert_eq!(surprises(&fixture, &ended, expected).await, none);
}

#[tokio::test]
async fn exactly_the_open_endpoints_have_no_security_in_the_description() {
    let fixture = Fixture::new().await;
    for operation in operations(&fixture).await {
        assert_eq!(
            operation.security.is_none(),
            operation.is_open(),
            "{} {}",
            operation.method,
            operation.path
        );
    }
}

#[tokio::test]
async fn local_reads_need_no_credentials_and_local_changes_do() {
    let fixture = Fixture::new().await;
    let expected = |operation: &Operation| {
        let closed = CLOSED_TO_READERS.contains(&operation.path.as_str());
        let refused = !operation.is_open() && (closed || !operation.method.is_safe());
        refused.then_some(StatusCode::UNAUTHORIZED)
    };
    assert_eq!(surprises(&fixture, &[], expected).await, Vec::<String>::new());
}

#[tokio::test]
async fn without_anonymous_reads_local_reads_need_credentials_too() {
    let file = r#"{ "anonymous_reads": false, "pools": [{ "name": "p", "workers": [] }] }"#;
    let fixture = Fixture::with(tempfile::tempdir().unwrap(), file).await;
    let expected = |operation: &Operation| (!operation.is_open()).then_some(StatusCode::UNAUTHORIZED);
    assert_eq!(surprises(&fixture, &[], expected).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_read_token_changes_nothing_and_reads_no_users() {
    let fixture = Fixture::new().await;
    let authorization = format!("Bearer {}", fixture.token("reader", "read").await);
    let expected = |operation: &Operation| {
        let closed = CLOSED_TO_READERS.contains(&operation.path.as_str());
        let refused = !operation.is_open() && (closed || !operation.method.is_safe());
        refused.then_some(StatusCode::FORBIDDEN)
    };
    assert_eq!(
        surprises(&fixture, &[("authorization", &authorization)], expected).await,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn a_viewers_session_changes_only_its_own_resources() {
    let fixture = Fixture::new().await;
    fixture.user("vic", "viewer").await;
    let vic = SignedInUser::signed_in(&fixture, "vic").await;
    let own = [
        ("DELETE", "/api/v1/session"),
        ("PUT", "/api/v1/session/password"),
        ("POST", "/api/v1/tokens"),
        ("DELETE", "/api/v1/tokens/{name}"),
    ];
    let expected = |operation: &Operation| {
        let is_own = own.contains(&(operation.method.as_str(), operation.path.as_str()));
        let of_people = operation.path.starts_with("/api/v1/users");
        let refused = !operation.is_open() && !is_own && (of_people || !operation.method.is_safe());
        refused.then_some(StatusCode::FORBIDDEN)
    };
    let mut surprises = Vec::new();
    for operation in operations(&fixture).await {
        // This operation would end the session of the other requests.
        if (operation.method.as_str(), operation.path.as_str()) == own[0] {
            continue;
        }
        let got = status(&fixture, &operation, &vic.headers()).await;
        let denied = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
        if expected(&operation).map_or(denied.contains(&got), |expected| got != expected) {
            surprises.push(format!("{} {}: {got}", operation.method, operation.path));
        }
    }
    assert_eq!(surprises, Vec::<String>::new());
}

#[tokio::test]
async fn a_change_with_a_cookie_alone_is_refused_everywhere() {
    let fixture = Fixture::new().await;
    fixture.user("ada", "admin").await;
    let ada = SignedInUser::signed_in(&fixture, "ada").await;
    for operation in operations(&fixture).await {
        // A sign-in has name and password; a cookie in the same request is ignored.
        if operation.method.is_safe() || operation.is_open() {
            continue;
        }
        let answer =
            fixture.send(operation.method.clone(), &operation.url, &[("cookie", &ada.cookie)], "").await;
        assert_eq!(
            (answer.status, answer.problem()),
            (StatusCode::FORBIDDEN, "csrf-token"),
            "{}",
            operation.path
        );
    }
    assert_eq!(ada.get(&fixture, "/api/v1/session").await.status, StatusCode::OK);
}
