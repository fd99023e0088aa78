//! Probes one worker: one request on a connection of its own.

use std::future::Future;

use slotway_runtime::http::{HttpClient, HttpRequest, HttpServer, HttpTls};

use crate::{ProbeTarget, tls_configs::TlsConfigs};

/// Sends probes.
pub(crate) trait Prober: Send + Sync + 'static {
    /// Sends a probe. Returns the reason unless the worker answers in time and with success.
    fn probe(&self, target: &ProbeTarget) -> impl Future<Output = Result<(), String>> + Send;
}

/// Probes over the network, as Envoy would: with the worker's protocol, and with TLS if its URL says so.
#[derive(Debug, Default)]
pub(crate) struct HttpProber {
    tls: TlsConfigs,
}

impl Prober for HttpProber {
    /// Expects a status of 2xx. A redirect is not followed, and the body is not read.
    async fn probe(&self, target: &ProbeTarget) -> Result<(), String> {
        let within = target.probe.timeout;
        let client = HttpClient { connect_within: within, answer_within: within, body_bytes_max: 0 };
        let url = &target.worker;
        let tls = match &target.tls {
            Some(tls) => {
                let config = self.tls.get(&tls.ca_file, target.protocol).await?;
                Some(HttpTls { config, server_name: tls.server_name.clone() })
            }
            None => None,
        };
        let server =
            HttpServer { host: url.host().to_owned(), port: url.port(), tls, protocol: target.protocol };
        let request = HttpRequest::get(format!("{}{}", url.path_prefix(), target.probe.path));
        let answer = client.open(&server, &request).await.map_err(|error| error.to_string())?;
        match answer.status {
            200..300 => Ok(()),
            status @ 300..400 => Err(format!("it answered {status}, and redirects are not followed")),
            status => Err(format!("it answered {status}")),
        }
    }
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
