//! TLS client configurations by file of authorities, read again from time to time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use slotway_config::Protocol;
use slotway_runtime::{
    bounded_read::{FileReaders, PEM_BYTES_MAX},
    tls::{self, TrustedRoots},
};
use tokio::time::Instant;
use tokio_rustls::rustls::ClientConfig;

/// How long a configuration is used before its file is read again: the file may have been replaced.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Most configurations that are kept.
const CONFIGS_MAX: usize = 256;

/// The number of files that are read at once. A file on a file server that does not answer keeps its reader.
const READERS: usize = 4;
/// The time limit for reading a file.
const READ_WITHIN: Duration = Duration::from_secs(2);
/// How long the failure to read a file is remembered: many workers may name it.
const FAILED_FOR: Duration = Duration::from_secs(10);

/// A file of authorities, and whether HTTP/2 is spoken.
type Key = (String, bool);

/// A configuration, or the reason why there is none.
type Outcome = Result<Arc<ClientConfig>, String>;

/// The configurations, each with the time when its file was read.
#[derive(Debug)]
pub(crate) struct TlsConfigs {
    readers: FileReaders,
    read: Mutex<HashMap<Key, (Instant, Outcome)>>,
}

impl Default for TlsConfigs {
    fn default() -> Self {
        Self { readers: FileReaders::new(READERS, READ_WITHIN), read: Mutex::default() }
    }
}

impl TlsConfigs {
    /// Returns the configuration that trusts the authorities of a file.
    ///
    /// # Errors
    /// What is wrong with the file, without anything of its content.
    pub(crate) async fn get(&self, ca_file: &str, protocol: Protocol) -> Outcome {
        let key = (ca_file.to_owned(), protocol == Protocol::Http2);
        if let Some((at, outcome)) = self.lock().get(&key) {
            let fresh_for = if outcome.is_ok() { READ_AGAIN_AFTER } else { FAILED_FOR };
            if at.elapsed() < fresh_for {
                return outcome.clone();
            }
        }
        let pem = self.readers.read(key.0.clone().into(), PEM_BYTES_MAX).await;
        let config = match &pem {
            Ok(pem) => tls::client(TrustedRoots::Pem(pem), protocol).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let outcome = config.map_err(|error| {
            format!(
                "the authorities of its certificate cannot be read by the control plane: {ca_file}: {error}"
            )
        });
        let mut read = self.lock();
        if read.len() >= CONFIGS_MAX {
            read.clear();
        }
        read.insert(key, (Instant::now(), outcome.clone()));
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, (Instant, Outcome)>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_no_file_of_authorities_is_named_without_its_content() {
        let directory = tempfile::tempdir().unwrap();
        let secret = directory.path().join("secret");
        std::fs::write(&secret, "-----BEGIN CERTIFICATE-----\nhunter2 !!\n-----END CERTIFICATE-----\n")
            .unwrap();
        let configs = TlsConfigs::default();
        for (file, says) in [("/dev/zero", "not a regular file"), (secret.to_str().unwrap(), "not valid PEM")]
        {
            let error = configs.get(file, Protocol::Http1).await.unwrap_err();
            assert!(error.contains(says) && error.contains(file) && !error.contains("hunter"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_failure_is_remembered_for_a_while_and_then_tried_again() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        let configs = TlsConfigs::default();
        let get = async || configs.get(file.to_str().unwrap(), Protocol::Http1).await;
        assert!(get().await.is_err());
        let own = rcgen::generate_simple_self_signed(vec!["ocr.example".to_owned()]).unwrap().cert.pem();
        std::fs::write(&file, own).unwrap();
        assert!(get().await.is_err(), "it is not read for each worker that names it");
        tokio::time::pause();
        tokio::time::advance(FAILED_FOR).await;
        tokio::time::resume();
        assert!(get().await.is_ok());
    }
}
