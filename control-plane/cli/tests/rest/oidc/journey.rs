use axum::http::{Method, StatusCode, header};
use serde_json::json;

use super::provider::{Browser, Key, Provider, person, visit};
use crate::{
    fixture::{Answer, Fixture},
    people::{PASSWORD, SignedInUser},
};

fn cookies(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all(header::SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap()).collect()
}

async fn session(fixture: &Fixture, arrival: &Answer) -> Answer {
    assert_eq!(arrival.status, StatusCode::SEE_OTHER, "{}", arrival.body);
    let all = cookies(arrival);
    let cookie = all.iter().find(|cookie| cookie.starts_with("slotway_session=")).unwrap();
    fixture.send(Method::GET, "/api/v1/session", &[("cookie", cookie.split(';').next().unwrap())], "").await
}

#[tokio::test]
async fn a_sign_in_with_the_provider_starts_a_session_and_redirects_to_the_target() {
    for key in [Key::rsa("one"), Key::ec("one")] {
        let provider = Provider::start(key).await;
        let fixture = provider.fixture().await;
        let browser = Browser::leaves(&fixture, "/pools%3Fsort%3Da").await;
        let query = provider.authorize(&browser.location, person("1", "Ada@example.org", &["slotway-admin"]));
        let arrival = browser.returns(&fixture, &query).await;
        let who = session(&fixture, &arrival).await.body;
        assert_eq!((&who["user"], &who["role"]), (&json!("ada@example.org"), &json!("admin")));
        assert_eq!(arrival.headers[header::LOCATION], "/pools?sort=a");
        let all = cookies(&arrival);
        assert!(
            all.iter().any(|cookie| cookie.starts_with("slotway_oidc=;") && cookie.contains("Max-Age=0")),
            "{all:?}"
        );
        let user = fixture.admin(Method::GET, "/api/v1/users/ada@example.org", &json!(null)).await.body;
        assert_eq!(user["status"]["signs_in_by"], "oidc");
        // A code is valid once.
        let again = browser.returns(&fixture, &query).await;
        assert_eq!((again.status, again.problem()), (StatusCode::FORBIDDEN, "oidc-refused"));
    }
}

#[tokio::test]
async fn each_sign_in_updates_the_role_and_a_changed_role_ends_sessions() {
    let provider = Provider::start(Key::ec("one")).await;
    let fixture = provider.fixture().await;
    let first = visit(&fixture, &provider, person("1", "ada", &["staff", "slotway-admin"])).await;
    assert_eq!(session(&fixture, &first).await.body["role"], "admin");
    let second = visit(&fixture, &provider, person("1", "renamed", &["staff"])).await;
    let who = session(&fixture, &second).await.body;
    assert_eq!(
        (&who["user"], &who["role"]),
        (&json!("ada"), &json!("viewer")),
        "the same user under the same name"
    );
    assert_eq!(session(&fixture, &first).await.status, StatusCode::UNAUTHORIZED);
    for nobody in [
        person("2", "eve", &["other"]),
        person("2", "eve", &[]),
        json!({ "sub": "2", "preferred_username": "eve" }),
    ] {
        let answer = visit(&fixture, &provider, nobody).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::FORBIDDEN, "oidc-refused"));
        assert!(answer.body["detail"].as_str().unwrap().contains("no role"), "{}", answer.body);
    }
}

#[tokio::test]
async fn another_users_name_is_refused_and_a_disabled_user_stays_disabled() {
    let provider = Provider::start(Key::ec("one")).await;
    let fixture = provider.fixture().await;
    fixture.user("ada", "admin").await;
    let answer = visit(&fixture, &provider, person("1", "ada", &["slotway-admin"])).await;
    assert_eq!((answer.status, answer.problem()), (StatusCode::FORBIDDEN, "oidc-refused"));
    assert!(answer.body["detail"].as_str().unwrap().contains("belongs to another user"), "{}", answer.body);
    session(&fixture, &visit(&fixture, &provider, person("2", "bob", &["staff"])).await).await;
    // A different user of the provider.
    let answer = visit(&fixture, &provider, person("3", "bob", &["slotway-admin"])).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    for (body, status) in [
        (json!({ "spec": { "role": "admin" } }), StatusCode::CONFLICT),
        (json!({ "spec": { "password": PASSWORD } }), StatusCode::CONFLICT),
        (json!({ "spec": { "disabled": true } }), StatusCode::OK),
    ] {
        let answer = fixture.admin(Method::PATCH, "/api/v1/users/bob", &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
    }
    let answer = visit(&fixture, &provider, person("2", "bob", &["staff"])).await;
    assert!(answer.body["detail"].as_str().unwrap().contains("is disabled"), "{}", answer.body);
    assert_eq!(fixture.sign_in("bob", "").await.status, StatusCode::UNAUTHORIZED);
    SignedInUser::signed_in(&fixture, "ada").await;
}

#[tokio::test]
async fn a_browser_is_redirected_only_to_this_api() {
    let provider = Provider::start(Key::ec("one")).await;
    let fixture = provider.fixture().await;
    for elsewhere in
        ["https://evil.example", "//evil.example", "/%5Cevil.example", "/%09/evil.example", "pools", ""]
    {
        let answer = fixture.get(&format!("/api/v1/oidc/login?return_to={elsewhere}")).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::BAD_REQUEST, "bad-body"), "{elsewhere}");
        assert_eq!(answer.body["field"], "return_to");
    }
    let answer = fixture.get("/api/v1/oidc/login?return=/").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn without_a_provider_oidc_is_off_and_an_unreachable_one_does_not_affect_other_sign_ins() {
    let fixture = Fixture::new().await;
    for path in ["/api/v1/oidc/login", "/api/v1/oidc/callback?code=x&state=y"] {
        let answer = fixture.get(path).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::NOT_FOUND, "oidc-off"), "{path}");
    }
    let file = r#"{
        "oidc": {
            "issuer": "http://127.0.0.1:9", "client_id": "slotway", "redirect_url": "http://127.0.0.1:8080/api/v1/oidc/callback",
            "role_claim": "groups", "admin_values": ["a"]
        },
        "pools": [{ "name": "p", "workers": [] }]
    }"#;
    let fixture = Fixture::with(tempfile::tempdir().unwrap(), file).await;
    let answer = fixture.get("/api/v1/oidc/login").await;
    assert_eq!((answer.status, answer.problem()), (StatusCode::BAD_GATEWAY, "oidc-unavailable"));
    fixture.user("ada", "admin").await;
    SignedInUser::signed_in(&fixture, "ada").await;
}
