//! Envoy's admin port, asked over HTTP.

use std::{net::SocketAddr, time::Duration};

use axum::{body::Bytes, http::Request};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::time::timeout;

use super::bootstrap::reachable;

/// How long it may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The admin port at an address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdminPort(pub(crate) SocketAddr);

impl AdminPort {
    /// What it answers, up to a number of bytes; or, in words, why there is nothing.
    pub(crate) async fn ask(self, method: &str, path: &str, bytes_max: usize) -> Result<Bytes, String> {
        let uri = format!("http://{}{path}", reachable(self.0));
        let request = Request::builder().method(method).uri(uri).body(Empty::<Bytes>::new());
        let request = request.map_err(|error| error.to_string())?;
        let answer = async {
            let response = Client::builder(TokioExecutor::new()).build_http().request(request).await;
            let response = response.map_err(|_| "nobody answers".to_owned())?;
            let status = response.status();
            if !status.is_success() {
                return Err(format!("it answers {status}"));
            }
            let body = Limited::new(response.into_body(), bytes_max).collect().await;
            Ok(body.map_err(|error| error.to_string())?.to_bytes())
        };
        let late = |_| Err(format!("no answer within {} s", ANSWER_WITHIN.as_secs()));
        timeout(ANSWER_WITHIN, answer).await.unwrap_or_else(late)
    }
}
