//! Lets an Envoy end what it has begun before it is stopped.

use std::{net::SocketAddr, time::Duration};

use tokio::time::{Instant, sleep};

use super::admin::AdminPort;
use crate::xds::RESOURCE_NAME;

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
/// at most `within`.
pub(super) async fn drain(admin: SocketAddr, delay: Duration, within: Duration) -> Drained {
    let admin = AdminPort(admin);
    // Answers say `connection: close` (or GOAWAY) from here on.
    if admin.ask("POST", "/drain_listeners?graceful&skip_exit", ANSWER_BYTES_MAX).await.is_err() {
        return Drained::Unknown;
    }
    sleep(delay).await;
    if admin.ask("POST", "/drain_listeners", ANSWER_BYTES_MAX).await.is_err() {
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
async fn under_way(admin: AdminPort) -> Option<u64> {
    let path = format!("/stats?filter=%5Ehttp.{RESOURCE_NAME}.downstream_rq_active%24");
    let text = admin.ask("GET", &path, ANSWER_BYTES_MAX).await.ok()?;
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().filter_map(|line| line.rsplit_once(": ")?.1.trim().parse::<u64>().ok());
    Some(lines.sum())
}
