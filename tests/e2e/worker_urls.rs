//! How a worker is reached: a path in its base URL, a host name, TLS.

use serde_json::json;
use tempfile::TempDir;

use slotway_test_site::{Arrivals, Authority, Setup, Slotway, TestWorker};

#[tokio::test(flavor = "multi_thread")]
async fn a_path_in_the_base_url_goes_in_front_of_the_requests_path() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let setup = Setup::default().worker(&format!("{}/extractor-web", worker.url()), 1);
    let slotway = Slotway::up(&setup).await;
    for (asked, seen) in [
        ("/extract?text=a%20b&n=1", "/extractor-web/extract?text=a%20b&n=1"),
        ("/", "/extractor-web/"),
        ("/a/b/", "/extractor-web/a/b/"),
    ] {
        assert_eq!(slotway.get(asked).await.status, 200);
        let arrival = arrivals.last();
        assert_eq!(arrival.uri, seen);
        assert_eq!(arrival.headers["host"], worker.address().to_string(), "the authority is the worker's");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_keeps_its_pools_route_whatever_path_its_worker_puts_in_front() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let setup = Setup::default()
        .pool("match", json!({ "prefix": "/ocr/" }))
        .worker(&format!("{}/extractor-web", worker.url()), 1);
    let slotway = Slotway::up(&setup).await;
    assert_eq!(slotway.get("/ocr/page?n=1").await.status, 200);
    assert_eq!(arrivals.last().uri, "/extractor-web/ocr/page?n=1");
    let elsewhere = slotway.get("/elsewhere").await;
    assert_eq!(elsewhere.status, 404);
    assert_eq!(arrivals.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_reached_by_its_host_name() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let authority = format!("localhost:{}", worker.address().port());
    let slotway = Slotway::up(&Setup::default().worker(&format!("http://{authority}"), 1)).await;
    assert_eq!(slotway.get("/").await.status, 200);
    assert_eq!(arrivals.last().headers["host"], authority);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_base_urls_on_one_host_are_two_workers() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let setup =
        Setup::default().worker(&format!("{}/a", worker.url()), 1).worker(&format!("{}/b", worker.url()), 1);
    let slotway = Slotway::up(&setup).await;
    for _ in 0..4 {
        assert_eq!(slotway.get("/x").await.status, 200);
    }
    let mut paths = arrivals.paths();
    paths.sort();
    assert_eq!(paths, ["/a/x", "/a/x", "/b/x", "/b/x"]);
}

fn https(worker: &TestWorker, tls: serde_json::Value) -> Setup {
    Setup::default().worker_entry(json!({ "worker": worker.url(), "capacity": 1, "tls": tls }))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_https_worker_is_reached_with_a_ca_file_and_a_name_for_sni() {
    let directory = TempDir::new().unwrap();
    let (ca, other_ca) = (directory.path().join("ca.pem"), directory.path().join("other.pem"));
    let authority = Authority::generate();
    authority.write(&ca);
    Authority::generate().write(&other_ca);
    let arrivals = Arrivals::default();
    let worker = TestWorker::start_tls("W1", &arrivals, authority.server("annotator.test")).await;

    let slotway = Slotway::up(&https(&worker, json!({ "ca_file": ca, "sni": "annotator.test" }))).await;
    assert_eq!(slotway.get("/").await.status, 200);
    assert_eq!(arrivals.count(), 1);

    let slotway = Slotway::up(&https(&worker, json!({ "ca_file": other_ca, "sni": "annotator.test" }))).await;
    assert_eq!(slotway.get("/").await.reason(), "worker_unreachable", "another authority's signature");

    let slotway = Slotway::up(&https(&worker, json!({ "ca_file": ca, "sni": "other.test" }))).await;
    assert_eq!(slotway.get("/").await.reason(), "worker_unreachable", "a certificate for another name");
    assert_eq!(arrivals.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_https_worker_whose_signer_is_unknown_is_not_reached() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start_tls("W1", &arrivals, Authority::generate().server("localhost")).await;
    let url = format!("https://localhost:{}", worker.address().port());
    let slotway = Slotway::up(&Setup::default().worker(&url, 1)).await;
    assert_eq!(slotway.get("/").await.reason(), "worker_unreachable");
    assert_eq!(arrivals.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_speaks_http2_is_reached() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let setup =
        Setup::default().worker_entry(json!({ "worker": worker.url(), "capacity": 2, "protocol": "http2" }));
    let slotway = Slotway::up(&setup).await;
    assert_eq!(slotway.get("/").await.status, 200);
    assert_eq!(arrivals.last().uri.authority().map(ToString::to_string), Some(worker.address().to_string()));
}
