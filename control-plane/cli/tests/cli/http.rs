//! An HTTP client for the processes under test. Each request has its own connection.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

/// The time limit for an answer; far more than any answer needs.
const WITHIN: Duration = Duration::from_secs(60);

/// No token.
pub(crate) const NOBODY: &str = "";

/// Sends a request with a token and returns status and body; `None` without a complete answer.
pub(crate) fn send(port: u16, method: &str, path: &str, token: &str, body: &str) -> Option<(u16, Value)> {
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str())];
    send_with(port, method, path, if token == NOBODY { &[] } else { &headers }, body)
}

/// Sends a request with these headers and returns status and body; `None` without a complete answer.
pub(crate) fn send_with(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(WITHIN)).unwrap();
    let length = body.len();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{headers}\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned()))))
}
