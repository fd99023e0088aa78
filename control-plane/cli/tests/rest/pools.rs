use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::fixture::{Answer, Fixture};

const OCR: &str = "/api/v1/pools/ocr";
const TRAINING: &str = "/api/v1/pools/training";

fn names(list: &Answer) -> Vec<String> {
    assert_eq!(list.status, StatusCode::OK, "{}", list.body);
    let items = list.body["items"].as_array().unwrap();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

/// Returns the pools in the desired state of Envoy: names and prefixes in match order.
fn wanted(fixture: &Fixture) -> Vec<(String, String)> {
    let desired = fixture.control_plane.workers.desired().borrow().clone();
    desired.pools.iter().map(|pool| (pool.name.to_string(), pool.matches.prefix.clone())).collect()
}

fn pair(name: &str, prefix: &str) -> (String, String) {
    (name.to_owned(), prefix.to_owned())
}

fn spec(prefix: &str) -> Value {
    json!({ "spec": { "match": { "prefix": prefix } } })
}

#[tokio::test]
async fn pools_of_the_file_are_resources_with_spec_and_status() {
    let fixture = Fixture::new().await;
    let list = fixture.get("/api/v1/pools").await;
    assert_eq!(names(&list), ["ocr", "preannotation"], "ordered by name");
    assert_eq!(list.body["kind"], "PoolList");
    let pool = fixture.get("/api/v1/pools/preannotation").await;
    let version = pool.version();
    assert_eq!(
        pool.body,
        json!({
            "kind": "Pool",
            "metadata": { "name": "preannotation", "resourceVersion": version },
            "spec": { "match": { "prefix": "/" }, "position": 0 },
            "status": { "free": null, "in_flight": null, "parked": null, "waiting": null, "oldest_wait_ms": null,
                        "slots": 7, "workers": 2, "coordinators": 0, "report_age_ms": null, "shadowed_by": null },
        })
    );
    let shadowed = fixture.get(OCR).await;
    assert_eq!(
        shadowed.body["status"]["shadowed_by"], "preannotation",
        "the earlier pool takes every request"
    );
}

#[tokio::test]
async fn a_report_gives_a_pool_its_figures() {
    let fixture = Fixture::new().await;
    let generation = fixture.control_plane.workers.desired().borrow().generation;
    let report = json!({
        "coordinator": "envoy", "reporter": 1, "sequence": 1, "full": true, "generation": generation,
        "pools": [{ "pool": "ocr", "free": 5, "in_flight": 2, "parked": 1, "waiting": 9, "oldest_wait_ms": 120, "workers": [] }],
    });
    assert_eq!(fixture.report(&report).await.status, StatusCode::NO_CONTENT);
    let status = fixture.get(OCR).await.body["status"].clone();
    let figures = ["free", "in_flight", "parked", "waiting", "oldest_wait_ms", "coordinators"]
        .map(|name| status[name].as_u64());
    assert_eq!(figures, [5, 2, 1, 9, 120, 1].map(Some));
    assert!(status["report_age_ms"].is_u64());
}

#[tokio::test]
async fn a_pool_is_created_before_the_one_that_would_take_its_requests_changed_and_deleted() {
    let fixture = Fixture::new().await;
    let made = fixture.ask("PUT", TRAINING, &spec("/training")).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    assert_eq!(made.body["spec"], json!({ "match": { "prefix": "/training" }, "position": 0 }));
    assert_eq!(
        wanted(&fixture),
        [pair("training", "/training"), pair("preannotation", "/"), pair("ocr", "/ocr")]
    );
    assert_eq!(made.version(), fixture.get(TRAINING).await.version());

    let same = fixture.ask("PUT", TRAINING, &spec("/training")).await;
    assert_eq!((same.status, same.version()), (StatusCode::OK, made.version()), "nothing was changed");

    let ocr = fixture.ask("PATCH", OCR, &json!({ "spec": { "position": 0 } })).await;
    assert_eq!((ocr.status, &ocr.body["spec"]["position"]), (StatusCode::OK, &json!(0)));
    assert_eq!(wanted(&fixture)[0], pair("ocr", "/ocr"));
    let moved = fixture.ask("PATCH", TRAINING, &json!({ "spec": { "match": { "prefix": "/t" } } })).await;
    assert_eq!(moved.body["spec"], json!({ "match": { "prefix": "/t" }, "position": 1 }));
    assert_ne!(moved.version(), made.version());

    let gone = fixture.ask("DELETE", TRAINING, &Value::Null).await;
    assert_eq!((gone.status, &gone.body["spec"]["match"]["prefix"]), (StatusCode::OK, &json!("/t")));
    assert_eq!(wanted(&fixture), [pair("ocr", "/ocr"), pair("preannotation", "/")]);
    for path in [TRAINING, "/api/v1/policies/training"] {
        let nothing = fixture.get(path).await;
        assert_eq!((nothing.status, nothing.problem()), (StatusCode::NOT_FOUND, "unknown-pool"));
        assert_eq!(nothing.body["known"], json!(["ocr", "preannotation"]));
    }
}

#[tokio::test]
async fn a_pool_with_workers_and_the_last_pool_cannot_be_deleted() {
    let fixture = Fixture::new().await;
    let refused = fixture.ask("DELETE", "/api/v1/pools/preannotation", &Value::Null).await;
    assert_eq!((refused.status, refused.problem()), (StatusCode::CONFLICT, "conflict"));
    assert!(refused.body["detail"].as_str().unwrap().contains("http://127.0.0.1:9001"), "{}", refused.body);

    fixture.delete("http://127.0.0.1:9001").await;
    fixture.delete("http://127.0.0.1:9002").await;
    let refused = fixture.ask("DELETE", "/api/v1/pools/preannotation", &Value::Null).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "the workers still drain: {}", refused.body);

    assert_eq!(fixture.ask("DELETE", OCR, &Value::Null).await.status, StatusCode::OK);
    let other = Fixture::with(tempfile::tempdir().unwrap(), r#"{ "pools": [{ "name": "only" }] }"#).await;
    let refused = other.ask("DELETE", "/api/v1/pools/only", &Value::Null).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.body["detail"].as_str().unwrap().contains("the only one"), "{}", refused.body);
}

#[tokio::test]
async fn two_pools_with_one_match_are_refused_with_both_names() {
    let fixture = Fixture::new().await;
    let before = wanted(&fixture);
    for (method, path) in [("PUT", TRAINING), ("PATCH", "/api/v1/pools/preannotation")] {
        let refused = fixture.ask(method, path, &spec("/ocr")).await;
        assert_eq!((refused.status, refused.problem()), (StatusCode::CONFLICT, "conflict"));
        assert_eq!(refused.body["field"], "spec.match");
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains("ocr") && detail.contains("the prefix \"/ocr\""), "{detail}");
    }
    assert_eq!(wanted(&fixture), before);
}

#[tokio::test]
async fn a_policy_is_changed_live_and_its_pool_keeps_its_version() {
    let fixture = Fixture::new().await;
    let policy = fixture.get("/api/v1/policies/ocr").await;
    let spec = json!({ "free_worker_timeout": "30s", "max_waiting": 1024, "abandoned_hold": "0s", "answer_timeout": "10m" });
    assert_eq!((&policy.body["kind"], &policy.body["spec"]), (&json!("Policy"), &spec));
    let pool = fixture.get(OCR).await.version();
    let patched =
        fixture.ask("PATCH", "/api/v1/policies/ocr", &json!({ "spec": { "max_waiting": 7 } })).await;
    assert_eq!(
        (&patched.body["spec"]["max_waiting"], &patched.body["spec"]["answer_timeout"]),
        (&json!(7), &json!("10m"))
    );
    assert_ne!(patched.version(), policy.version());
    assert_eq!(fixture.get(OCR).await.version(), pool);
    let in_force = |fixture: &Fixture| {
        let desired = fixture.control_plane.workers.desired().borrow().clone();
        let pool = desired.pools.iter().find(|pool| pool.name.as_str() == "ocr").unwrap().clone();
        (pool.max_waiting, pool.answer_timeout.as_ms())
    };
    assert_eq!(in_force(&fixture), (7, 600_000));
    let put =
        fixture.ask("PUT", "/api/v1/policies/ocr", &json!({ "spec": { "answer_timeout": "1m" } })).await;
    assert_eq!(put.status, StatusCode::OK);
    assert_eq!(in_force(&fixture), (1024, 60_000), "missing fields take the defaults of a new pool");
    assert_eq!(names(&fixture.get("/api/v1/policies").await), ["ocr", "preannotation"]);
    let missing = fixture.ask("PUT", "/api/v1/policies/none", &json!({ "spec": {} })).await;
    assert_eq!((missing.status, missing.problem()), (StatusCode::NOT_FOUND, "unknown-pool"));
}

#[tokio::test]
async fn changes_of_pools_over_rest_survive_a_restart_with_their_versions() {
    let fixture = Fixture::new().await;
    fixture.ask("PUT", TRAINING, &spec("/training")).await;
    fixture.ask("PATCH", "/api/v1/policies/ocr", &json!({ "spec": { "max_waiting": 7 } })).await;
    fixture.ask("PATCH", OCR, &json!({ "spec": { "position": 0, "match": { "prefix": "/o" } } })).await;
    let all = async |fixture: &Fixture| {
        let (pools, policies) =
            (fixture.get("/api/v1/pools").await.body, fixture.get("/api/v1/policies").await.body);
        (pools["items"].clone(), policies["items"].clone(), wanted(fixture))
    };
    let before = all(&fixture).await;
    let generation = fixture.control_plane.workers.desired().borrow().generation;
    let fixture = fixture.restarted().await;
    assert_eq!(all(&fixture).await, before);
    assert_eq!(
        fixture.control_plane.workers.desired().borrow().generation,
        generation,
        "nothing changes for Envoy"
    );
    fixture.ask("DELETE", OCR, &Value::Null).await;
    let fixture = fixture.restarted().await;
    assert_eq!(
        wanted(&fixture),
        [pair("training", "/training"), pair("preannotation", "/")],
        "the file does not restore the pool"
    );
}

#[tokio::test]
async fn each_change_of_a_pool_has_an_audit_entry_with_its_author() {
    let fixture = Fixture::new().await;
    fixture.ask("PUT", TRAINING, &spec("/training")).await;
    let rows = fixture.get("/api/v1/audit?kind=pool&key=training").await.body;
    assert_eq!(
        (&rows["changes"][0]["who"], &rows["changes"][0]["before"]),
        (&json!("admin token"), &Value::Null)
    );
    assert_eq!(rows["changes"][0]["after"]["match"]["prefix"], "/training");
    let of_file = fixture.get("/api/v1/audit?kind=policy&key=ocr").await.body;
    assert_eq!(of_file["changes"][0]["who"], "config file");
}

#[tokio::test]
async fn sixty_four_pools_are_possible_and_one_more_is_not() {
    let fixture = Fixture::new().await;
    let item = |number: usize| json!({ "kind": "Pool", "metadata": { "name": format!("p{number}") }, "spec": { "match": { "prefix": format!("/p{number}") } } });
    let many: Vec<_> = (0..62).map(item).collect();
    let made = fixture.ask("POST", "/api/v1/apply", &json!({ "items": many })).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.body);
    let refused = fixture.ask("PUT", TRAINING, &spec("/training")).await;
    assert_eq!((refused.status, refused.problem()), (StatusCode::CONFLICT, "conflict"));
    assert!(refused.body["detail"].as_str().unwrap().contains("at most 64"), "{}", refused.body);
    let page = fixture.get("/api/v1/pools?limit=40").await;
    assert_eq!(names(&page).len(), 40);
    let next = page.body["continue"].as_str().unwrap();
    assert_eq!(names(&fixture.get(&format!("/api/v1/pools?limit=40&continue={next}")).await).len(), 24);
}
