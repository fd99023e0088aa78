use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::atomic::{AtomicU16, Ordering},
};

/// Below the range that Linux takes the ports of outgoing connections from (`ip_local_port_range`, 32768 and up), so
/// that none of the many clients can take a port between this function and the server that it is meant for.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// An address on loopback that nobody listens on, another one with each call.
pub(crate) fn fresh_address() -> SocketAddr {
    // Processes that run at the same time begin at different places.
    let offset = u16::try_from(u64::from(std::process::id()) * 97 % u64::from(COUNT)).unwrap();
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (offset.wrapping_add(step) % COUNT);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port is free from {FIRST} on");
}
