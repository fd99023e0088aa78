//! Servers, their limits and profiles, and backup jobs: the behaviour that only one kind has.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    fixture::Fixture,
    ordinary_kinds::{JOB, LIMITS, SERVER, W1, W2, job, profile, put, server, version},
};

/// Far longer than a coordinator that is not connected can keep a request.
const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn the_refusal_of_one_server_too_many_names_the_counted_servers() {
    let fixture = Fixture::new().await;
    let (first, second) = ("/api/v1/servers/w1", "/api/v1/servers/w2");
    assert_eq!(put(&fixture, first, &server(W1, "training")).await.status, StatusCode::CREATED);
    let refused = put(&fixture, second, &server(W2, "training")).await;
    assert_eq!((refused.status, refused.problem()), (StatusCode::CONFLICT, "no-place"));
    assert_eq!(refused.body["holders"], json!(["w1"]));
    let fixture = fixture.restarted().await;
    assert_eq!(put(&fixture, second, &server(W2, "training")).await.status, StatusCode::CONFLICT);
    let limits = fixture.get(LIMITS).await.body;
    assert_eq!(limits["status"], json!({ "servers": 1, "by_usage": { "training": 1 } }));

    let again = put(&fixture, second, &server(W1, "ocr")).await;
    assert_eq!((again.status, again.problem()), (StatusCode::CONFLICT, "conflict"), "{}", again.body);
    assert_eq!(fixture.ask("DELETE", first, &Value::Null).await.status, StatusCode::OK);
    assert_eq!(put(&fixture, second, &server(W2, "training")).await.status, StatusCode::CREATED);
    let refused = put(&fixture, first, &server("http://nobody", "ocr")).await;
    assert_eq!((refused.status, refused.problem()), (StatusCode::NOT_FOUND, "unknown-worker"));
    assert_eq!(refused.body["known"], json!([W1, W2]));
}

#[tokio::test]
async fn a_lowered_limit_ends_no_server_and_a_server_counts_while_its_worker_drains() {
    let fixture = Fixture::new().await;
    put(&fixture, SERVER, &server(W1, "training")).await;
    assert_eq!(put(&fixture, LIMITS, &json!({ "servers_max": 0 })).await.status, StatusCode::OK);
    assert_eq!(fixture.get(SERVER).await.body["status"]["is_counted"], true);
    assert_eq!(put(&fixture, "/api/v1/servers/w2", &server(W2, "ocr")).await.problem(), "no-place");
    put(&fixture, LIMITS, &json!({ "servers_max": 1 })).await;
    fixture.delete(W1).await;
    // No Envoy has reported yet that the worker has no requests.
    assert_eq!(fixture.get(SERVER).await.body["status"]["is_counted"], true);
    assert_eq!(put(&fixture, "/api/v1/servers/w2", &server(W2, "training")).await.problem(), "no-place");

    // No Envoy is connected: after a while nothing can be at the worker any more.
    fixture.control_plane.workers.settle(Instant::now() + HOUR).await.unwrap();
    assert_eq!(fixture.get(SERVER).await.body["status"]["is_counted"], false);
    let second = put(&fixture, "/api/v1/servers/w2", &server(W2, "training")).await;
    assert_eq!(second.status, StatusCode::CREATED, "{}", second.body);
}

#[tokio::test]
async fn built_in_profiles_exist_from_the_start_and_stay() {
    let fixture = Fixture::new().await;
    for name in ["preannotation-pipeline", "preannotation-server", "training"] {
        let path = format!("/api/v1/resource-profiles/{name}");
        let found = fixture.get(&path).await;
        assert_eq!((version(&found).as_str(), &found.body["spec"]["memory"]), ("0", &json!("16g")));
        let refused = fixture.ask("DELETE", &path, &Value::Null).await;
        assert_eq!(
            (refused.status, refused.problem()),
            (StatusCode::CONFLICT, "conflict"),
            "{}",
            refused.body
        );
        let if_new =
            fixture.ask_with("PUT", &path, &[("if-none-match", "*")], &json!({ "spec": profile() })).await;
        assert_eq!(if_new.status, StatusCode::PRECONDITION_FAILED);
        let changed =
            fixture.ask_with("PUT", &path, &[("if-match", "\"0\"")], &json!({ "spec": profile() })).await;
        assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
    }
    assert_eq!(fixture.get("/api/v1/resource-profiles").await.body["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_backup_job_shows_its_next_five_runs_in_its_time_zone() {
    let fixture = Fixture::new().await;
    let answer = put(&fixture, JOB, &job()).await;
    let runs = answer.body["status"]["next_runs"].as_array().unwrap();
    assert_eq!(runs.len(), 5);
    let is_right = |run: &Value| run.as_str().unwrap().contains("T03:30:00+0");
    assert!(runs.iter().all(is_right), "{runs:?}");
}
