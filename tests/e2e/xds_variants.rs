//! Both variants of xDS with a real Envoy: the same changes, the same rejection, the same restarts.

use rustix::process::Signal;
use serde_json::{Value, json};

use slotway_test_site::{
    Api, Arrivals, Behaviour, ClientLoad, SOON, ServedApart, Setup, TestWorker, fresh_address, until,
};

const CLUSTERS: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";

/// The only Envoy's standing.
async fn envoy(api: &Api) -> Option<Value> {
    api.get("/coordinator/envoys").await.json().as_array().and_then(|envoys| envoys.first().cloned())
}

/// Waits until Envoy is shown so.
async fn shows(api: &Api, state: &str) -> Value {
    let what = format!("Envoy {state}");
    until(&what, SOON, async || envoy(api).await.filter(|envoy| envoy["state"] == state)).await
}

async fn live_through_everything(variant: &'static str) {
    let arrivals = Arrivals::default();
    let w1 = TestWorker::start("W1", &arrivals).await;
    let w2 = TestWorker::start("W2", &arrivals).await;
    w1.behave(Behaviour::delay_ms(3));
    w2.behave(Behaviour::delay_ms(3));
    let mut slotway = ServedApart::start(&Setup::with(&[(&w1, 2)]).xds_variant(variant)).await;
    let api = slotway.api();
    assert_eq!(shows(&api, "SYNCED").await["protocol"], variant);
    let load = ClientLoad::start(slotway.address(), 12);
    load.passes(100).await;

    // Add, remove, add again.
    for round in 1..=2 {
        let seen = w2.total();
        api.set(&[(&w2.url(), 3)]).await;
        until("the added worker gets requests", SOON, async || (w2.total() >= seen + 100).then_some(()))
            .await;
        if round == 1 {
            api.remove(&w2.url()).await;
            let url = w2.url();
            api.shows("the removed worker gone", |all| all.iter().all(|worker| worker.worker != url)).await;
        }
    }

    // A cluster that Envoy refuses: what was there stays in force, and who refused what is shown until it is mended.
    let refused = format!("https://{}", fresh_address());
    let body = json!([{ "worker": refused, "capacity": 1, "tls": { "ca_file": "/etc/ssl/nowhere.pem" } }])
        .to_string();
    assert!(api.request("POST", "/coordinator/workers", body).await.status.is_success());
    let shown = shows(&api, "REJECTED").await;
    let reason = shown["types"][CLUSTERS]["last_rejection"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("/etc/ssl/nowhere.pem"), "{shown}");
    assert_eq!(shown["node"], "local");
    let changes = &shown["types"][CLUSTERS]["last_rejection"]["changes"];
    let [who, kind, key] = ["who", "kind", "key"].map(|field| changes[0][field].as_str().unwrap_or_default());
    assert_eq!((who, kind, key), ("admin token", "worker", refused.as_str()), "{shown}");
    load.passes(100).await;
    // It delays a valid one, until the invalid one is removed.
    let w3 = TestWorker::start("W3", &arrivals).await;
    api.set(&[(&w3.url(), 1)]).await;
    until("the right one is refused with the wrong one", SOON, async || {
        let shown = envoy(&api).await?;
        let changes = shown["types"][CLUSTERS]["last_rejection"]["changes"].as_array()?.clone();
        changes
            .iter()
            .map(|change| change["key"].as_str())
            .eq([Some(&*refused), Some(&*w3.url())])
            .then_some(())
    })
    .await;
    api.remove(&refused).await;
    until("the right one gets requests", SOON, async || (w3.total() >= 10).then_some(())).await;
    api.shows("the wrong one gone", |all| all.iter().all(|worker| worker.worker != refused)).await;
    let mended = shows(&api, "SYNCED").await;
    assert!(mended["types"][CLUSTERS]["last_rejection"].get("changes").is_none(), "{mended}");

    // The control plane goes and comes back: nothing is pushed anew, and changes go on.
    let before = slotway.updates().await;
    slotway.control_plane.signal(Signal::KILL);
    slotway.control_plane.ended(SOON).await;
    load.passes(200).await;
    slotway.start_control_plane().await;
    shows(&api, "SYNCED").await;
    load.passes(100).await;
    assert_eq!(slotway.updates().await, before, "the restart pushed clusters or listeners anew");
    api.set(&[(&w1.url(), 4)]).await;
    until("the new capacity is in use", SOON, async || (w1.highest() == 4).then_some(())).await;
    load.finish().await.assert_all_ok();

    // Envoy goes and comes back with all that it shall have.
    slotway.restart_envoy().await;
    let connected = |shown: &Value| shown["connected_since_unix_ms"].as_u64();
    until("the new Envoy", SOON, async || {
        envoy(&api).await.filter(|now| now["state"] == "SYNCED" && connected(now) > connected(&shown))
    })
    .await;
    api.shows_idle(SOON).await;
    let load = ClientLoad::start(slotway.address(), 8);
    load.passes(100).await;
    load.finish().await.assert_all_ok();
    let highest = [&w1, &w2, &w3].map(TestWorker::highest);
    assert!(highest.into_iter().zip([4, 3, 1]).all(|(highest, capacity)| highest <= capacity), "{highest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn state_of_the_world_survives_changes_a_rejection_and_restarts_under_load() {
    live_through_everything("state-of-the-world").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn incremental_survives_changes_a_rejection_and_restarts_under_load() {
    live_through_everything("incremental").await;
}
