use axum::http::{Method, StatusCode, header};
use serde_json::json;

use crate::{
    fixture::Fixture,
    people::{PASSWORD, SignedInUser},
};

#[tokio::test]
async fn a_sign_in_sets_a_cookie_without_script_access_and_grants_the_role() {
    let fixture = Fixture::new().await;
    fixture.user("ada", "admin").await;
    let answer = fixture.sign_in("ada", PASSWORD).await;
    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("slotway_session="), "{cookie}");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/"), "{cookie}");
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(
        (&answer.body["user"], &answer.body["role"], &answer.body["scope"]),
        (&json!("ada"), &json!("admin"), &json!("admin"))
    );
    let ada = SignedInUser::of(&answer);
    let who = ada.get(&fixture, "/api/v1/session").await;
    assert_eq!(who.body, answer.body);
    let list = json!([{ "worker": "http://new", "capacity": 1 }]);
    let answer = ada.change(&fixture, Method::POST, "/coordinator/workers", &list).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let audit = fixture.get("/api/v1/audit?kind=worker&limit=1").await;
    assert_eq!(audit.body["changes"][0]["who"], "ada");
}

#[tokio::test]
async fn the_cookie_of_an_ended_session_is_deleted() {
    let fixture = Fixture::new().await;
    fixture.user("ada", "admin").await;
    let ada = SignedInUser::signed_in(&fixture, "ada").await;
    let answer = ada.change(&fixture, Method::DELETE, "/api/v1/session", &json!({})).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    let gone = answer.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(gone.starts_with("slotway_session=;") && gone.contains("Max-Age=0"), "{gone}");
    let answer = ada.get(&fixture, "/api/v1/session").await;
    assert_eq!((answer.status, answer.problem()), (StatusCode::UNAUTHORIZED, "unauthorized"));
    assert!(answer.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
}

#[tokio::test]
async fn sessions_outlive_a_restart() {
    let fixture = Fixture::new().await;
    fixture.user("ada", "admin").await;
    let ada = SignedInUser::signed_in(&fixture, "ada").await;
    let fixture = fixture.restarted().await;
    assert_eq!(ada.get(&fixture, "/api/v1/session").await.body["user"], "ada");
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_get_the_same_answer_and_are_rate_limited() {
    let fixture = Fixture::new().await;
    fixture.user("ada", "admin").await;
    let mut answers = Vec::new();
    for name in ["ada", "nobody"] {
        let answer = fixture.sign_in(name, "wrong password").await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::UNAUTHORIZED, "unauthorized"));
        assert!(!answer.headers.contains_key(header::SET_COOKIE));
        answers.push(answer.body);
    }
    assert_eq!(answers[0], answers[1]);
    let mut locked = Vec::new();
    for name in ["ada", "nobody"] {
        for _ in 1..5 {
            assert_eq!(fixture.sign_in(name, "wrong password").await.status, StatusCode::UNAUTHORIZED);
        }
        let answer = fixture.sign_in(name, PASSWORD).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::TOO_MANY_REQUESTS, "too-many-failures"));
        let wait: u64 = answer.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
        assert!((1..=5).contains(&wait), "{wait}");
        locked.push((answer.body["title"].clone(), answer.body["type"].clone()));
    }
    assert_eq!(locked[0], locked[1]);
}

#[tokio::test]
async fn an_invalid_sign_in_request_is_refused_with_the_reason() {
    let fixture = Fixture::new().await;
    let json_type = [("content-type", "application/json")];
    for (headers, body, status, says) in [
        (&[][..], r#"{"name": "a", "password": "b"}"#, 415, "content-type"),
        (&[("content-type", "application/x-www-form-urlencoded")], "name=a&password=b", 415, "content-type"),
        (&json_type, "", 400, "EOF"),
        (&json_type, "{}", 400, "missing field `name`"),
        (&json_type, r#"{"name": "a"}"#, 400, "missing field `password`"),
        (&json_type, r#"{"name": 1, "password": "b"}"#, 400, "invalid type"),
        (&json_type, r#"{"name": "a", "password": "b", "remember": true}"#, 400, "unknown field `remember`"),
        (&json_type, r#"{"name": "a", "password": "hush"} x"#, 400, "trailing characters"),
    ] {
        let answer = fixture.send(Method::POST, "/api/v1/session", headers, body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(says) && !detail.contains("hush"), "{body}: {detail}");
    }
}

#[tokio::test]
async fn a_user_changes_the_own_password_and_gets_a_new_session() {
    let fixture = Fixture::new().await;
    fixture.user("vic", "viewer").await;
    let vic = SignedInUser::signed_in(&fixture, "vic").await;
    let path = "/api/v1/session/password";
    for (body, status, field) in [
        (json!({ "password": PASSWORD, "new_password": "short" }), 400, json!("new_password")),
        (json!({ "password": PASSWORD, "new_password": PASSWORD }), 400, json!("new_password")),
        (json!({ "password": "wrong", "new_password": "battery staple" }), 401, json!(null)),
        (json!({ "new_password": "battery staple" }), 400, json!(null)),
    ] {
        let answer = vic.change(&fixture, Method::PUT, path, &body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["field"]),
            (status, &field),
            "{body}: {}",
            answer.body
        );
    }
    let body = json!({ "password": PASSWORD, "new_password": "battery staple" });
    let anew = SignedInUser::of(&vic.change(&fixture, Method::PUT, path, &body).await);
    assert_eq!(anew.get(&fixture, "/api/v1/session").await.body["user"], "vic");
    assert_eq!(vic.get(&fixture, "/api/v1/session").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(fixture.sign_in("vic", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(fixture.sign_in("vic", "battery staple").await.status, StatusCode::OK);
}
