//! Workers with names that do not resolve. Envoy resolves them: docs/XDS.md has the reason.

use std::time::Duration;

use slotway_test_site::{
    Arrivals, ClientLoad, Names, SOON, ServedApart, Setup, TestWorker, WorkerFigures, until,
};

/// Envoy resolves every 5 s, and an unreachable worker is probed after at most 10 s.
const ASKED_AGAIN: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_name_stops_resolving_is_served_at_its_last_address() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let names = Names::start(&["worker.test"]);
    let url = format!("http://worker.test:{}", worker.address().port());
    let setup = Setup::default().worker(&url, 2);
    let ask_here = |bootstrap: &mut serde_json::Value| {
        bootstrap["typed_dns_resolver_config"] = names.resolver();
    };
    let slotway = ServedApart::start_edited(&setup, ask_here).await;
    slotway.api().shows_idle(SOON).await;
    until("the worker serves", SOON, async || (slotway.get("/").await.status == 200).then_some(())).await;

    let load = ClientLoad::start(slotway.address(), 2);
    names.forget("worker.test");
    let denied = async || (names.denied("worker.test") >= 4).then_some(());
    until("Envoy has received a negative DNS answer", ASKED_AGAIN, denied).await;
    load.passes(100).await;
    load.finish().await.assert_all_ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_name_does_not_resolve_blocks_no_other_and_serves_once_it_does() {
    let arrivals = Arrivals::default();
    let (known, unknown) =
        (TestWorker::start("W1", &arrivals).await, TestWorker::start("W2", &arrivals).await);
    let names = Names::start(&[]);
    let url = format!("http://worker.test:{}", unknown.address().port());
    let setup = Setup::with(&[(&known, 1)]).worker(&url, 1).pool("free_worker_timeout", "30s");
    let ask_here = |bootstrap: &mut serde_json::Value| {
        bootstrap["typed_dns_resolver_config"] = names.resolver();
    };
    let slotway = ServedApart::start_edited(&setup, ask_here).await;
    let has_reported = |worker: &WorkerFigures| worker.in_flight.is_some();
    slotway.api().shows("Envoy's first report", |workers| workers.iter().all(has_reported)).await;
    let parked = |state: &str| state == "parked" || state == "probing";
    until("the worker without an address is parked", SOON, async || {
        slotway.get("/").await;
        let workers = slotway.api().workers().await;
        workers.iter().any(|worker| worker.worker == url && parked(&worker.state)).then_some(())
    })
    .await;
    for _ in 0..5 {
        let before = known.total();
        until("the other worker serves", SOON, async || {
            slotway.get("/").await;
            (known.total() > before).then_some(())
        })
        .await;
    }

    names.learn("worker.test");
    until("it serves", ASKED_AGAIN, async || {
        slotway.get("/").await;
        (unknown.total() > 0).then_some(())
    })
    .await;
}
