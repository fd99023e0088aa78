//! Asks a running control plane.

use std::{net::SocketAddr, time::Duration};

use axum::body::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{envoy::bootstrap::reachable, error::Error, people::AdminToken};

const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A query of those of the fields that are there.
pub(super) fn query(fields: &[(&str, Option<&str>)]) -> String {
    let there = fields.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    let pairs = there.map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Gets `path` as text.
///
/// # Errors
/// [`Error::Request`]: nobody answers, not in time, or with a refusal.
pub(super) async fn get(api: SocketAddr, path: &str, token: Option<&AdminToken>) -> Result<String, Error> {
    let url = format!("http://{}{path}", reachable(api));
    let failed = |reason: String| Error::Request { url: url.clone(), reason };
    let mut request = axum::http::Request::get(&url);
    if let Some(token) = token {
        request = request.header(axum::http::header::AUTHORIZATION, token.authorization());
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| failed(error.to_string()))?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let ask = async {
        let hint = "is the control plane running? start it with `slotway up -f FILE`";
        let response =
            client.request(request).await.map_err(|_| failed(format!("nobody answers; {hint}")))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| failed(error.to_string()))?.to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        if status.is_success() { Ok(text) } else { Err(failed(format!("{status}: {text}"))) }
    };
    let late = |_| failed(format!("no answer within {} s", ANSWER_WITHIN.as_secs()));
    tokio::time::timeout(ANSWER_WITHIN, ask).await.map_err(late)?
}
