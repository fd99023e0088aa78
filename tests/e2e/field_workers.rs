//! What workers do that are no textbook servers, each with the report from the field that it stands for.

use hyper::body::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use slotway_test_site::{FieldProgram, SOON, Setup, Slotway, get, post, send};

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_the_worker_refuses_early_is_not_held_against_the_worker() {
    // gunicorn answers 413 and closes before it has read the body.
    let arguments = ["limited_upload:app", "--bind", "127.0.0.1:{port}", "--log-level", "warning"];
    let worker = FieldProgram::python("gunicorn", &arguments).await;
    let slotway = Slotway::up(&Setup::default().worker(&worker.url(), 1)).await;
    let upload = Bytes::from(vec![0; 5_000_000]);
    for number in 0..6 {
        // The worker's answer, where Envoy gets it before the connection is reset.
        match send(slotway.address(), post("/upload", upload.clone())).await {
            Ok(answer) if answer.status == 413 => {}
            Ok(answer) => {
                assert_eq!(answer.reason(), "worker_unreachable", "upload {number}");
                assert_eq!((answer.status.as_u16(), &answer.json()["status"]), (503, &503.into()));
            }
            // The answer came while the client was still sending.
            Err(_) => {}
        }
        let innocent = send(slotway.address(), get("/")).await.unwrap();
        assert_eq!(innocent.status, 200, "after upload {number}: {}", innocent.text());
    }
    slotway
        .api()
        .shows("it stays active", |workers| workers[0].state == "active" && workers[0].is_idle())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_http_is_a_503_in_status_and_body_and_does_not_park_the_worker() {
    // nodejs#54366: both a length and chunks; envoy#38697: more than 100 headers.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let worker = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let headers = match head.split(' ').nth(1) {
                    Some("/both") => "content-length: 2\r\ntransfer-encoding: chunked\r\n".to_owned(),
                    Some("/bad") => "no colon\r\n".to_owned(),
                    Some("/many") => (0..150).map(|number| format!("x-{number}: a\r\n")).collect(),
                    _ => "content-length: 2\r\n".to_owned(),
                };
                let answer = format!("HTTP/1.1 200 OK\r\n{headers}\r\nok");
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    let slotway = Slotway::up(&Setup::default().worker(&worker, 1)).await;
    for path in ["/both", "/bad", "/many", "/bad", "/both", "/many"] {
        let answer = send(slotway.address(), get(path)).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.reason().as_str()), (503, "worker_unreachable"), "{path}");
        assert_eq!(answer.json()["status"], 503, "{path}");
        assert_eq!(send(slotway.address(), get("/")).await.unwrap().status, 200, "the next one goes at once");
    }
    slotway.api().shows_idle(SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_of_a_worker_leads_back_to_the_queue() {
    // uvicorn#965: FastAPI redirects `/items` to `/items/` of the address that it sees.
    let arguments = ["redirecting:app", "--port", "{port}", "--log-level", "warning"];
    let worker = FieldProgram::python("uvicorn", &arguments).await;
    let slotway = Slotway::up(&Setup::default().worker(&worker.url(), 1)).await;
    let redirected = slotway.get("/items?page=2").await;
    assert_eq!(redirected.status, 307, "{}", redirected.text());
    assert_eq!(redirected.header("location"), "/items/?page=2");
    assert_eq!(slotway.get(redirected.header("location")).await.status, 200);
    slotway.api().shows_idle(SOON).await;
}
