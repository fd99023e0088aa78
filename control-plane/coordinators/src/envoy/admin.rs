//! Envoy's admin port.

use std::{net::SocketAddr, time::Duration};

use slotway_config::Protocol;
use slotway_runtime::http::{Bytes, HttpClient, HttpRequest, HttpServer};

use super::reachable;

/// Time limit for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The admin port at an address.
#[derive(Debug, Clone, Copy)]
pub struct AdminPort(pub SocketAddr);

impl AdminPort {
    /// Sends a request and returns the body of the answer.
    ///
    /// # Errors
    /// The reason, as text, if there is no successful answer of at most `body_bytes_max` bytes within 5 s.
    pub async fn ask(self, method: &'static str, path: &str, body_bytes_max: usize) -> Result<Bytes, String> {
        let address = reachable(self.0);
        let server = HttpServer {
            host: address.ip().to_string(),
            port: address.port(),
            tls: None,
            protocol: Protocol::Http1,
        };
        let client =
            HttpClient { connect_within: ANSWER_WITHIN, answer_within: ANSWER_WITHIN, body_bytes_max };
        let response = client.send(&server, &HttpRequest::new(method, path)).await;
        let response = response.map_err(|error| error.to_string())?;
        if response.is_success() { Ok(response.body) } else { Err(format!("it answers {}", response.status)) }
    }
}
