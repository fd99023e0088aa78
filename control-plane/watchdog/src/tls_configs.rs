//! TLS client configurations by file of authorities, read again from time to time.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use slotway_config::Protocol;
use slotway_runtime::tls::{self, TrustedRoots};
use tokio::time::Instant;
use tokio_rustls::rustls::ClientConfig;

/// How long a configuration is used before its file is read again: the file may have been replaced.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Most configurations that are kept.
const CONFIGS_MAX: usize = 256;

/// A file of authorities, and whether HTTP/2 is spoken.
type Key = (String, bool);

/// The configurations, each with the time when its file was read.
#[derive(Debug, Default)]
pub(crate) struct TlsConfigs {
    read: Mutex<HashMap<Key, (Instant, Arc<ClientConfig>)>>,
}

impl TlsConfigs {
    /// Returns the configuration that trusts the authorities of a file.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(crate) async fn get(&self, ca_file: &str, protocol: Protocol) -> Result<Arc<ClientConfig>, String> {
        let key = (ca_file.to_owned(), protocol == Protocol::Http2);
        let known = |read: &HashMap<Key, (Instant, Arc<ClientConfig>)>| {
            let (at, config) = read.get(&key)?;
            (at.elapsed() < READ_AGAIN_AFTER).then(|| Arc::clone(config))
        };
        if let Some(config) = known(&self.read.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(config);
        }
        let file = key.0.clone();
        let read = move || tls::client(TrustedRoots::File(Path::new(&file)), protocol);
        let config = tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?;
        let config = config.map_err(|error| {
            format!("the authorities of its certificate cannot be read by the control plane: {error}")
        })?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.len() >= CONFIGS_MAX {
            read.clear();
        }
        read.insert(key, (Instant::now(), Arc::clone(&config)));
        Ok(config)
    }
}
