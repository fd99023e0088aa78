use std::convert::Infallible;

use axum::body::Body;
use futures_util::stream;

use crate::running_worker::RunningWorker;

/// Method, path, content type, body; status and reason of the answer.
type Case = (&'static str, &'static str, &'static str, &'static [u8], u16, &'static str);

#[tokio::test]
async fn bad_requests_are_refused_with_a_reason() {
    let worker = RunningWorker::start("--name W1").await;
    let plain = "text/plain";
    let table: [Case; 19] = [
        ("POST", "/extract", "", b"London", 415, "unsupported_type"),
        ("POST", "/extract", "application/x-www-form-urlencoded", b"London", 415, "unsupported_type"),
        ("POST", "/extract", "application/json", b"{}", 415, "unsupported_type"),
        ("POST", "/extract", "text/plain; charset=latin1", b"London", 415, "unsupported_type"),
        ("POST", "/extract", plain, b"London \xff", 400, "not_utf8"),
        ("POST", "/extract", "text/html", b"\xc3", 400, "not_utf8"),
        ("POST", "/extract?timeout=0", plain, b"London", 400, "bad_parameter"),
        ("POST", "/extract?timeout=soon", plain, b"London", 400, "bad_parameter"),
        ("POST", "/extract?timeout=5&timeout=6", plain, b"London", 400, "bad_parameter"),
        ("GET", "/extract", "", b"", 400, "missing_text"),
        ("GET", "/extract?txt=London", "", b"", 400, "missing_text"),
        ("GET", "/extract?text=%FF", "", b"", 400, "bad_parameter"),
        ("GET", "/extract?text=a&text=b", "", b"", 400, "bad_parameter"),
        ("PUT", "/extract", plain, b"London", 405, "wrong_method"),
        ("DELETE", "/extract", "", b"", 405, "wrong_method"),
        ("POST", "/stats", "", b"", 405, "wrong_method"),
        ("GET", "/stats/reset", "", b"", 405, "wrong_method"),
        ("GET", "/", "", b"", 404, "not_found"),
        ("POST", "/extract/", plain, b"London", 404, "not_found"),
    ];
    for (method, path, content_type, body, status, reason) in table {
        let mut request = worker.request(method, path);
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        let answer = worker.send(request.body(Body::from(body)).unwrap()).await;
        println!("{method} {path} {content_type}");
        answer.assert_problem(status, reason);
        assert_eq!(answer.header("x-worker"), "W1");
        assert_eq!(answer.header("allow").is_empty(), status != 405);
    }
    let counts = worker.counts();
    assert_eq!((counts.current, counts.total, counts.refused, counts.answered), (0, 13, 13, 0));
}

#[tokio::test]
async fn compressed_text_is_refused() {
    let worker = RunningWorker::start("").await;
    let request = worker.request("POST", "/extract").header("content-type", "text/plain");
    let request = request.header("content-encoding", "gzip").body(Body::from("x")).unwrap();
    worker.send(request).await.assert_problem(415, "unsupported_type");
}

#[tokio::test]
async fn a_document_beyond_the_bound_is_refused_and_one_at_the_bound_is_not() {
    let worker = RunningWorker::start("--body-bytes-max 10").await;
    assert_eq!(worker.post("/extract", "text/plain", "in London.").await.mentions().len(), 1);
    worker.post("/extract", "text/plain", "in London..").await.assert_problem(413, "too_long");
    // A length that is not announced is checked while reading.
    for (end, status) in [(".", 200), ("..", 413)] {
        let pieces = ["in ", "London", end].map(Ok::<_, Infallible>);
        let body = Body::from_stream(stream::iter(pieces));
        let request =
            worker.request("POST", "/extract").header("content-type", "text/plain").body(body).unwrap();
        assert_eq!(worker.send(request).await.status, status);
    }
    assert_eq!((worker.counts().current, worker.counts().answered, worker.counts().refused), (0, 2, 2));
}
