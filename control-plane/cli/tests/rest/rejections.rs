//! The authors of changes that an Envoy has rejected.

use serde_json::{Value, json};
use slotway_coordinators::types::{CLUSTER, FILTER};
use slotway_store::Who;

use crate::{
    fixture::Fixture,
    scripted_envoy::{ScriptedEnvoy, soon},
};

const WRONG: &str = "https://wrong.example";
const NODE: &str = "edge";

/// Adds or changes a worker as this author.
async fn set(fixture: &Fixture, who: &str, worker: Value) {
    let entries: Vec<_> = serde_json::from_value(json!([worker])).unwrap();
    fixture.control_plane.workers.upsert(Who::named(who), &entries).await.unwrap();
}

/// Waits until the Envoy's clusters have this state and this reason of the last rejection, and returns them.
async fn clusters(fixture: &Fixture, state: &str, reason: &str) -> Value {
    soon(async {
        loop {
            let envoys = fixture.get("/coordinator/envoys").await.body;
            let clusters = &envoys[0]["types"][CLUSTER.type_url()];
            if clusters["state"] == state && clusters["last_rejection"]["reason"] == reason {
                assert_eq!(envoys[0]["node"], NODE);
                return clusters.clone();
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// Returns author, kind and key of each rejected change.
fn changes(clusters: &Value) -> Vec<(String, String, String)> {
    let changes = clusters["last_rejection"]["changes"].as_array().unwrap_or_else(|| panic!("{clusters}"));
    let text = |change: &Value, field: &str| change[field].as_str().unwrap().to_owned();
    changes.iter().map(|change| (text(change, "who"), text(change, "kind"), text(change, "key"))).collect()
}

fn change(who: &str, worker: &str) -> (String, String, String) {
    (who.to_owned(), "worker".to_owned(), worker.to_owned())
}

#[tokio::test]
async fn the_author_of_a_rejected_change_is_shown_until_it_is_corrected() {
    let fixture = Fixture::new().await;
    let mut envoy = ScriptedEnvoy::connect(fixture.control_plane.xds, NODE, "slotway", None).await;
    envoy.accept_until(FILTER).await;
    set(&fixture, "Bea", json!({ "worker": "http://accepted", "capacity": 1 })).await;
    envoy.accept_until(FILTER).await;

    let wrong = |file: &str| json!({ "worker": WRONG, "capacity": 1, "tls": { "ca_file": file } });
    let before_ms = now_unix_ms();
    set(&fixture, "Ada", wrong("/etc/ssl/nowhere.pem")).await;
    let why = format!("Error adding/updating cluster(s) {WRONG}: Invalid path: /etc/ssl/nowhere.pem");
    envoy.refuse(CLUSTER, &why).await;
    let shown = clusters(&fixture, "REJECTED", &why).await;
    assert_eq!(changes(&shown), [change("Ada", WRONG)], "changes that were accepted before are not named");
    let at_ms = shown["last_rejection"]["changes"][0]["at_unix_ms"].as_u64().unwrap();
    assert!((before_ms..=now_unix_ms()).contains(&at_ms), "{shown}");

    // Later valid changes are part of the next rejected configuration too, but Ada's change is still named.
    for (who, worker) in [("Cyd", "http://c"), ("Dan", "http://d"), ("Eva", "http://e"), ("Fay", "http://f")]
    {
        set(&fixture, who, json!({ "worker": worker, "capacity": 1 })).await;
        let why = format!("{why} ({who})");
        envoy.refuse(CLUSTER, &why).await;
        let shown = changes(&clusters(&fixture, "REJECTED", &why).await);
        assert_eq!(shown[..2], [change("Ada", WRONG), change(who, worker)]);
        assert!(shown.len() <= 3, "{shown:?}");
    }

    set(&fixture, "Gil", wrong("/etc/ssl/there.pem")).await;
    envoy.accept_until(CLUSTER).await;
    let shown = clusters(&fixture, "SYNCED", &format!("{why} (Fay)")).await;
    assert!(shown["last_rejection"].get("changes").is_none(), "{shown}");

    // The next rejection does not name changes that were accepted meanwhile.
    set(&fixture, "Hal", json!({ "worker": "http://h", "capacity": 1 })).await;
    envoy.refuse(CLUSTER, "no").await;
    assert_eq!(changes(&clusters(&fixture, "REJECTED", "no").await), [change("Hal", "http://h")]);
}

#[tokio::test]
async fn a_rejection_of_the_first_configuration_is_attributed_to_the_file() {
    let fixture = Fixture::new().await;
    let mut envoy = ScriptedEnvoy::connect(fixture.control_plane.xds, NODE, "slotway", None).await;
    envoy.refuse(CLUSTER, "http://127.0.0.1:9001: no").await;
    let shown = changes(&clusters(&fixture, "REJECTED", "http://127.0.0.1:9001: no").await);
    assert_eq!(shown[0], change("config file", "http://127.0.0.1:9001"), "{shown:?}");
    assert!(shown.iter().all(|(who, ..)| who == "config file"), "{shown:?}");
}

fn now_unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}
