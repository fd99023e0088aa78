//! Only the coordinator itself reports, with a real Envoy and its bootstrap.

use http_body_util::Full;
use hyper::{Request, body::Bytes};
use serde_json::json;
use slotway_test_site::{
    Arrivals, Behaviour, ClientLoad, SOON, ServedApart, Setup, TestWorker, get, send, until,
};
use tempfile::TempDir;

const TOKEN: &str = "0123456789-the-token-of-the-default-group";

/// A request to the port of xDS that says that no pool has requests, as a page or a local process sends it.
fn forged(generation: u64, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let report = json!({ "coordinator": "local", "reporter": 7, "sequence": 1, "full": true,
                         "generation": generation, "pools": [] });
    let request = headers.iter().fold(
        Request::post("/coordinator/report").header("authorization", format!("Bearer {TOKEN}")),
        |request, (name, value)| request.header(*name, *value),
    );
    request.body(Full::new(report.to_string().into())).unwrap()
}

async fn refused_reports(slotway: &ServedApart) -> u64 {
    let metrics = slotway.api().get("/metrics").await.text();
    let start = "slotway_xds_refused_total{reason=\"report\"} ";
    metrics.lines().find_map(|line| line.strip_prefix(start)?.parse().ok()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_report_does_not_release_a_busy_worker_and_the_real_one_does() {
    let directory = TempDir::new().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::held());
    let other = TestWorker::start("W2", &arrivals).await;
    other.behave(Behaviour::delay_ms(3));
    let setup = Setup::with(&[(&worker, 1), (&other, 1)]);
    let setup = setup.top("groups", json!([{ "name": "slotway", "token_file": token }]));
    let slotway = ServedApart::start(&setup).await;
    let (api, url) = (slotway.api(), worker.url());
    let load = ClientLoad::start(slotway.address(), 3);
    until("the worker has a request in hand", SOON, async || (worker.current() == 1).then_some(())).await;
    api.remove(&url).await;
    let drains = |workers: &[slotway_test_site::WorkerFigures]| {
        workers.iter().any(|worker| worker.worker == url && worker.state == "draining")
    };
    api.shows("the removed worker draining", drains).await;

    let json_type = ("content-type", "application/json");
    let key_of_another = slotway.bootstrap(&["--node", "other"]);
    let key_of_another =
        key_of_another["static_resources"]["secrets"][0]["generic_secret"]["secret"]["inline_string"]
            .as_str()
            .unwrap();
    let generation = api.workers().await[0].generation_wanted;
    for headers in [
        &[
            ("origin", "https://elsewhere.example"),
            ("sec-fetch-site", "cross-site"),
            ("content-type", "text/plain"),
        ][..],
        &[json_type],
        &[json_type, ("x-slotway-node", "local"), ("x-slotway-node-key", key_of_another)],
        &[json_type, ("x-slotway-node", "other"), ("x-slotway-node-key", key_of_another)],
    ] {
        let before = refused_reports(&slotway).await;
        let answer = send(slotway.addresses().xds, forged(generation, headers)).await.unwrap();
        assert_eq!(answer.status, 403, "{headers:?}: {}", answer.text());
        assert!(!answer.text().contains(key_of_another), "{}", answer.text());
        assert_eq!(refused_reports(&slotway).await, before + 1, "{headers:?}");
        assert!(drains(&api.workers().await), "{headers:?}");
    }
    // A worker that is released too early would get a second request here.
    api.set(&[(&url, 1)]).await;
    api.shows("the worker active again", |workers| {
        workers
            .iter()
            .any(|worker| worker.worker == url && worker.state == "active" && worker.in_flight == Some(1))
    })
    .await;
    load.passes(100).await;
    assert_eq!((worker.current(), worker.highest()), (1, 1));

    api.remove(&url).await;
    // Until Envoy has the removal, the slot may go to a waiting request.
    worker.behave(Behaviour::default());
    worker.release(1);
    api.shows("the removal of the worker", |workers| workers.iter().all(|worker| worker.worker != url)).await;
    load.finish().await.assert_all_ok();
    assert_eq!(worker.highest(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_shows_neither_the_key_of_its_node_nor_its_token() {
    let directory = TempDir::new().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    let worker = TestWorker::start("W1", &Arrivals::default()).await;
    let setup = Setup::with(&[(&worker, 1)]);
    let setup = setup.top("groups", json!([{ "name": "slotway", "token_file": token }]));
    // It is up once its reports arrive, so that key and token are in use.
    let mut slotway = ServedApart::start(&setup).await;
    let bootstrap = slotway.bootstrap(&[]);
    let secrets = bootstrap["static_resources"]["secrets"].as_array().unwrap();
    let key = secrets[0]["generic_secret"]["secret"]["inline_string"].as_str().unwrap();
    assert_eq!((secrets.len(), key.len()), (2, 64));
    let admin = slotway.addresses().admin;
    for path in ["/config_dump?include_eds", "/init_dump", "/server_info", "/clusters?format=json", "/stats"]
    {
        let shown = send(admin, get(path)).await.unwrap().text();
        assert!(!shown.contains(key) && !shown.contains(TOKEN), "{path} shows a secret: {shown}");
        assert_eq!(path.starts_with("/config_dump"), shown.contains("[redacted]"), "{path}");
    }
    assert_eq!(refused_reports(&slotway).await, 0);
    slotway.restart_envoy().await;
    slotway.api().shows_idle(SOON * 3).await;
    let log = slotway.control_plane.output();
    assert!(!log.contains(key) && !log.contains(TOKEN), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reports_of_an_envoy_with_an_earlier_bootstrap_are_refused_with_what_to_do_and_logged_once() {
    let worker = TestWorker::start("W1", &Arrivals::default()).await;
    let setup = Setup::with(&[(&worker, 1)]);
    let slotway = ServedApart::start_edited(&setup, |bootstrap| {
        let resources = bootstrap["static_resources"].as_object_mut().unwrap();
        resources.remove("secrets");
        let cluster = &mut resources["clusters"][0]["typed_extension_protocol_options"];
        let options = &mut cluster["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];
        options.as_object_mut().unwrap().remove("http_filters");
    });
    let slotway = slotway.await;
    until("several refusals", SOON * 3, async || (refused_reports(&slotway).await >= 4).then_some(())).await;
    assert_eq!(slotway.get("/").await.status, 200, "requests go on");
    let log = slotway.control_plane.output();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("report refused")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("slotway bootstrap"), "{log}");
    assert_eq!(slotway.api().workers().await[0].in_flight, None);
}
