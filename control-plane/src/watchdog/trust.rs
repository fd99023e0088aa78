//! TLS to workers: the same authorities and the same names that Envoy asks for.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use slotway_config::{Protocol, SYSTEM_CA_FILE, Worker};
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

/// A file of authorities is read anew after so long: it may have been replaced.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Most files that are remembered.
const FILES_MAX: usize = 256;

/// A file of authorities, and whether HTTP/2 is spoken.
type Key = (String, bool);

/// The authorities of workers' certificates, as they were last read.
#[derive(Debug, Default)]
pub(super) struct Trust {
    read: Mutex<HashMap<Key, (Instant, Arc<ClientConfig>)>>,
}

impl Trust {
    /// Speaks TLS with a worker, whose certificate must be signed by its authorities and carry its name.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        worker: &Worker,
    ) -> Result<TlsStream<TcpStream>, String> {
        let tls = worker.tls.clone().unwrap_or_default();
        let name = tls.sni.unwrap_or_else(|| worker.worker.host().to_owned());
        let name = ServerName::try_from(name).map_err(|error| format!("its TLS name is none: {error}"))?;
        let file = tls.ca_file.unwrap_or_else(|| SYSTEM_CA_FILE.to_owned());
        let config = self.config(file, worker.protocol).await?;
        let connected = TlsConnector::from(config).connect(name, stream).await;
        connected.map_err(|error| format!("TLS to it failed: {error}"))
    }

    async fn config(&self, file: String, protocol: Protocol) -> Result<Arc<ClientConfig>, String> {
        let key = (file, protocol == Protocol::Http2);
        let known = |read: &HashMap<Key, (Instant, Arc<ClientConfig>)>| {
            let (at, config) = read.get(&key)?;
            (at.elapsed() < READ_AGAIN_AFTER).then(|| Arc::clone(config))
        };
        if let Some(config) = known(&self.read.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(config);
        }
        let file = key.0.clone();
        let config = tokio::task::spawn_blocking(move || read(Path::new(&file), protocol)).await;
        let config = Arc::new(config.map_err(|error| error.to_string())??);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.len() >= FILES_MAX {
            read.clear();
        }
        read.insert(key, (Instant::now(), Arc::clone(&config)));
        Ok(config)
    }
}

fn read(file: &Path, protocol: Protocol) -> Result<ClientConfig, String> {
    let wrong = |reason: &dyn ToString| {
        let (file, reason) = (file.display(), reason.to_string());
        format!("the authorities of its certificate cannot be read by the control plane: {file}: {reason}")
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))? {
        // A system's bundle may have one that is not understood; the others count.
        let _ = roots.add(certificate.map_err(|error| wrong(&error))?);
    }
    if roots.is_empty() {
        return Err(wrong(&"there is no certificate in it"));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| wrong(&error))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![match protocol {
        Protocol::Http1 => b"http/1.1".to_vec(),
        Protocol::Http2 => b"h2".to_vec(),
    }];
    Ok(config)
}
