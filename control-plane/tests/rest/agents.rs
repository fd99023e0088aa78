//! What agents are told, and who is a server.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::house::{Answer, House};

const LIMITS: &str = "/api/v1/server-limits";
const PROFILES: &str = "/api/v1/resource-profiles";
const JOB: &str = "/api/v1/backup-jobs/nightly";

async fn put(house: &House, path: &str, body: &Value) -> Answer {
    authorized(house, Method::PUT, path, &body.to_string()).await
}

async fn authorized(house: &House, method: Method, path: &str, body: &str) -> Answer {
    let authorization = house.control_plane.token.authorization();
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    house.send(method, path, &headers, body).await
}

async fn mark(house: &House, worker: &str, usage: &str) -> Answer {
    let body = json!({ "worker": worker, "usage": usage }).to_string();
    authorized(house, Method::POST, "/api/v1/servers", &body).await
}

fn job() -> Value {
    json!({
        "what": "state", "schedule": "30 3 * * *", "time_zone": "Europe/Berlin",
        "destination": "s3://backups/slotway", "kept_max": 14
    })
}

#[tokio::test]
async fn what_agents_are_told_is_kept_over_a_restart_and_said_not_to_be_executed() {
    let house = House::new().await;
    assert_eq!(house.get(LIMITS).await.body["by_usage"], json!({ "preannotation": 1, "training": 1 }));
    let limits = json!({ "servers_max": 3, "by_usage": { "training": 2 } });
    let mut profiles = house.get(PROFILES).await.body;
    profiles["training"]["cpu_millis"] = json!(8_000);
    let said = profiles.as_object_mut().unwrap();
    assert_eq!((said.remove("executed"), said.remove("note").is_some()), (Some(json!(false)), true));
    for (path, body) in [(LIMITS, &limits), (PROFILES, &profiles), (JOB, &job())] {
        let answer = put(&house, path, body).await;
        assert_eq!(
            (answer.status, &answer.body["executed"]),
            (StatusCode::OK, &json!(false)),
            "{}",
            answer.body
        );
    }
    let before = [LIMITS, PROFILES].map(str::to_owned);
    let house = house.restarted().await;
    assert_eq!(house.get(&before[0]).await.body["servers_max"], 3);
    assert_eq!(house.get(&before[1]).await.body["training"]["cpu_millis"], 8_000);
    let kept = house.get(JOB).await.body;
    assert_eq!((&kept["name"], &kept["kept_max"]), (&json!("nightly"), &json!(14)));
}

#[tokio::test]
async fn a_backup_job_is_shown_with_its_next_five_runs_and_can_be_removed() {
    let house = House::new().await;
    let answer = put(&house, JOB, &job()).await;
    let runs = answer.body["next_runs"].as_array().unwrap();
    assert_eq!(runs.len(), 5);
    let is_right = |run: &Value| run.as_str().unwrap().contains("T03:30:00+0");
    assert!(runs.iter().all(is_right), "{runs:?}");
    assert_eq!(house.get("/api/v1/backup-jobs").await.body.as_array().unwrap().len(), 1);
    assert_eq!(authorized(&house, Method::DELETE, JOB, "").await.status, StatusCode::NO_CONTENT);
    let gone = house.get(JOB).await;
    assert_eq!((gone.status, gone.problem()), (StatusCode::NOT_FOUND, "unknown-backup-job"));
    assert_eq!(authorized(&house, Method::DELETE, JOB, "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_wrong_is_named_with_its_field_and_changes_nothing() {
    let house = House::new().await;
    put(&house, JOB, &job()).await;
    let with = |field: &str, value: Value| {
        let mut job = job();
        job[field] = value;
        job
    };
    let mut profiles = house.get(PROFILES).await.body;
    profiles.as_object_mut().unwrap().retain(|field, _| field != "executed" && field != "note");
    profiles["training"]["memory_bytes"] = json!(1);
    for (path, body, field) in [
        (LIMITS, json!({ "servers_max": 1 }), Value::Null),
        (LIMITS, json!({ "servers_max": 1, "by_usage": { "training": 2 } }), json!("by_usage.training")),
        (LIMITS, json!({ "servers_max": 1, "by_usage": { "training": -1 } }), json!("by_usage.training")),
        (LIMITS, json!({ "servers_max": 1, "by_usage": {}, "x": 1 }), json!("x")),
        (PROFILES, profiles, json!("training.memory_bytes")),
        (JOB, with("schedule", json!("often")), json!("schedule")),
        (JOB, with("time_zone", json!("Mars/Olympus")), json!("time_zone")),
        (JOB, with("destination", json!("s3://user:secret@bucket")), json!("destination")),
        (JOB, with("kept_max", json!(0)), json!("kept_max")),
        (JOB, with("what", json!({ "directory": "relative" })), json!("what.directory")),
        ("/api/v1/backup-jobs/Not-One", job(), json!("name")),
    ] {
        let before =
            [house.get(LIMITS).await.body, house.get(PROFILES).await.body, house.get(JOB).await.body];
        let answer = put(&house, path, &body).await;
        assert_eq!((answer.status, answer.problem()), (StatusCode::BAD_REQUEST, "bad-body"), "{body}");
        assert_eq!(answer.body["field"], field, "{body}: {}", answer.body);
        let after = [house.get(LIMITS).await.body, house.get(PROFILES).await.body, house.get(JOB).await.body];
        assert_eq!(after, before, "{body}");
    }
}

#[tokio::test]
async fn a_change_needs_the_token() {
    let house = House::new().await;
    let json = [("content-type", "application/json")];
    for (method, path) in [
        (Method::PUT, LIMITS),
        (Method::PUT, PROFILES),
        (Method::PUT, JOB),
        (Method::DELETE, JOB),
        (Method::POST, "/api/v1/servers"),
        (Method::DELETE, "/api/v1/servers?worker=http://127.0.0.1:9001"),
    ] {
        let answer = house.send(method.clone(), path, &json, "{}").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
    }
}

#[tokio::test]
async fn one_server_too_many_is_told_who_holds_the_places() {
    let house = House::new().await;
    let (w1, w2) = ("http://127.0.0.1:9001", "http://127.0.0.1:9002");
    assert_eq!(mark(&house, w1, "training").await.status, StatusCode::OK);
    let refused = mark(&house, w2, "training").await;
    assert_eq!((refused.status, refused.problem()), (StatusCode::CONFLICT, "no-place"));
    assert_eq!(refused.body["holders"], json!([w1]));
    let house = house.restarted().await;
    assert_eq!(house.get("/api/v1/servers").await.body, json!([{ "worker": w1, "usage": "training" }]));
    assert_eq!(mark(&house, w2, "training").await.status, StatusCode::CONFLICT);

    let path = format!("/api/v1/servers?worker={w1}");
    assert_eq!(authorized(&house, Method::DELETE, &path, "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(mark(&house, w2, "training").await.status, StatusCode::OK);
    assert_eq!(authorized(&house, Method::DELETE, &path, "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(mark(&house, "http://nobody", "ocr").await.status, StatusCode::NOT_FOUND);
}
