//! What clients send that are no browsers, each with the report from the field that it stands for.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use slotway_test_site::{
    Arrivals, Behaviour, Reply, SOON, Setup, Slotway, TestWorker, get, open_raw, send, until,
};

/// A connection on which a test writes bytes of its own.
struct RawClient(TcpStream);

impl RawClient {
    async fn send(slotway: &Slotway, bytes: &str) -> Self {
        let mut stream = TcpStream::connect(slotway.address()).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        Self(stream)
    }

    /// Reads until what was received contains a text.
    async fn receives(&mut self, text: &str) -> String {
        let mut received = Vec::new();
        let mut chunk = [0; 4096];
        while !String::from_utf8_lossy(&received).contains(text) {
            let length = tokio::time::timeout(SOON, self.0.read(&mut chunk)).await.expect(text).unwrap();
            let so_far = String::from_utf8_lossy(&received).into_owned();
            assert!(length > 0, "closed before {text:?}, after {so_far:?}");
            received.extend_from_slice(&chunk[..length]);
        }
        String::from_utf8_lossy(&received).into_owned()
    }

    async fn write(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Returns whether nothing has been received.
    fn has_received_nothing(&self) -> bool {
        let read = self.0.try_read(&mut [0; 1]);
        read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }
}

async fn one_worker(capacity: u32) -> (Slotway, TestWorker, Arrivals) {
    let arrivals = Arrivals::default();
    let worker = TestWorker::start("W1", &arrivals).await;
    let setup = Setup::with(&[(&worker, capacity)]).pool("max_waiting", 1);
    (Slotway::up(&setup).await, worker, arrivals)
}

#[tokio::test(flavor = "multi_thread")]
async fn http_1_0_is_served_with_and_without_a_host() {
    // nginx's `proxy_pass` before 1.29, `ab`, and old health checks speak it.
    let (slotway, _worker, arrivals) = one_worker(1).await;
    for request in ["GET /a HTTP/1.0\r\n\r\n", "GET /b HTTP/1.0\r\nhost: t\r\nconnection: keep-alive\r\n\r\n"]
    {
        let answer = RawClient::send(&slotway, request).await.receives("ok").await;
        assert!(answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(arrivals.paths(), ["/a", "/b"]);
    slotway.api().shows_idle(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_asked_for_only_once_the_request_has_its_slot() {
    // contour#5074
    let (slotway, worker, _) = one_worker(1).await;
    worker.behave(Behaviour::held());
    let running = open_raw(slotway.address(), "/").await.unwrap();
    until("the worker is busy", SOON, async || (worker.current() == 1).then_some(())).await;
    let upload = "POST /upload HTTP/1.1\r\nhost: t\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n";
    let mut waiting = RawClient::send(&slotway, upload).await;
    slotway.api().shows_waiting(1).await;
    assert!(waiting.has_received_nothing(), "100 Continue before the request has a slot");
    // A third request is refused without its body.
    let refused = RawClient::send(&slotway, upload).await.receives("queue_full").await;
    assert!(refused.starts_with("HTTP/1.1 503") && !refused.contains("100 Continue"), "{refused}");
    worker.behave(Behaviour::reply(Reply::Echo));
    worker.release(1);
    let asked = waiting.receives("\r\n\r\n").await;
    assert!(asked.starts_with("HTTP/1.1 100 Continue"), "{asked}");
    waiting.write("body").await;
    let answer = waiting.receives("body").await;
    assert!(answer.contains("HTTP/1.1 200"), "{answer}");
    drop(running);
    slotway.api().shows_idle(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_to_switch_to_another_protocol_is_ignored() {
    // envoy#36305: Apache HttpClient 5.4 offers TLS/1.2; others offer h2c.
    let (slotway, _worker, arrivals) = one_worker(1).await;
    let offers = ["TLS/1.2", "h2c", "foo/1, bar", "web", "websockets", "xwebsocket"];
    for offer in offers {
        let request = format!("GET / HTTP/1.1\r\nhost: t\r\nupgrade: {offer}\r\nconnection: Upgrade\r\n\r\n");
        let answer = RawClient::send(&slotway, &request).await.receives("ok").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{offer}: {answer}");
        assert!(!arrivals.last().headers.contains_key("upgrade"), "{offer}");
    }
    assert_eq!(arrivals.count(), offers.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_holds_its_slot_until_it_is_closed() {
    // envoy#27056
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let worker = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let accepts = String::from_utf8_lossy(&head).to_lowercase().contains("upgrade: websocket");
            assert!(accepts, "the worker gets the offer");
            let switched =
                "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n";
            stream.write_all(switched.as_bytes()).await.unwrap();
            let (mut from, mut to) = stream.split();
            let _ = tokio::io::copy(&mut from, &mut to).await;
        }
    });
    let setup = Setup::default().worker(&worker, 1).pool("max_waiting", 1).pool("answer_timeout", "1s");
    let slotway = Slotway::up(&setup).await;
    let open = "GET /chat HTTP/1.1\r\nhost: t\r\nupgrade: WebSocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\n\
                sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut first = RawClient::send(&slotway, open).await;
    assert!(first.receives("\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    first.write("hello").await;
    first.receives("hello").await;
    let mut second = RawClient::send(&slotway, open).await;
    slotway.api().shows_waiting(1).await;
    first.write("still there").await;
    first.receives("still there").await;
    drop(first);
    assert!(second.receives("\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    drop(second);
    slotway.api().shows_idle(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_is_answered_beside_a_full_queue() {
    // gpustack#3189: HAProxy in front takes a coordinator down whose queue is full.
    let (slotway, worker, arrivals) = one_worker(1).await;
    worker.behave(Behaviour::held());
    let running = open_raw(slotway.address(), "/").await.unwrap();
    let waiting = open_raw(slotway.address(), "/").await.unwrap();
    slotway.api().shows_waiting(1).await;
    assert_eq!(slotway.get("/").await.reason(), "queue_full");
    let ready = slotway.get("/-/slotway/ready").await;
    assert_eq!(ready.status, 200, "{}", ready.text());
    let old = RawClient::send(&slotway, "GET /-/slotway/ready HTTP/1.0\r\n\r\n").await.receives("200").await;
    assert!(old.starts_with("HTTP/1."), "{old}");
    worker.release(2);
    drop((running, waiting));
    slotway.api().shows_idle(SOON).await;
    assert!(arrivals.paths().iter().all(|path| path == "/"), "no worker is asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_escaped_slash_and_an_unknown_method_reach_the_worker_as_they_were_sent() {
    let (slotway, _worker, arrivals) = one_worker(1).await;
    assert_eq!(send(slotway.address(), get("/files/a%2Fb%2fc")).await.unwrap().status, 200);
    assert_eq!(arrivals.last().uri.path(), "/files/a%2Fb%2fc");
    // draft-ietf-httpbis-safe-method-w-body: QUERY needs a content type.
    let query =
        "QUERY /search HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    let answer = RawClient::send(&slotway, query).await.receives("ok").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(arrivals.last().uri.path(), "/search");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_ends_the_connection_of_a_client_that_reads_to_its_end() {
    // `ab`, and clients that send `connection: close` and read to the end. Envoy waits for the rest of a request (1 s) if it is
    // answered within the callback for its headers.
    const REFUSALS: u32 = 20;
    let (slotway, worker, _) = one_worker(1).await;
    worker.behave(Behaviour::held());
    let running = open_raw(slotway.address(), "/").await.unwrap();
    let waiting = open_raw(slotway.address(), "/").await.unwrap();
    slotway.api().shows_waiting(1).await;
    let began = std::time::Instant::now();
    for request in ["GET / HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"] {
        for _ in 0..REFUSALS / 2 {
            let mut client = RawClient::send(&slotway, request).await;
            let mut answer = String::new();
            client.0.read_to_string(&mut answer).await.unwrap();
            assert!(answer.contains("queue_full"), "{answer}");
        }
    }
    let took = began.elapsed();
    assert!(took < std::time::Duration::from_secs(1) * REFUSALS / 2, "{took:?} for {REFUSALS} refusals");
    worker.release(2);
    drop((running, waiting));
    slotway.api().shows_idle(SOON).await;
}
