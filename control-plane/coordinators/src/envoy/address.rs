use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use slotway_config::WorkerUrl;

/// Returns the address at which a client on this machine reaches a server that listens on `address`.
#[must_use]
pub fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, v4.port())),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => SocketAddr::from((Ipv6Addr::LOCALHOST, v6.port())),
        other => other,
    }
}

/// Returns the address of a worker, if it is a loopback address.
#[must_use]
pub fn local_worker(worker: &WorkerUrl) -> Option<SocketAddr> {
    let ip = worker.ip().filter(IpAddr::is_loopback)?;
    Some(SocketAddr::from((ip, worker.port())))
}
