//! The effect of a restore on workers with requests.

use std::process::Output;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use slotway_test_site::{
    Answer, Arrivals, Behaviour, SOON, ServedApart, Setup, TestWorker, get, send, until,
};

async fn slotway(site: &ServedApart, command: &str, arguments: &[&str]) -> String {
    let mut slotway = site.slotway(command);
    slotway.args(arguments);
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || slotway.output().unwrap()).await.unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8_lossy(&stdout).into_owned()
}

async fn apply(site: &ServedApart, items: Value) {
    let answer = site.api().request("POST", "/api/v1/apply", json!({ "items": items }).to_string()).await;
    assert!(answer.status.is_success(), "{}", answer.text());
}

fn worker_in(pool: &str, worker: &TestWorker) -> Value {
    let spec = json!({ "pool": pool, "capacity": 1 });
    json!({ "kind": "Worker", "metadata": { "name": worker.url() }, "spec": spec })
}

/// Sends a request in a separate task.
fn sent(site: &ServedApart, path: &'static str) -> JoinHandle<Answer> {
    let address = site.address();
    tokio::spawn(async move { send(address, get(path)).await.unwrap() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_grants_no_slot_that_a_request_still_occupies() {
    let arrivals = Arrivals::default();
    let moved = TestWorker::start("moved", &arrivals).await;
    let stays = TestWorker::start("stays", &arrivals).await;
    let added = TestWorker::start("added", &arrivals).await;
    let mut site = ServedApart::start(&Setup::with(&[(&stays, 1)])).await;
    let pools = site.api().get("/api/v1/pools").await.json();
    let first = pools["items"][0]["metadata"]["name"].as_str().unwrap();
    let file = site.path().join("backup").display().to_string();

    // In the backup the worker is in the first pool. Then it moves to another pool, and one more worker is added.
    apply(&site, json!([worker_in(first, &moved)])).await;
    slotway(&site, "backup", &[&file]).await;
    let other = json!({ "kind": "Pool", "metadata": { "name": "other" }, "spec": { "match": { "prefix": "/other" } } });
    apply(&site, json!([other, worker_in("other", &moved), worker_in(first, &added)])).await;
    site.api().shows("all three", |workers| workers.len() == 3 && workers.iter().all(|w| w.is_idle())).await;
    let all = [&moved, &stays, &added];
    all.iter().for_each(|worker| worker.behave(Behaviour::held()));
    let under_way = [sent(&site, "/other/1"), sent(&site, "/1"), sent(&site, "/2")];
    until("one request at each", SOON, async || all.iter().all(|worker| worker.current() == 1).then_some(()))
        .await;

    site.control_plane.signal(Signal::TERM);
    site.control_plane.ended(SOON).await;
    let told = slotway(&site, "restore", &[&file, "--replace"]).await;
    assert!(told.contains(&format!("worker/{} moving\n", moved.url())), "{told}");
    assert!(told.contains(&format!("worker/{} draining\n", added.url())), "{told}");
    assert!(told.contains("pool/other deleted\n"), "{told}");
    site.start_control_plane().await;
    let gone = [moved.url(), added.url()];
    site.api()
        .shows("two draining workers", |workers| {
            let drains = |url: &String| workers.iter().any(|w| w.worker == *url && w.state == "draining");
            gone.iter().all(drains) && workers.len() == 3
        })
        .await;

    // The only slot of the first pool belongs to the worker that stays. Two waiting requests get it, one after the
    // other.
    let waiting = [sent(&site, "/3"), sent(&site, "/4")];
    site.api().shows("two waiting requests", |workers| workers.iter().any(|w| w.waiting == Some(2))).await;
    stays.behave(Behaviour::delay_ms(0));
    stays.release(1);
    for answer in waiting {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    assert_eq!(all.map(TestWorker::total), [1, 3, 1]);

    for worker in [&moved, &added] {
        worker.behave(Behaviour::delay_ms(0));
        worker.release(1);
    }
    for answer in under_way {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    site.api()
        .shows("two workers", |workers| workers.len() == 2 && workers.iter().all(|w| w.is_idle()))
        .await;
    until("a request at the worker that is back in its pool", SOON, async || {
        assert_eq!(site.get("/5").await.status, 200);
        (moved.total() > 1).then_some(())
    })
    .await;
    assert_eq!((all.map(TestWorker::highest), added.total()), ([1, 1, 1], 1));
}
