//! Tests with the reference worker, run as a user would run it.

use http_body_util::Full;
use hyper::Request;
use tokio::task::JoinSet;

use slotway_test_site::{ClientLoad, ReferenceWorker, SOON, Setup, Slotway, get, post, send, until};

#[tokio::test(flavor = "multi_thread")]
async fn hello_london_is_annotated() {
    let worker = ReferenceWorker::start(&[]).await;
    let slotway = Slotway::up(&Setup::default().worker(&worker.url(), 3)).await;
    let request = Request::post("/extract").header("content-type", "text/plain");
    let answer = send(slotway.address(), request.body(Full::from("Hello London!")).unwrap()).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("content-type").starts_with("application/vnd.ontotext.ces+json"));
    let mentions = &answer.json()["mentions"];
    assert_eq!(mentions.as_array().map(Vec::len), Some(1), "{mentions}");
    let london = &mentions[0];
    assert_eq!(
        (&london["name"], &london["startOffset"], &london["endOffset"], &london["type"]),
        (&"London".into(), &6.into(), &12.into(), &"Location".into())
    );
    assert_eq!(london["features"]["string"], "London");

    let asked = slotway.get("/extract?text=Hello%20London!").await;
    assert_eq!(asked.json(), answer.json(), "GET and POST have the same answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capacity_above_the_workers_own_makes_the_surplus_wait_inside_the_worker() {
    let worker = ReferenceWorker::start(&["--pipeline-pool-max-size", "1", "--delay", "400ms"]).await;
    let slotway = Slotway::up(&Setup::default().worker(&worker.url(), 3)).await;
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        let mut request = post("/extract", "Paris");
        request.headers_mut().insert("content-type", "text/plain".parse().unwrap());
        clients.spawn(send(slotway.address(), request));
    }
    slotway
        .api()
        .shows("three requests at the worker, one waiting", |workers| {
            workers[0].in_flight == Some(3) && workers[0].waiting == Some(1)
        })
        .await;
    while let Some(answer) = clients.join_next().await {
        assert_eq!(answer.unwrap().unwrap().status, 200);
    }
    let stats = worker.stats().await;
    assert_eq!((&stats["highest"], &stats["running_highest"]), (&3.into(), &1.into()), "{stats}");
    assert_eq!(stats["queued_highest"], 2, "{stats}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_reference_workers_under_overload_never_exceed_their_capacities() {
    let w1 = ReferenceWorker::start(&["--pipeline-pool-max-size", "3", "--delay", "5ms"]).await;
    let w2 = ReferenceWorker::start(&["--pipeline-pool-max-size", "4", "--delay", "5ms"]).await;
    let slotway = Slotway::up(&Setup::default().worker(&w1.url(), 3).worker(&w2.url(), 4)).await;
    let load = ClientLoad::start_with(slotway.address(), 70, |n| get(&format!("/extract?text=Rome&n={n}")));
    load.passes(1_000).await;
    load.finish().await.assert_all_ok();
    let (one, two) = (w1.stats().await, w2.stats().await);
    assert_eq!((&one["highest"], &one["queued_highest"]), (&3.into(), &0.into()), "{one}");
    assert_eq!((&two["highest"], &two["queued_highest"]), (&4.into(), &0.into()), "{two}");
    until("both are idle", SOON, async || (w1.stats().await["current"] == 0).then_some(())).await;
}
