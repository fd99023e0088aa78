use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::fixture::{Fixture, worker_path};

const W1: &str = "http://127.0.0.1:9001";
const W2: &str = "http://127.0.0.1:9002";

fn in_force(fixture: &Fixture) -> Vec<String> {
    let desired = fixture.control_plane.workers.desired().borrow().clone();
    desired.pools.iter().flat_map(|pool| &pool.workers).map(|worker| worker.worker.to_string()).collect()
}

fn clusters_kept(fixture: &Fixture) -> Vec<String> {
    let desired = fixture.control_plane.workers.desired().borrow().clone();
    desired.draining.iter().map(|draining| draining.worker.worker.to_string()).collect()
}

async fn act(fixture: &Fixture, worker: &str, act: &str, body: &Value) -> (StatusCode, Value) {
    let answer = fixture.ask("POST", &format!("{}/{act}", worker_path(worker)), body).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn a_cordoned_worker_gets_no_requests_and_stays_until_it_is_uncordoned() {
    let fixture = Fixture::new().await;
    let (status, worker) = act(&fixture, W1, "cordon", &json!({ "reason": "new GPU" })).await;
    assert_eq!(status, StatusCode::OK, "{worker}");
    assert_eq!((&worker["spec"]["cordoned"], &worker["status"]["state"]), (&json!(true), &json!("cordoned")));
    let reason = worker["status"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("cordoned by admin token at 20") && reason.ends_with(": new GPU"), "{reason}");
    assert_eq!((in_force(&fixture), clusters_kept(&fixture)), (vec![W2.to_owned()], vec![W1.to_owned()]));

    // A second cordon changes nothing, unless it has another reason.
    let version = worker["metadata"]["resourceVersion"].clone();
    for (body, same) in [(Value::Null, true), (json!({}), true), (json!({ "reason": "another" }), false)] {
        let (_, again) = act(&fixture, W1, "drain", &body).await;
        assert_eq!(again["metadata"]["resourceVersion"] == version, same, "{body}");
    }
    // The list of workers keeps its states, and a changed capacity does not end the cordon.
    fixture.post(&json!([{ "worker": W1, "capacity": 9 }]).to_string()).await;
    let rows = fixture.get("/coordinator/workers").await.body;
    assert_eq!(
        (&rows[0]["worker"], &rows[0]["state"], &rows[0]["capacity"]),
        (&json!(W1), &json!("draining"), &json!(9))
    );
    assert_eq!(in_force(&fixture), [W2]);

    let fixture = fixture.restarted().await;
    assert_eq!(in_force(&fixture), [W2], "the cordon survives a restart");
    let (_, worker) = act(&fixture, W1, "uncordon", &Value::Null).await;
    assert_eq!((&worker["spec"]["cordoned"], &worker["spec"]["capacity"]), (&json!(false), &json!(9)));
    assert_eq!((in_force(&fixture), clusters_kept(&fixture)), (vec![W1.to_owned(), W2.to_owned()], vec![]));
}

#[tokio::test]
async fn a_cordon_is_part_of_the_spec_and_unchanged_by_requests_without_it() {
    let fixture = Fixture::new().await;
    let path = worker_path(W1);
    for (method, body, cordoned) in [
        ("PATCH", json!({ "spec": { "cordoned": true } }), true),
        ("PUT", json!({ "spec": { "capacity": 5 } }), true),
        ("PATCH", json!({ "spec": { "capacity": 6 } }), true),
        ("PUT", json!({ "spec": { "capacity": 6, "cordoned": false } }), false),
        ("PUT", json!({ "spec": { "capacity": 6, "cordoned": true } }), true),
    ] {
        let answer = fixture.ask(method, &path, &body).await;
        assert_eq!(answer.body["spec"]["cordoned"], cordoned, "{method} {body}: {}", answer.body);
        assert_eq!(in_force(&fixture).contains(&W1.to_owned()), !cordoned);
    }
}

#[tokio::test]
async fn an_invalid_reason_and_an_unknown_worker_are_refused() {
    let fixture = Fixture::new().await;
    for (body, field) in [
        (json!({ "reason": "a".repeat(257) }), Some("reason")),
        (json!({ "reason": "a\nb" }), Some("reason")),
        (json!({ "why": "x" }), Some("why")),
        (json!([]), None),
    ] {
        for verb in ["cordon", "drain", "uncordon"] {
            let (status, problem) = act(&fixture, W1, verb, &body).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{verb} {body}");
            assert!(field.is_none_or(|field| problem["field"] == field), "{verb} {body}: {problem}");
        }
    }
    for verb in ["cordon", "drain", "uncordon"] {
        let (status, problem) = act(&fixture, "http://nobody", verb, &Value::Null).await;
        assert_eq!((status, &problem["known"]), (StatusCode::NOT_FOUND, &json!([W1, W2])), "{verb}");
        assert_eq!(act(&fixture, "nobody", verb, &Value::Null).await.0, StatusCode::BAD_REQUEST);
    }
    assert_eq!(in_force(&fixture), [W1, W2]);
}
