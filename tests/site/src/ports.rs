use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::atomic::{AtomicU16, Ordering},
};

/// First port. The range lies below that of outgoing connections (`ip_local_port_range`, 32768 and up), so that no
/// client can take a port before its server listens.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// Returns a loopback address without a listener; a different one with each call.
pub fn fresh_address() -> SocketAddr {
    // Concurrent test processes begin at different offsets.
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
