//! Two control planes on one PostgreSQL.

use axum::http::{Method, StatusCode};
use serde_json::json;
use slotway_test_postgres::Postgres;

use crate::{
    fixture::{Fixture, WITHIN},
    people::SignedInUser,
};

async fn two() -> (Postgres, Fixture, Fixture) {
    let postgres = Postgres::start();
    let file = json!({ "store": postgres.url(), "pools": [{ "name": "p", "workers": [] }] }).to_string();
    let one = Fixture::with(tempfile::tempdir().unwrap(), &file).await;
    let other = Fixture::with(tempfile::tempdir().unwrap(), &file).await;
    (postgres, one, other)
}

#[tokio::test]
async fn a_sign_in_at_one_control_plane_is_valid_at_the_other_at_once() {
    let (_postgres, one, other) = two().await;
    one.user("ada", "admin").await;
    for number in 0..5 {
        let ada = SignedInUser::signed_in(&other, "ada").await;
        assert_eq!(ada.get(&one, "/api/v1/session").await.body["user"], "ada");
        let authorization = format!("Bearer {}", one.token(&format!("t{number}"), "read").await);
        let headers = [("authorization", authorization.as_str()), ("host", "elsewhere")];
        let answer = other.send(Method::GET, "/coordinator/workers", &headers, "").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }
}

#[tokio::test]
async fn a_user_disabled_at_one_control_plane_is_signed_out_at_the_other_within_seconds() {
    let (_postgres, one, other) = two().await;
    one.user("ada", "admin").await;
    let ada = SignedInUser::signed_in(&one, "ada").await;
    assert_eq!(ada.get(&other, "/api/v1/session").await.status, StatusCode::OK);
    let out = json!({ "spec": { "disabled": true } });
    assert_eq!(one.admin(Method::PATCH, "/api/v1/users/ada", &out).await.status, StatusCode::OK);
    assert_eq!(
        ada.get(&one, "/api/v1/session").await.status,
        StatusCode::UNAUTHORIZED,
        "the session ends at once at this control plane"
    );
    let gone = async {
        while ada.get(&other, "/api/v1/session").await.status == StatusCode::OK {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(WITHIN, gone).await.expect("the session also ends at the other control plane");
}
