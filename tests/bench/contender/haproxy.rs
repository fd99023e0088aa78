//! HAProxy: its own queue, in front of servers with `maxconn`.

use std::net::SocketAddr;

use super::{Contender, ProxyLaunch, directory, installed, write};
use crate::cpus::Cpus;
use slotway_test_site::fresh_address;

/// HAProxy's settings besides the workers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HaproxySettings<'a> {
    /// Each worker's `maxconn`.
    pub(crate) capacity: u32,
    /// `timeout queue`.
    pub(crate) queue_timeout: &'a str,
    /// The maximum number of waiting requests; 0: no limit.
    pub(crate) max_queue: u32,
    /// The number of threads. More than one run on all processors.
    pub(crate) threads: u32,
    /// Whether each request has a connection of its own.
    pub(crate) closes: bool,
}

impl HaproxySettings<'_> {
    /// Returns settings with one thread and an unlimited queue.
    pub(crate) fn queueing(capacity: u32) -> Self {
        Self { capacity, queue_timeout: "120s", max_queue: 0, threads: 1, closes: false }
    }

    /// Returns them with a connection for each request.
    pub(crate) fn closing(capacity: u32) -> Self {
        Self { closes: true, ..Self::queueing(capacity) }
    }
}

/// Starts HAProxy in front of these workers.
pub(crate) async fn start(workers: &[SocketAddr], wanted: HaproxySettings<'_>, cpus: &Cpus) -> Contender {
    let address = fresh_address();
    let HaproxySettings { capacity, queue_timeout, max_queue, threads, closes } = wanted;
    let reuse = if closes { "option http-server-close\n    http-reuse never" } else { "http-reuse always" };
    // HAProxy requires two files for each connection: more than the limit of many users, and more than so few workers
    // need.
    let mut text = format!(
        "global\n    nbthread {threads}\n    maxconn 12000\n    no strict-limits\n\
         defaults\n    mode http\n    option http-keep-alive\n    {reuse}\n    \
         timeout connect 2s\n    timeout client 600s\n    timeout server 600s\n    timeout queue {queue_timeout}\n\
         frontend clients\n    bind {address}\n    default_backend workers\n\
         backend workers\n    balance leastconn\n"
    );
    if max_queue > 0 {
        // A server's `maxqueue` only moves requests to the queue of all servers, which has no limit.
        text += &format!("    http-request deny deny_status 503 if {{ queue(workers) ge {max_queue} }}\n");
    }
    for (number, worker) in workers.iter().enumerate() {
        text += &format!("    server w{number} {worker} maxconn {capacity}\n");
    }
    let directory = directory();
    let file = write(directory.path(), "haproxy.cfg", &text);
    let mut command = installed("haproxy");
    command.arg("-db").arg("-f").arg(file);
    Contender::start("HAProxy", command, ProxyLaunch { address, directory, threads, cpus }).await
}
