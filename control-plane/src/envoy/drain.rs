//! Lets an Envoy end what it has begun before it is stopped.

use std::{net::SocketAddr, time::Duration};

use axum::body::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::time::{Instant, sleep, timeout};

use super::bootstrap::reachable;
use crate::xds::RESOURCE_NAME;

/// How long the admin port may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drained {
    /// No request is left.
    Yes,
    /// So many requests are left.
    No(u64),
    /// Its admin port does not answer.
    Unknown,
}

/// Tells Envoy's clients for `delay` to let go of their connections, then takes no further connection, and waits until no request is left,
/// over both at most `delay` and `within`.
pub(super) async fn drain(admin: SocketAddr, delay: Duration, within: Duration) -> Drained {
    // Answers say `connection: close` (or GOAWAY) from here on.
    if ask(admin, "POST", "/drain_listeners?graceful&skip_exit").await.is_none() {
        return Drained::Unknown;
    }
    sleep(delay).await;
    if ask(admin, "POST", "/drain_listeners").await.is_none() {
        return Drained::Unknown;
    }
    let began = Instant::now();
    loop {
        match under_way(admin).await {
            None => return Drained::Unknown,
            Some(0) => return Drained::Yes,
            Some(left) if began.elapsed() >= within => return Drained::No(left),
            Some(_) => sleep(LOOK_EVERY).await,
        }
    }
}

/// How many requests of clients are under way or wait.
async fn under_way(admin: SocketAddr) -> Option<u64> {
    let path = format!("/stats?filter=^http\\.{RESOURCE_NAME}\\.downstream_rq_active$");
    let text = ask(admin, "GET", &path).await?;
    let lines = text.lines().filter_map(|line| line.rsplit_once(": ")?.1.trim().parse::<u64>().ok());
    Some(lines.sum())
}

/// Asks the admin port; `None` where it does not answer, or with a refusal.
async fn ask(admin: SocketAddr, method: &str, path: &str) -> Option<String> {
    let uri = format!("http://{}{path}", reachable(admin)).replace('^', "%5E").replace('\\', "%5C");
    let request = axum::http::Request::builder().method(method).uri(uri.replace('$', "%24"));
    let request = request.body(Empty::<Bytes>::new()).ok()?;
    let answer = async {
        let response = Client::builder(TokioExecutor::new()).build_http().request(request).await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.ok()?;
        Some(String::from_utf8_lossy(&body.to_bytes()).into_owned())
    };
    timeout(ANSWER_WITHIN, answer).await.ok()?
}
