use std::collections::BTreeSet;

use serde_json::{Value, json};
use slotway_store::{
    Batch, Expected, ResourceChange, ResourceChanges, ResourceError, SqliteStore, StoreError,
};
use slotway_test_contended_store::ContendedStore;

use super::*;
use crate::{
    legacy::RESOURCE_PROFILES,
    state::{RESOURCE_PROFILE, SERVER, SERVER_LIMITS},
};

const ALL: &[Kind] = &[SERVER, SERVER_LIMITS, RESOURCE_PROFILE, RESOURCE_PROFILES, Kind::FACT];

struct Workers(BTreeSet<String>);

impl WorkerDirectory for Workers {
    fn workers(&self) -> BTreeSet<String> {
        self.0.clone()
    }
}

fn workers() -> Arc<dyn WorkerDirectory> {
    Arc::new(Workers((0..8).map(|number| format!("http://w{number}")).collect()))
}

async fn store() -> (tempfile::TempDir, Arc<dyn Store>) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path(), ALL).await.unwrap();
    (directory, Arc::new(store))
}

fn server(number: usize, usage: &str) -> ResourceChange {
    let spec = json!({ "usage": usage, "external": format!("http://w{number}") });
    ResourceChange { kind: SERVER, name: format!("w{number}"), spec: Some(spec) }
}

/// Makes a change as REST does: again on a newer view after a conflict.
async fn change(
    servers: &Servers,
    store: &dyn Store,
    changes: &[ResourceChange],
) -> Result<u64, ResourceError> {
    loop {
        let view = servers.fresh().await?;
        let writes = view.changed(ResourceChanges { own: changes, created_beside: &[] })?.writes;
        match store.commit(Batch { who: Who::ADMIN_TOKEN, writes }).await {
            Err(StoreError::Conflict { .. }) => {}
            committed => return Ok(committed?),
        }
    }
}

#[tokio::test]
async fn two_control_planes_that_admit_at_once_give_one_place_once() {
    let (_directory, store) = store().await;
    let one = Arc::new(Servers::open(Arc::clone(&store), workers()).await.unwrap());
    let other = Arc::new(Servers::open(Arc::clone(&store), workers()).await.unwrap());
    let racers = (0..8).map(|number| {
        let (servers, store) = (Arc::clone(if number % 2 == 0 { &one } else { &other }), Arc::clone(&store));
        tokio::spawn(async move { change(&servers, &*store, &[server(number, "training")]).await })
    });
    let mut admitted = 0;
    for racer in racers.collect::<Vec<_>>() {
        match racer.await.unwrap() {
            Ok(_) => admitted += 1,
            Err(ResourceError::Domain { error, .. }) => {
                assert!(error.to_string().contains("at most 1 servers of usage"))
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(admitted, 1);
}

#[tokio::test]
async fn documents_of_before_are_replaced_once_and_keep_their_meaning() {
    let (_directory, store) = store().await;
    let profile = json!({
        "memory_bytes": 17_179_869_184_u64, "cpu_millis": 1_500, "spark_driver_memory_bytes": 1_073_741_824,
        "kryo_buffer_bytes_max": 2_097_152_000, "driver_result_bytes_max": 0
    });
    let old =
        json!({ "training": profile, "preannotation_server": profile, "preannotation_pipeline": profile });
    for (kind, key, value) in [
        (SERVER, "http://w1", json!("training")),
        (SERVER, "http://w2", json!("ocr")),
        (SERVER_LIMITS, "slotway", json!({ "servers_max": 5, "by_usage": { "ocr": 2 } })),
        (RESOURCE_PROFILES, "slotway", old),
    ] {
        store.put(Who::SYSTEM, kind, key, &value.to_string(), Expected::Absent).await.unwrap();
    }
    let view = Servers::open(Arc::clone(&store), workers()).await.unwrap().current();
    let names = |kind| view.list(kind).into_iter().map(|seen| seen.name).collect::<Vec<_>>();
    assert_eq!(names(SERVER), ["worker-w1", "worker-w2"]);
    assert_eq!(names(RESOURCE_PROFILE), ["preannotation-pipeline", "preannotation-server", "training"]);
    assert_eq!(
        view.get(SERVER, "worker-w2").unwrap().spec,
        json!({ "usage": "ocr", "external": "http://w2" })
    );
    assert_eq!(view.get(SERVER_LIMITS, "slotway").unwrap().spec["servers_max"], 5);
    assert_eq!(
        view.get(RESOURCE_PROFILE, "preannotation-server").unwrap().spec,
        json!({
            "memory": "16g", "cpus": 1.5, "gpus": 0,
            "spark": { "driver_memory": "1g", "kryo_buffer_max": "2000m", "driver_max_result_size": "0" }
        })
    );
    let listing = store.list(ALL).await.unwrap();
    assert!(
        listing.documents.iter().all(|found| found.kind != RESOURCE_PROFILES && !found.key.contains("://"))
    );
    Servers::open(Arc::clone(&store), workers()).await.unwrap();
    assert_eq!(store.list(ALL).await.unwrap().revision, listing.revision, "a second start changes nothing");
}

#[tokio::test]
async fn a_worker_of_the_same_batch_can_be_a_server() {
    let (_directory, store) = store().await;
    let view = Servers::open(store, workers()).await.unwrap().current();
    let spec = json!({ "usage": "ocr", "external": "http://new" });
    let own = [ResourceChange { kind: SERVER, name: "new".to_owned(), spec: Some(spec) }];
    let with = |beside: &[(Kind, String)]| {
        view.changed(ResourceChanges { own: &own, created_beside: beside })
            .map(|changed| changed.writes.len())
    };
    assert!(matches!(with(&[]), Err(ResourceError::Domain { .. })));
    assert_eq!(with(&[(Kind::new("worker"), "http://new".to_owned())]).unwrap(), 2);
}

#[tokio::test]
async fn an_invalid_spec_is_refused_with_its_field() {
    let (_directory, store) = store().await;
    let view = Servers::open(store, workers()).await.unwrap().current();
    let refused = |kind, name: &str, spec: Option<Value>| {
        let own = [ResourceChange { kind, name: name.to_owned(), spec }];
        match view.changed(ResourceChanges { own: &own, created_beside: &[] }).map(|_| ()) {
            Err(ResourceError::Invalid { field, .. }) => field,
            other => format!("{other:?}"),
        }
    };
    for (kind, name, spec, field) in [
        (SERVER_LIMITS, "slotway", json!({}), "spec"),
        (
            SERVER_LIMITS,
            "slotway",
            json!({ "servers_max": 1, "by_usage": { "training": 2 } }),
            "spec.by_usage.training",
        ),
        (SERVER_LIMITS, "slotway", json!({ "servers_max": -1 }), "spec.servers_max"),
        (SERVER_LIMITS, "other", json!({ "servers_max": 1 }), "metadata.name"),
        (RESOURCE_PROFILE, "a", json!({ "memory": "1k", "cpus": 1 }), "spec.memory"),
        (RESOURCE_PROFILE, "a", json!({ "memory": "1 GB", "cpus": 1 }), "spec.memory"),
        (RESOURCE_PROFILE, "a", json!({ "memory": "1g", "cpus": "1" }), "spec.cpus"),
        (RESOURCE_PROFILE, "A", json!({ "memory": "1g", "cpus": 1 }), "metadata.name"),
        (SERVER, "a", json!({ "usage": "Not One", "external": "http://w1" }), "spec.usage"),
        (SERVER, "a", json!({ "usage": "ocr", "external": "w1" }), "spec.external"),
        (SERVER, "a", json!({ "usage": "ocr" }), "spec"),
    ] {
        assert_eq!(refused(kind, name, Some(spec.clone())), field, "{spec}");
    }
    assert!(refused(RESOURCE_PROFILE, "training", None).contains("built in"));
}

#[tokio::test]
async fn a_control_plane_that_loses_each_race_changes_nothing() {
    let (_directory, store) = store().await;
    let contended = ContendedStore::new(Arc::clone(&store));
    let servers = Servers::open(Arc::clone(&contended) as Arc<dyn Store>, workers()).await.unwrap();
    contended.others_win(3);
    change(&servers, &*contended, &[server(1, "training")]).await.unwrap();
    assert_eq!(contended.left(), 0, "it was tried again after each conflict");
    assert_eq!(servers.fresh().await.unwrap().list(SERVER).len(), 1);
}
