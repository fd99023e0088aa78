//! Clients that leave, and clients that read slowly.

use std::time::{Duration, Instant};

use hyper::body::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use slotway_test_site::{
    Arrivals, Behaviour, ClientConnection, ClientLoad, ClientProtocol, Reply, SOON, Setup, Slotway,
    TestWorker, get, open_raw, until,
};

#[tokio::test(flavor = "multi_thread")]
async fn every_slot_is_home_a_second_after_500_clients_vanished() {
    let arrivals = Arrivals::default();
    let w1 = TestWorker::start("W1", &arrivals).await;
    let w2 = TestWorker::start("W2", &arrivals).await;
    w1.behave(Behaviour::held());
    w2.behave(Behaviour::held());
    let slotway = Slotway::up(&Setup::with(&[(&w1, 40), (&w2, 60)])).await;
    let api = slotway.api();
    let mut clients = Vec::new();
    for n in 0..500 {
        clients.push(open_raw(slotway.address(), &format!("/client/{n}")).await.unwrap());
    }
    api.shows("100 requests at the workers, 400 waiting", |workers| {
        workers.iter().filter_map(|worker| worker.in_flight).sum::<u64>() == 100
            && workers.iter().all(|worker| worker.waiting == Some(400))
    })
    .await;
    drop(clients);
    api.shows_idle(Duration::from_secs(1)).await;

    until("the workers have noticed", SOON, async || (w1.current() + w2.current() == 0).then_some(())).await;
    // All slots are there, and no more than that.
    w1.forget_highest();
    w2.forget_highest();
    let load = ClientLoad::start(slotway.address(), 110);
    until("every slot is in use", SOON, async || (w1.current() + w2.current() == 100).then_some(())).await;
    api.shows_waiting(10).await;
    assert_eq!((w1.highest(), w2.highest()), (40, 60));
    for worker in [&w1, &w2] {
        worker.behave(Behaviour::default());
        worker.release(100);
    }
    load.finish().await.assert_all_ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_vanish_while_others_are_served_leave_no_trace() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::delay_ms(3));
    let slotway = Slotway::up(&Setup::with(&[(&worker, 4)])).await;
    let load = ClientLoad::start(slotway.address(), 16);
    for round in 0..20 {
        let mut clients = Vec::new();
        for _ in 0..25 {
            clients.push(open_raw(slotway.address(), &format!("/vanishing/{round}")).await.unwrap());
        }
        load.passes(10).await;
    }
    load.finish().await.assert_all_ok();
    slotway.api().shows_idle(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_slot_of_an_abandoned_request_stays_taken_for_abandoned_hold() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::held());
    let hold = Duration::from_millis(900);
    let slotway = Slotway::up(&Setup::with(&[(&worker, 1)]).pool("abandoned_hold", "900ms")).await;
    let client = open_raw(slotway.address(), "/").await.unwrap();
    until("the slot is taken", SOON, async || (worker.current() == 1).then_some(())).await;
    worker.behave(Behaviour::default());
    let left = Instant::now();
    drop(client);
    assert_eq!(slotway.get("/").await.status, 200);
    let waited = left.elapsed();
    assert!(waited >= hold, "the slot was given away after {waited:?}");
    assert!(waited < hold + Duration::from_secs(1), "the slot was given away only after {waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_holds_no_slot() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let slotway = Slotway::up(&Setup::with(&[(&worker, 1)])).await;
    // More than the sockets' buffers take, less than Envoy buffers for one connection.
    let body = Bytes::from(vec![b'x'; 900_000]);
    worker.behave(Behaviour::reply(Reply::Whole(200, Vec::new(), body.clone())));
    let mut idler = open_raw(slotway.address(), "/idler").await.unwrap();
    until("the worker was asked", SOON, async || (worker.total() == 1).then_some(())).await;
    worker.behave(Behaviour::default());
    assert_eq!(slotway.get("/").await.status, 200);

    let mut answer = Vec::new();
    while !answer.ends_with(&body) {
        assert_ne!(idler.read_buf(&mut answer).await.unwrap(), 0, "its answer is whole");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_client_that_cancels_its_streams_frees_their_slots_and_places() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    worker.behave(Behaviour::held());
    let slotway = Slotway::up(&Setup::with(&[(&worker, 2)])).await;
    let connection = ClientConnection::open(slotway.address(), ClientProtocol::Http2).await.unwrap();
    let mut requests = JoinSet::new();
    for _ in 0..6 {
        let mut stream = connection.stream();
        requests.spawn(async move { drop(stream.send(get("/")).await) });
    }
    until("both slots are taken", SOON, async || (worker.current() == 2).then_some(())).await;
    slotway.api().shows_waiting(4).await;
    requests.shutdown().await;
    slotway.api().shows_idle(SOON).await;
    worker.behave(Behaviour::default());
    assert_eq!(connection.stream().send(get("/")).await.unwrap().status, 200, "the connection lives on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_vanishes_in_the_midst_of_its_upload_frees_its_slot() {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let slotway = Slotway::up(&Setup::with(&[(&worker, 1)])).await;
    let mut client = TcpStream::connect(slotway.address()).await.unwrap();
    client
        .write_all(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 1000\r\n\r\nthe beginning")
        .await
        .unwrap();
    until("the slot is taken", SOON, async || (worker.current() == 1).then_some(())).await;
    drop(client);
    assert_eq!(slotway.get("/").await.status, 200);
    slotway.api().shows_idle(SOON).await;
}
