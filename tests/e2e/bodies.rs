//! Bodies pass unchanged: large, in pieces, over HTTP/1.1 and HTTP/2.

use http_body_util::BodyExt;
use hyper::body::Bytes;
use tokio::task::JoinSet;

use slotway_test_site::{
    Arrivals, Behaviour, ClientConnection, ClientProtocol, Reply, SOON, Setup, Slotway, TestWorker, get,
    post, until,
};

/// Returns bytes without a period, so that a shift by the length of a buffer is found.
fn fifty_megabytes() -> Bytes {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(50_000_000).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_megabytes_pass_in_both_directions() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::reply(Reply::Echo));
    let slotway = Slotway::up(&Setup::with(&[(&worker, 1)])).await;
    let body = fifty_megabytes();
    for protocol in [ClientProtocol::Http1, ClientProtocol::Http2] {
        let mut connection = ClientConnection::open(slotway.address(), protocol).await.unwrap();
        let answer = connection.send(post("/", body.clone())).await.unwrap();
        assert_eq!(answer.status, 200, "{protocol:?}");
        assert!(answer.body == body, "{protocol:?}: {} bytes came back changed", answer.body.len());
    }
    slotway.api().shows_idle(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_megabytes_that_wait_for_a_slot_pass_whole() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::held());
    let slotway = Slotway::up(&Setup::with(&[(&worker, 1)])).await;
    let address = slotway.address();
    let first = tokio::spawn(slotway_test_site::send(address, get("/first")));
    until("the slot is taken", SOON, async || (worker.current() == 1).then_some(())).await;
    let body = fifty_megabytes();
    let second = tokio::spawn(slotway_test_site::send(address, post("/second", body.clone())));
    slotway.api().shows_waiting(1).await;
    worker.behave(Behaviour::reply(Reply::Echo));
    worker.release(1);
    assert_eq!(first.await.unwrap().unwrap().status, 200);
    let answer = second.await.unwrap().unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.body == body, "{} bytes came back changed", answer.body.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_passes_in_pieces_while_its_slot_is_taken() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let pieces: Vec<Bytes> = (0..4).map(|n| Bytes::from(format!("piece {n};"))).collect();
    worker.behave(Behaviour::reply(Reply::Chunks(pieces.clone())));
    let slotway = Slotway::up(&Setup::with(&[(&worker, 1)])).await;
    let mut connection = ClientConnection::open(slotway.address(), ClientProtocol::Http1).await.unwrap();
    let asked = connection.start(get("/"));
    let mut body = asked.await.unwrap().into_body();
    for piece in pieces {
        assert_eq!(worker.current(), 1, "the worker is not finished");
        // The worker has not sent the next chunk, so the client has received only this one.
        worker.release(1);
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece);
    }
    assert!(body.frame().await.is_none());
    slotway.api().shows_idle(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_on_one_http2_connection_each_take_a_slot() {
    let arrivals = Arrivals::default();
    let w1 = TestWorker::start("W1", &arrivals).await;
    let w2 = TestWorker::start("W2", &arrivals).await;
    w1.behave(Behaviour::held());
    w2.behave(Behaviour::held());
    let slotway = Slotway::up(&Setup::with(&[(&w1, 2), (&w2, 3)])).await;
    let connection = ClientConnection::open(slotway.address(), ClientProtocol::Http2).await.unwrap();
    let mut requests = JoinSet::new();
    for _ in 0..20 {
        let mut stream = connection.stream();
        requests.spawn(async move { stream.send(get("/")).await });
    }
    until("every slot is taken", SOON, async || (w1.current() + w2.current() == 5).then_some(())).await;
    slotway.api().shows_waiting(15).await;
    w1.release(20);
    w2.release(20);
    while let Some(answer) = requests.join_next().await {
        assert_eq!(answer.unwrap().unwrap().status, 200);
    }
    assert_eq!((w1.highest(), w2.highest()), (2, 3));
    slotway.api().shows_idle(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_request_and_an_answer_without_a_body_free_their_slots() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::reply(Reply::Whole(204, Vec::new(), Bytes::new())));
    let slotway = Slotway::up(&Setup::with(&[(&worker, 1)])).await;
    for protocol in [ClientProtocol::Http1, ClientProtocol::Http2] {
        let mut connection = ClientConnection::open(slotway.address(), protocol).await.unwrap();
        for _ in 0..5 {
            assert_eq!(connection.send(get("/")).await.unwrap().status, 204);
            let head = hyper::Request::head("/").body(Default::default()).unwrap();
            assert_eq!(connection.send(head).await.unwrap().status, 204);
        }
    }
    slotway.api().shows_idle(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grpc_answer_passes_with_its_trailers_and_frees_its_slot() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let message = Bytes::from_static(b"\0\0\0\0\x03abc");
    worker.behave(Behaviour::reply(Reply::Trailers(message.clone(), vec![("grpc-status", "0")])));
    let entry = serde_json::json!({ "worker": worker.url(), "capacity": 1, "protocol": "http2" });
    let slotway = Slotway::up(&Setup::default().worker_entry(entry)).await;
    let mut connection = ClientConnection::open(slotway.address(), ClientProtocol::Http2).await.unwrap();
    for _ in 0..3 {
        let mut request = post("/annotator.Annotator/Extract", message.clone());
        request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        request.headers_mut().insert("te", "trailers".parse().unwrap());
        let answer = connection.send(request).await.unwrap();
        assert_eq!((answer.status.as_u16(), &answer.body), (200, &message));
        assert_eq!(answer.trailers["grpc-status"], "0");
    }
    slotway.api().shows_idle(SOON).await;
}
