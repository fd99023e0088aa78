//! The shutdown of `serve`: in order, within time limits, and immediately on request.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    http::send,
    installation::{Installation, wait_for},
};

/// Sends the beginning of a change, without the rest of its body.
fn begin_change(installation: &Installation, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", installation.ports[1])).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let (token, length) = (installation.token(), body.len());
    let head = format!(
        "POST /coordinator/workers HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The server sends this once the handler reads the body: the request is in progress.
    let mut line = [0; 25];
    stream.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

const CHANGE: &str = r#"[{"worker": "http://new", "capacity": 2}]"#;

#[test]
fn a_running_request_is_answered_and_no_new_one_is_accepted() {
    let installation = Installation::new();
    let mut serving = installation.serving(&[]);
    let mut stream = begin_change(&installation, CHANGE);
    serving.signal(Signal::TERM);
    wait_for("a closed port", || TcpStream::connect(("127.0.0.1", installation.ports[1])).err());
    wait_for("a closed xDS port", || TcpStream::connect(("127.0.0.1", installation.ports[2])).err());
    stream.write_all(CHANGE.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(serving.ended(), Some(0));
    // The change was made, not only answered.
    let _again = installation.serving(&[]);
    let (_, rows) =
        send(installation.ports[1], "GET", "/coordinator/workers", &installation.token(), "").unwrap();
    assert!(rows.as_array().unwrap().iter().any(|row| row["worker"] == "http://new"), "{rows}");
}

#[test]
fn a_request_that_does_not_end_is_cut_off_at_the_time_limit() {
    let installation = Installation::new();
    installation.also("shutdown: { within: 200ms }");
    let mut serving = installation.serving(&[]);
    let mut stream = begin_change(&installation, CHANGE);
    serving.signal(Signal::INT);
    assert_eq!(serving.ended(), Some(0));
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert_eq!(answer, "");
    installation.says("shutdown: closing connections with running requests after_s=0.2");
}

#[test]
fn readyz_announces_the_shutdown_and_a_second_signal_ends_at_once() {
    let installation = Installation::new();
    installation.also("shutdown: { delay: 1h }");
    let mut serving = installation.serving(&[]);
    serving.signal(Signal::TERM);
    wait_for("the announcement of the shutdown", || {
        let (status, text) = send(installation.ports[1], "GET", "/readyz", "none", "")?;
        (status == 503 && text == "stopping\n").then_some(())
    });
    assert_eq!(send(installation.ports[1], "GET", "/readyz/xds", "none", "").unwrap().0, 503);
    assert_eq!(send(installation.ports[1], "GET", "/healthz", "none", "").unwrap().0, 200);
    // Until the shutdown everything is served.
    let (status, body) =
        send(installation.ports[1], "POST", "/coordinator/workers", &installation.token(), CHANGE).unwrap();
    assert_eq!(status, 200, "{body}");
    serving.signal(Signal::TERM);
    assert_eq!(serving.ended(), Some(143));
    installation.says("slotway: ending at once (SIGTERM)");
}
