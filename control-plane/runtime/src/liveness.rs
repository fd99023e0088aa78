//! Detection of dead connections: a peer whose machine or network has failed sends nothing, not even the end of the connection.

use std::{io, time::Duration};

use rustix::net::sockopt;
use tokio::net::TcpStream;

/// How long the peer's system may be silent until the connection is closed. Envoy gives such a connection up after 15 s; it finds
/// its old stream gone when it connects again.
pub const DEAD_AFTER: Duration = Duration::from_secs(10);

/// Silence on a connection before the first TCP keepalive probe, and the time between two probes.
const PROBE_AFTER: Duration = Duration::from_secs(4);
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// Makes the operating system close the connection when the peer's system has not answered for [`DEAD_AFTER`].
///
/// TCP keepalive asks the peer's system and not its process (as HTTP/2's PING would): an Envoy that is stopped or very busy still
/// holds its slots, and must not lose its node id to another process.
///
/// # Errors
/// The operating system refuses an option.
pub fn watch(stream: &TcpStream) -> io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, PROBE_AFTER)?;
    sockopt::set_tcp_keepintvl(stream, PROBE_EVERY)?;
    // In place of a number of probes. It also holds while sent data is not acknowledged, when the system sends no probes.
    sockopt::set_tcp_user_timeout(stream, u32::try_from(DEAD_AFTER.as_millis()).unwrap_or(u32::MAX))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_silent_connection_is_probed_and_closed_before_envoy_gives_it_up() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (server, _) = server.unwrap();
        watch(&server).unwrap();
        assert!(sockopt::socket_keepalive(&server).unwrap());
        assert!(sockopt::tcp_keepidle(&server).unwrap() + 3 * PROBE_EVERY <= DEAD_AFTER);
        assert_eq!(u128::from(sockopt::tcp_user_timeout(&server).unwrap()), DEAD_AFTER.as_millis());
    }
}
