//! Drains an Envoy before it is stopped.

use std::{net::SocketAddr, time::Duration};

use tokio::time::{Instant, sleep};

use super::admin::AdminPort;
use crate::types::RESOURCE_NAME;

/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const POLL_EVERY: Duration = Duration::from_millis(20);

/// The outcome of a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DrainOutcome {
    /// No request is left.
    Complete,
    /// This number of requests is left.
    Incomplete(u64),
    /// Its admin port does not answer.
    Unknown,
}

/// Asks Envoy's clients for `delay` to close their connections, then accepts no further connection, and waits until no request is
/// left, at most `within`.
pub(super) async fn drain(admin: SocketAddr, delay: Duration, within: Duration) -> DrainOutcome {
    let admin = AdminPort(admin);
    // Answers say `connection: close` (or GOAWAY) from here on.
    if admin.ask("POST", "/drain_listeners?graceful&skip_exit", ANSWER_BYTES_MAX).await.is_err() {
        return DrainOutcome::Unknown;
    }
    sleep(delay).await;
    if admin.ask("POST", "/drain_listeners", ANSWER_BYTES_MAX).await.is_err() {
        return DrainOutcome::Unknown;
    }
    let began = Instant::now();
    loop {
        match requests(admin).await {
            None => return DrainOutcome::Unknown,
            Some(0) => return DrainOutcome::Complete,
            Some(left) if began.elapsed() >= within => return DrainOutcome::Incomplete(left),
            Some(_) => sleep(POLL_EVERY).await,
        }
    }
}

/// Returns the number of requests of clients that are in flight or wait.
async fn requests(admin: AdminPort) -> Option<u64> {
    let path = format!("/stats?filter=%5Ehttp.{RESOURCE_NAME}.downstream_rq_active%24");
    let text = admin.ask("GET", &path, ANSWER_BYTES_MAX).await.ok()?;
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().filter_map(|line| line.rsplit_once(": ")?.1.trim().parse::<u64>().ok());
    Some(lines.sum())
}
