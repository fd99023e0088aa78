//! The stored settings of the configuration file other than pools and workers.

use slotway_store::{Batch, Expected, Write};

use super::*;

async fn stored(store: &dyn Store) -> String {
    store.get(SETTINGS, "file").await.unwrap().unwrap().value
}

#[tokio::test]
async fn settings_are_stored_as_fields() {
    let setup = Setup::new();
    let store = setup.store().await;
    drop(setup.open_over(Arc::clone(&store), &file(&[(A, 3)]), settings()).await.unwrap());
    let fields: serde_json::Value = serde_json::from_str(&stored(&*store).await).unwrap();
    assert_eq!(
        fields,
        serde_json::json!({
            "listen": "127.0.0.1:10000", "debug_headers": false, "lane_lease": "5s", "filter_wasm": "/f.wasm", "lanes": 2
        })
    );
}

#[tokio::test]
async fn the_text_of_an_earlier_version_needs_no_new_generation_until_the_file_changes() {
    let setup = Setup::new();
    let store = setup.store().await;
    let before =
        generation(&setup.open_over(Arc::clone(&store), &file(&[(A, 3)]), settings()).await.unwrap());
    let text = "ListenerSettings { listen: 127.0.0.1:10000, debug_headers: false, lane_lease: WaitDuration { ms: 5000 }, \
                access_log: None, filter_wasm: \"/f.wasm\", groups: Groups { by_pool: {} }, lanes: 2 }";
    let text = serde_json::to_string(text).unwrap();
    let write = Write::put(SETTINGS, "file", &*text, Expected::Anything);
    store.commit(Batch { who: Who::CONFIG_FILE, writes: vec![write] }).await.unwrap();
    let pools = setup.open_over(Arc::clone(&store), &file(&[(A, 3)]), settings()).await.unwrap();
    assert_eq!((generation(&pools), stored(&*store).await), (before, text));

    let edited = ListenerSettings { debug_headers: true, ..settings() };
    pools.redeclare(&file(&[(A, 3)]), edited).await.unwrap();
    assert!(generation(&pools) > before);
    assert!(stored(&*store).await.starts_with('{'));
}

#[tokio::test]
async fn a_reload_of_one_control_plane_keeps_the_settings_of_another() {
    let setup = Setup::new();
    let store = setup.store().await;
    let open = async |lanes| {
        let listener = ListenerSettings { lanes, ..settings() };
        setup.open_over(Arc::clone(&store), &file(&[(A, 3)]), listener).await.unwrap()
    };
    let (one, other) = (open(1).await, open(2).await);
    let lanes = |pools: &Pools| pools.desired().borrow().listener.lanes;
    let before = generation(&other);
    one.redeclare(&file(&[(A, 3)]), ListenerSettings { lanes: 1, ..settings() }).await.unwrap();
    assert_eq!((lanes(&one), lanes(&other)), (1, 2));
    assert_eq!(generation(&one), before, "its own file has not changed");
}
