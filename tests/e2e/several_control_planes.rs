//! Several control planes on one PostgreSQL database, each with its own Envoy.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use slotway_test_postgres::Postgres;

use slotway_test_site::{
    Arrivals, Behaviour, ClientLoad, SOON, ServedApart, Setup, TestWorker, get, send, until,
};

/// Starts two control planes with the same file.
async fn two(postgres: &Postgres, setup: Setup) -> (ServedApart, ServedApart) {
    let setup = setup.store(&postgres.url());
    (ServedApart::start(&setup).await, ServedApart::start(&setup).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_at_one_control_plane_reaches_the_envoys_of_the_other_and_fails_no_request() {
    let postgres = Postgres::start();
    let arrivals = Arrivals::default();
    let w1 = TestWorker::start("W1", &arrivals).await;
    let w2 = TestWorker::start("W2", &arrivals).await;
    w1.behave(Behaviour::delay_ms(3));
    w2.behave(Behaviour::delay_ms(3));
    let (mut one, mut other) = two(&postgres, Setup::with(&[(&w1, 2)])).await;
    let load = ClientLoad::start(other.address(), 12);
    load.passes(100).await;

    one.api().set(&[(&w2.url(), 3)]).await;
    until("the new worker gets requests", SOON, async || (w2.total() >= 100).then_some(())).await;
    let generation = one.api().workers().await[0].generation_wanted;
    other
        .api()
        .shows("the generation of the first control plane", |workers| {
            workers.iter().all(|w| w.generation_wanted == generation)
        })
        .await;

    // One is killed, and the other accepts changes for both.
    one.control_plane.signal(Signal::KILL);
    one.control_plane.ended(SOON).await;
    other.api().set(&[(&w1.url(), 4)]).await;
    until("the new capacity is in use", SOON, async || (w1.highest() == 4).then_some(())).await;
    one.start_control_plane().await;
    let capacity = |workers: &[slotway_test_site::WorkerFigures]| {
        workers.iter().any(|worker| worker.worker == w1.url() && worker.capacity == Some(4))
    };
    one.api().shows("the change during its absence", capacity).await;

    // The same with exchanged roles.
    other.control_plane.signal(Signal::KILL);
    other.control_plane.ended(SOON).await;
    one.api().set(&[(&w2.url(), 5)]).await;
    load.passes(100).await;
    assert_eq!(w2.highest(), 3, "its Envoy keeps its configuration");
    other.start_control_plane().await;
    until("the change during the other's absence", SOON, async || (w2.highest() == 5).then_some(())).await;
    load.finish().await.assert_all_ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_one_control_plane_removes_finishes_the_requests_of_the_others_envoy() {
    let postgres = Postgres::start();
    let arrivals = Arrivals::default();
    let w1 = TestWorker::start("W1", &arrivals).await;
    let w2 = TestWorker::start("W2", &arrivals).await;
    w1.behave(Behaviour::held());
    let (one, other) = two(&postgres, Setup::with(&[(&w1, 1), (&w2, 1)])).await;
    let load = ClientLoad::start(other.address(), 3);
    until("the worker has a request in hand", SOON, async || (w1.current() == 1).then_some(())).await;

    let url = w1.url();
    one.api().remove(&url).await;
    // Its own Envoy has no requests there, so the first control plane releases the worker at once.
    one.api()
        .shows("the worker is removed", |workers| workers.iter().all(|worker| worker.worker != url))
        .await;
    other
        .api()
        .shows("it drains", |workers| workers.iter().any(|w| w.worker == url && w.state == "draining"))
        .await;
    load.passes(100).await;
    let removed = async |site: &ServedApart| {
        let stats = site.envoy_stats().await;
        let line = stats.lines().find_map(|line| line.strip_prefix("cluster_manager.cluster_removed: "));
        line.unwrap().parse::<u32>().unwrap()
    };
    until("its cluster goes at the one", SOON, async || (removed(&one).await == 1).then_some(())).await;
    assert_eq!(removed(&other).await, 0, "its cluster remains while a request is under way");
    assert_eq!((w1.current(), w1.total()), (1, 1));
    w1.release(1);
    other
        .api()
        .shows("the worker is removed", |workers| workers.iter().all(|worker| worker.worker != url))
        .await;
    until("its cluster goes at the other", SOON, async || (removed(&other).await == 1).then_some(())).await;
    load.finish().await.assert_all_ok();
}

/// The duration of the outage, and the number of attempted changes during it.
const AWAY: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn during_a_database_outage_of_a_minute_envoys_keep_serving_and_changes_are_refused() {
    let mut postgres = Postgres::start();
    let arrivals = Arrivals::default();
    let w1 = TestWorker::start("W1", &arrivals).await;
    let w2 = TestWorker::start("W2", &arrivals).await;
    w1.behave(Behaviour::delay_ms(3));
    let (one, mut other) = two(&postgres, Setup::with(&[(&w1, 2)])).await;
    let load = ClientLoad::start(one.address(), 6);
    load.passes(100).await;
    let list = format!(r#"[{{"worker": "{}", "capacity": 1}}]"#, w2.url());

    postgres.stop();
    let gone = Instant::now();
    let ready = async |site: &ServedApart| send(site.addresses().api, get("/readyz")).await.unwrap();
    for site in [&one, &other] {
        until("readyz reports the outage", SOON, async || (ready(site).await.status == 503).then_some(()))
            .await;
    }
    let mut refusals = 0;
    while gone.elapsed() < AWAY {
        for site in [&one, &other] {
            let refused = site.api().request("POST", "/coordinator/workers", list.clone()).await;
            assert_eq!(refused.status, 503, "{}", refused.text());
            assert_eq!(refused.header("content-type"), "application/problem+json");
            assert_eq!(refused.json()["type"], "urn:slotway:problem:store", "{}", refused.text());
            assert_eq!(site.api().workers().await.len(), 1, "reads continue");
            let unready = ready(site).await;
            assert_eq!(unready.status, 503, "{}", unready.text());
            assert!(unready.text().contains("store: refuses changes"), "{}", unready.text());
        }
        refusals += 1;
        load.passes(50).await;
        if refusals == 1 {
            // An Envoy that starts during the outage gets the last configuration.
            other.restart_envoy().await;
            let answers =
                async || send(other.address(), get("/")).await.is_ok_and(|answer| answer.status == 200);
            until("the new Envoy serves", 3 * SOON, async || answers().await.then_some(())).await;
        }
        tokio::time::sleep(ASK_EVERY.min(AWAY.saturating_sub(gone.elapsed()))).await;
    }

    postgres.start_again();
    for site in [&one, &other] {
        until("readyz reports the recovery", 3 * SOON, async || {
            (ready(site).await.status == 200).then_some(())
        })
        .await;
        assert_eq!(
            site.api().workers().await.len(),
            1,
            "the change was refused {refusals} times and must not be made"
        );
    }
    one.api().set(&[(&w2.url(), 1)]).await;
    until("the change is in force at the first control plane", SOON, async || (w2.total() > 0).then_some(()))
        .await;
    other.api().shows("the change", |workers| workers.len() == 2).await;
    load.finish().await.assert_all_ok();
}
