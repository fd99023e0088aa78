use axum::http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    fixture::Fixture,
    people::{PASSWORD, SignedInUser},
};

#[tokio::test]
async fn a_user_is_put_patched_listed_and_deleted_and_the_password_is_never_shown() {
    let fixture = Fixture::new().await;
    fixture.user("ada", "admin").await;
    fixture.user("vic", "viewer").await;
    let shown = fixture.admin(Method::GET, "/api/v1/users/vic", &json!(null)).await;
    assert_eq!(shown.body["spec"], json!({ "role": "viewer", "disabled": false }));
    assert_eq!(shown.body["status"]["signs_in_by"], "password");
    let tag = format!("\"{}\"", shown.body["metadata"]["resourceVersion"].as_str().unwrap());
    assert_eq!(shown.headers[header::ETAG], tag);
    let patched =
        fixture.admin(Method::PATCH, "/api/v1/users/vic", &json!({ "spec": { "disabled": true } })).await;
    assert_eq!(patched.status, StatusCode::OK, "{}", patched.body);
    assert_eq!(patched.body["spec"], json!({ "role": "viewer", "disabled": true }));
    let listed = fixture.admin(Method::GET, "/api/v1/users?limit=1", &json!(null)).await;
    assert_eq!(
        (&listed.body["kind"], &listed.body["items"][0]["metadata"]["name"]),
        (&json!("UserList"), &json!("ada"))
    );
    let next = listed.body["continue"].as_str().unwrap();
    let listed = fixture.admin(Method::GET, &format!("/api/v1/users?continue={next}"), &json!(null)).await;
    assert_eq!(listed.body["items"][0]["metadata"]["name"], "vic");
    let deleted = fixture.admin(Method::DELETE, "/api/v1/users/vic", &json!(null)).await;
    assert_eq!((deleted.status, &deleted.body["metadata"]["name"]), (StatusCode::OK, &json!("vic")));
    let gone = fixture.admin(Method::GET, "/api/v1/users/vic", &json!(null)).await;
    assert_eq!((gone.status, gone.problem()), (StatusCode::NOT_FOUND, "unknown-user"));
    let audit = fixture.get("/api/v1/audit?kind=user").await.body;
    let all = format!("{} {} {} {audit}", shown.body, patched.body, listed.body);
    assert!(!all.contains(PASSWORD) && !all.contains("argon2id"), "{all}");
    assert_eq!(audit["changes"].as_array().unwrap().len(), 4);
    // Only admins see the content of a change of users. Other readers see that it was made, and its author.
    assert_eq!(
        (&audit["changes"][0]["before"], &audit["changes"][0]["after"]),
        (&json!("(hidden)"), &json!(null))
    );
    let seen = fixture.admin(Method::GET, "/api/v1/audit?kind=user", &json!(null)).await.body;
    assert_eq!(seen["changes"][0]["before"]["role"], "viewer");
}

#[tokio::test]
async fn an_answer_can_be_sent_back_unchanged() {
    let fixture = Fixture::new().await;
    fixture.user("vic", "viewer").await;
    let shown = fixture.admin(Method::GET, "/api/v1/users/vic", &json!(null)).await.body;
    let put = fixture.admin(Method::PUT, "/api/v1/users/vic", &shown).await;
    assert_eq!((put.status, &put.body), (StatusCode::OK, &shown));
}

#[tokio::test]
async fn a_change_of_another_version_is_stale_and_a_dry_run_changes_nothing() {
    let fixture = Fixture::new().await;
    fixture.user("vic", "viewer").await;
    let authorization = fixture.control_plane.token.authorization();
    let send = async |method: Method, path: &str, condition: (&str, &str), body: Value| {
        let headers =
            [("authorization", authorization.as_str()), ("content-type", "application/json"), condition];
        fixture.send(method, path, &headers, &body.to_string()).await
    };
    let admin = json!({ "spec": { "role": "admin" } });
    for (method, path, condition) in [
        (Method::PUT, "/api/v1/users/vic", ("if-match", "\"999999\"")),
        (Method::PATCH, "/api/v1/users/vic", ("if-match", "\"999999\"")),
        (Method::DELETE, "/api/v1/users/vic", ("if-match", "\"999999\"")),
        (Method::PUT, "/api/v1/users/vic", ("if-none-match", "*")),
        (Method::PUT, "/api/v1/users/new", ("if-match", "*")),
    ] {
        let mut body = admin.clone();
        if path.ends_with("new") {
            body["spec"]["password"] = json!(PASSWORD);
        }
        let answer = send(method.clone(), path, condition, body).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (StatusCode::PRECONDITION_FAILED, "stale"),
            "{method} {path}"
        );
    }
    for method in [Method::PUT, Method::PATCH, Method::DELETE] {
        let answer = send(method, "/api/v1/users/vic?dry_run=true", ("x", "y"), admin.clone()).await;
        assert_eq!(
            (answer.status, &answer.headers["slotway-dry-run"]),
            (StatusCode::OK, &"true".parse().unwrap())
        );
    }
    let shown = fixture.admin(Method::GET, "/api/v1/users/vic", &json!(null)).await;
    assert_eq!(shown.body["spec"]["role"], "viewer");
    let version = shown.body["metadata"]["resourceVersion"].as_str().unwrap();
    let answer =
        send(Method::PATCH, "/api/v1/users/vic", ("if-match", &format!("\"{version}\"")), admin).await;
    assert_eq!(answer.status, StatusCode::OK);
}

/// The name in the path, the body, the status, the field in the error, and a part of its text.
const WRONG: &[(&str, &str, u16, &str, &str)] = &[
    ("Ada", r#"{"spec": {"role": "viewer", "password": "correct horse"}}"#, 400, "name", "is not a name"),
    ("system", r#"{"spec": {"role": "viewer", "password": "correct horse"}}"#, 400, "name", "audit rows"),
    ("a%20b", r#"{"spec": {"role": "viewer", "password": "correct horse"}}"#, 400, "name", "is not a name"),
    ("a%ff", r#"{"spec": {"role": "viewer", "password": "correct horse"}}"#, 400, "name", ""),
    ("ada", r#"{"spec": {"role": "viewer"}}"#, 400, "spec.password", "needs a password"),
    ("ada", r#"{"spec": {"role": "viewer", "password": "short"}}"#, 400, "spec.password", "from 12 to 256"),
    (
        "ada-lovelace",
        r#"{"spec": {"role": "viewer", "password": "Ada-Lovelace"}}"#,
        400,
        "spec.password",
        "not be the name",
    ),
    ("ada", r#"{"spec": {"role": "viewer", "password": 12}}"#, 400, "spec.password", "invalid type"),
    (
        "ada",
        r#"{"spec": {"role": "owner", "password": "correct horse"}}"#,
        400,
        "spec.role",
        "unknown variant",
    ),
    ("ada", r#"{"spec": {"password": "correct horse"}}"#, 400, "spec", "missing field `role`"),
    ("ada", r#"{"spec": {"role": "viewer", "scope": "admin"}}"#, 400, "spec.scope", "unknown field `scope`"),
    (
        "ada",
        r#"{"spec": {"role": "viewer", "password_hash": "x"}}"#,
        400,
        "spec.password_hash",
        "unknown field",
    ),
    (
        "ada",
        r#"{"kind": "Token", "spec": {"role": "viewer", "password": "correct horse"}}"#,
        400,
        "kind",
        "\"User\"",
    ),
    (
        "ada",
        r#"{"metadata": {"name": "bob"}, "spec": {"role": "viewer", "password": "correct horse"}}"#,
        400,
        "metadata.name",
        "cannot be changed",
    ),
    (
        "ada",
        r#"{"metadata": {"labels": {"a": "b"}}, "spec": {"role": "viewer", "password": "correct horse"}}"#,
        400,
        "metadata.labels",
        "no labels",
    ),
    (
        "ada",
        r#"{"metadata": {"notes": "x"}, "spec": {"role": "viewer", "password": "correct horse"}}"#,
        400,
        "metadata.notes",
        "no notes",
    ),
    (
        "ada",
        r#"{"metadata": {"resourceVersion": "x"}, "spec": {"role": "viewer", "password": "correct horse"}}"#,
        400,
        "metadata.resourceVersion",
        "is not a version",
    ),
    ("ada", "[]", 400, "", "must be a JSON object"),
    ("ada", "", 400, "", "EOF"),
];

#[tokio::test]
async fn an_invalid_user_is_refused_with_its_field_and_not_created() {
    let fixture = Fixture::new().await;
    let authorization = fixture.control_plane.token.authorization();
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    for (name, body, status, field, says) in WRONG {
        let answer = fixture.send(Method::PUT, &format!("/api/v1/users/{name}"), &headers, body).await;
        assert_eq!(answer.status, *status, "{name} {body}: {}", answer.body);
        assert_eq!(answer.problem(), "bad-body");
        let at = if field.is_empty() { json!(null) } else { json!(field) };
        assert_eq!(answer.body["field"], at, "{name} {body}: {}", answer.body);
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(says) && !detail.contains("correct horse"), "{name} {body}: {detail}");
    }
    let listed = fixture.admin(Method::GET, "/api/v1/users", &json!(null)).await;
    assert_eq!(listed.body["items"], json!([]));
    for page in ["limit=0", "limit=1001", "limit=x"] {
        let answer = fixture.admin(Method::GET, &format!("/api/v1/users?{page}"), &json!(null)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{page}");
    }
    let answer = fixture.admin(Method::PATCH, "/api/v1/users/nobody", &json!({})).await;
    assert_eq!((answer.status, answer.problem()), (StatusCode::NOT_FOUND, "unknown-user"));
}

#[tokio::test]
async fn only_the_admin_token_may_remove_the_last_admin() {
    let fixture = Fixture::new().await;
    fixture.user("ada", "admin").await;
    let ada = SignedInUser::signed_in(&fixture, "ada").await;
    let path = "/api/v1/users/ada";
    for (method, body) in [
        (Method::PATCH, json!({ "spec": { "role": "viewer" } })),
        (Method::PATCH, json!({ "spec": { "disabled": true } })),
        (Method::PUT, json!({ "spec": { "role": "viewer" } })),
        (Method::DELETE, json!({})),
    ] {
        let answer = ada.change(&fixture, method, path, &body).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::CONFLICT, "last-admin"), "{body}");
    }
    let answer = fixture.admin(Method::DELETE, path, &json!({})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[tokio::test]
async fn a_user_reads_only_the_own_resource() {
    let fixture = Fixture::new().await;
    fixture.user("vic", "viewer").await;
    fixture.user("ada", "admin").await;
    let vic = SignedInUser::signed_in(&fixture, "vic").await;
    assert_eq!(vic.get(&fixture, "/api/v1/users/vic").await.body["status"]["sessions"], 1);
    for other in ["ada", "nobody"] {
        let answer = vic.get(&fixture, &format!("/api/v1/users/{other}")).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::FORBIDDEN, "forbidden"), "{other}");
    }
}
