//! Lanes are killed: a request asks the filter, built with its feature `chaos`, to die at a point.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use http_body_util::Full;
use hyper::Request;

use crate::{
    harness::{Connection, Protocol},
    plan::{At, Trap},
    run::Run,
};

/// Envoy starts a lane's new VM with a later request, and not within a second of the last start. A point of the tick or of a wake-up is
/// reached a while after the request that asks for it.
const DEAD_FOR: Duration = Duration::from_secs(3);
/// A request that asks for a lane's death has no end of its own.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// Kills lanes, as planned.
pub(crate) async fn trap(run: &Run, address: SocketAddr, traps: &[At<Trap>]) {
    for (number, trap) in traps.iter().enumerate() {
        run.until(trap.at).await;
        let began = Instant::now();
        run.lane_dead.begin();
        // Whatever it gets: its lane dies with it. Beyond all ids of the clients.
        let id = u64::MAX - number as u64;
        let point = format!("{}{}", trap.what.point, if trap.what.raw { "!" } else { "" });
        let request = Request::get(format!("/chaos/{id}")).header("x-slotway-chaos", &point);
        let request = request.body(Full::default()).unwrap();
        let exchange = async { Connection::open(address, Protocol::Http1).await?.send(request).await };
        let _ = tokio::time::timeout(ENDS_WITHIN, exchange).await;
        run.fates.take(id);
        run.tally.traps.add(point);
        run.lane_dead.end(began.max(Instant::now()) + DEAD_FOR);
    }
}
