//! Crashes of lanes: a request makes the test variant of the filter crash at a point.

use std::{net::SocketAddr, time::Duration};

use http_body_util::Full;
use hyper::{Request, body::Bytes};
use tokio::task::JoinSet;

use crate::{
    plan::{Scheduled, Trap},
    run::Run,
};
use slotway_test_site::{ClientConnection, ClientProtocol};

/// Time limit for a request that crashes its lane, which may have no end.
const ENDS_WITHIN: Duration = Duration::from_secs(10);
/// Number of connections, so that every thread gets some.
const EVERY_THREAD: u64 = 64;

/// Runs the planned crashes.
pub(crate) async fn trap(run: &Run, address: SocketAddr, traps: &[Scheduled<Trap>]) {
    let mut requests = JoinSet::new();
    for (number, trap) in traps.iter().enumerate() {
        run.until(trap.at).await;
        let point = format!("{}{}", trap.what.point, if trap.what.raw { "!" } else { "" });
        // Beyond the ids of all clients.
        requests.spawn(ask(address, request(u64::MAX - number as u64, &point)));
        run.tally.traps.add(point);
    }
    requests.join_all().await;
}

/// Crashes every lane at once, so that no requested crash stays pending.
pub(crate) async fn kill_all(run: &Run, address: SocketAddr) {
    let requests = (0..EVERY_THREAD).map(|n| request((7_u64 << 61) + n, "request"));
    requests.map(|request| ask(address, request)).collect::<JoinSet<()>>().join_all().await;
    run.tally.traps.add("request, all at once");
}

fn request(id: u64, point: &str) -> Request<Full<Bytes>> {
    let request = Request::get(format!("/chaos/{id}")).header("x-slotway-chaos", point);
    request.body(Full::default()).unwrap()
}

/// Sends the request and ignores its answer.
async fn ask(address: SocketAddr, request: Request<Full<Bytes>>) {
    let exchange =
        async { ClientConnection::open(address, ClientProtocol::Http1).await?.send(request).await };
    let _ = tokio::time::timeout(ENDS_WITHIN, exchange).await;
}
