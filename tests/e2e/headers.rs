//! Neither clients nor workers can forge the headers of Slotway.

use http_body_util::Full;
use hyper::{Request, body::Bytes};

use slotway_test_site::{Arrivals, Behaviour, Reply, Setup, Slotway, TestWorker, send};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_cannot_choose_its_worker() {
    let arrivals = Arrivals::default();
    let w1 = TestWorker::start("W1", &arrivals).await;
    let w2 = TestWorker::start("W2", &arrivals).await;
    let slotway = Slotway::up(&Setup::with(&[(&w1, 1), (&w2, 1)])).await;
    let wanted = w1.url();
    for _ in 0..4 {
        let request = Request::get("/")
            .header("x-slotway-worker", &wanted)
            .header("X-Slotway-Worker", "slotway_control_plane")
            .body(Full::default())
            .unwrap();
        assert_eq!(send(slotway.address(), request).await.unwrap().status, 200);
    }
    assert_eq!((w1.total(), w2.total()), (2, 2), "each slot had its turn");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_header_of_ours_reaches_the_worker() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let slotway = Slotway::up(&Setup::with(&[(&worker, 1)])).await;
    let request = Request::get("/")
        .header("x-slotway-worker", "http://elsewhere")
        .header("x-slotway-wait-timeout-ms", "1000")
        .header("x-slotway-wait-ms", "1")
        .header("x-of-the-client", "kept")
        .body(Full::default())
        .unwrap();
    assert_eq!(send(slotway.address(), request).await.unwrap().status, 200);
    let seen = arrivals.last().headers;
    assert_eq!(seen["x-of-the-client"], "kept");
    let ours: Vec<_> = seen.keys().filter(|name| name.as_str().starts_with("x-slotway-")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_cannot_forge_our_headers() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let forged = vec![("x-slotway-worker", "forged"), ("x-slotway-wait-ms", "forged"), ("x-own", "kept")];
    worker.behave(Behaviour::reply(Reply::Whole(200, forged, Bytes::new())));

    let slotway = Slotway::up(&Setup::with(&[(&worker, 1)])).await;
    let answer = slotway.get("/").await;
    assert_eq!(answer.header("x-own"), "kept");
    let ours: Vec<_> = answer.headers.keys().filter(|name| name.as_str().starts_with("x-slotway-")).collect();
    assert!(ours.is_empty(), "{ours:?}");

    let slotway = Slotway::up(&Setup::with(&[(&worker, 1)]).debug_headers()).await;
    let answer = slotway.get("/").await;
    assert_eq!(answer.header("x-slotway-worker"), worker.url());
    assert_eq!(answer.headers.get_all("x-slotway-worker").iter().count(), 1);
    assert_eq!(answer.header("x-slotway-wait-ms"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn debug_headers_tell_the_worker_and_the_wait() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::delay_ms(200));
    let slotway = Slotway::up(&Setup::with(&[(&worker, 1)]).debug_headers()).await;
    let (first, second) = tokio::join!(slotway.get("/"), slotway.get("/"));
    let mut waits: Vec<u64> = Vec::new();
    for answer in [first, second] {
        assert_eq!(answer.header("x-slotway-worker"), worker.url());
        waits.push(answer.header("x-slotway-wait-ms").parse().unwrap());
    }
    waits.sort_unstable();
    assert!(waits[0] < 100 && waits[1] >= 100, "{waits:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_is_no_number_is_refused() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let slotway = Slotway::up(&Setup::with(&[(&worker, 1)])).await;
    for bad in ["soon", "-1", "1.5", "1s", "99999999999999999999999"] {
        let request =
            Request::get("/").header("x-slotway-wait-timeout-ms", bad).body(Full::default()).unwrap();
        let answer = send(slotway.address(), request).await.unwrap();
        assert_eq!(answer.status, 400, "{bad}: {}", answer.text());
        assert_eq!(answer.json()["reason"], "bad_wait_timeout");
    }
    assert_eq!(worker.total(), 0);
}
