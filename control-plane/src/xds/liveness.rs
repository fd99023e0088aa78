//! Finds out that the other end of a connection is gone where nothing says so: its machine or the network between has failed.

use std::{io, time::Duration};

use rustix::net::sockopt;
use tokio::net::TcpStream;

use super::limits::DEAD_AFTER;

/// A connection on which nothing moves is asked after so long, and then again and again.
const ASK_AFTER: Duration = Duration::from_secs(4);
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Lets the system close the connection when the other end's has not answered for [`DEAD_AFTER`].
///
/// It is the system that is asked and not Envoy (as HTTP/2's PING would): an Envoy that is stopped or very busy still has its slots, and
/// must not lose its place to another process.
///
/// # Errors
/// The system refuses an option.
pub fn watch(stream: &TcpStream) -> io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, ASK_AFTER)?;
    sockopt::set_tcp_keepintvl(stream, ASK_EVERY)?;
    // Instead of a number of questions, and also while something sent is not acknowledged, when none are asked.
    sockopt::set_tcp_user_timeout(stream, u32::try_from(DEAD_AFTER.as_millis()).unwrap_or(u32::MAX))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_silent_connection_is_asked_after_and_closed_before_envoy_gives_it_up() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (_client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (server, _) = server.unwrap();
        watch(&server).unwrap();
        assert!(sockopt::socket_keepalive(&server).unwrap());
        assert!(sockopt::tcp_keepidle(&server).unwrap() + 3 * ASK_EVERY <= DEAD_AFTER);
        assert_eq!(u128::from(sockopt::tcp_user_timeout(&server).unwrap()), DEAD_AFTER.as_millis());
    }
}
