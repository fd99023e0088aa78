use axum::http::StatusCode;
use serde_json::{Value, json};
use slotway::kinds;
use slotway_store::{Batch, Expected, Kind, SqliteStore, Store, Who, Write};

use crate::fixture::{Fixture, worker_path};

const W1: &str = "http://127.0.0.1:9001";

/// Returns the documents of version 0.1 for the file of [`Fixture`], after a changed capacity, a removed worker, an
/// added one, and one that was moved in the file.
fn documents() -> Vec<(Kind, &'static str, Value)> {
    let entry = |worker: &str, capacity: u32| json!({ "worker": worker, "capacity": capacity });
    let declared =
        |worker: &str, capacity: u32| json!({ "pool": "preannotation", "worker": entry(worker, capacity) });
    vec![
        (
            kinds::WORKER,
            W1,
            json!({ "position": 0, "pool": "preannotation", "worker": entry(W1, 7), "declared": declared(W1, 3), "standing": "active" }),
        ),
        (
            kinds::WORKER,
            "http://127.0.0.1:9002",
            json!({ "position": 1, "pool": "preannotation", "worker": entry("http://127.0.0.1:9002", 4),
                    "declared": declared("http://127.0.0.1:9002", 4), "standing": "removed" }),
        ),
        (
            kinds::WORKER,
            "https://added",
            json!({ "position": 2, "pool": "ocr", "worker": { "worker": "https://added", "capacity": 2, "protocol": "http2",
                    "tls": { "sni": "x" } }, "standing": { "draining": { "since_generation": 5 } } }),
        ),
        (
            kinds::WORKER,
            "http://moved",
            json!({ "position": 3, "pool": "ocr", "worker": entry("http://moved", 2), "standing": { "moving": { "since_generation": 6 } } }),
        ),
        (Kind::FACT, "generation", json!(7)),
        (kinds::SETTINGS, "file", json!([["something else"], "of before"])),
    ]
}

#[tokio::test]
async fn a_store_of_a_version_without_stored_pools_is_migrated() {
    let directory = tempfile::tempdir().unwrap();
    {
        let state = directory.path().join("state");
        let store = SqliteStore::open(&state, &slotway::kinds::ALL).await.unwrap();
        let write = |(kind, key, value): (Kind, &str, Value)| {
            Write::put(kind, key, value.to_string(), Expected::Absent)
        };
        let writes = documents().into_iter().map(write).collect();
        store.commit(Batch { who: Who::SYSTEM, writes }).await.unwrap();
    }
    let file = crate::fixture::FILE;
    let fixture = loop {
        // The connection of the first store ends only once the runtime polls it.
        match crate::fixture::start(&directory).await {
            Ok(control_plane) => break Fixture::of(directory, control_plane),
            Err(error) if error.to_string().contains("another slotway") => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(file.contains("preannotation"));
    let worker = fixture.get(&worker_path(W1)).await;
    assert_eq!(
        worker.body["spec"],
        json!({ "pool": "preannotation", "capacity": 7, "protocol": "http1", "cordoned": false })
    );
    assert_eq!(
        fixture.get(&worker_path("http://127.0.0.1:9002")).await.status,
        StatusCode::NOT_FOUND,
        "the worker is still removed"
    );
    for drains in ["https://added", "http://moved"] {
        let shown = fixture.get(&worker_path(drains)).await;
        assert_eq!(shown.body["status"]["state"], "draining", "{drains}: {}", shown.body);
    }
    let pools = fixture.get("/api/v1/pools").await.body;
    assert_eq!(pools["items"].as_array().unwrap().len(), 2);
    let desired = fixture.control_plane.workers.desired().borrow().clone();
    let names: Vec<_> = desired.pools.iter().map(|pool| pool.name.as_str()).collect();
    assert_eq!(names, ["preannotation", "ocr"]);
    assert!(desired.generation > 7);
    let moving =
        desired.draining.iter().find(|draining| draining.worker.worker.as_str() == "http://moved").unwrap();
    assert_eq!(moving.pool, None, "its old pool is not recorded, so all groups keep its cluster");
}
