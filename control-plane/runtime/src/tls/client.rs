//! TLS of connections that this process opens.

use std::{path::Path, sync::Arc};

use slotway_config::Protocol;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use super::{certificates, certificates_in};
use crate::RuntimeError;

/// The certificate authorities that a client trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustedRoots<'a> {
    /// Those of the operating system.
    System,
    /// Those of a PEM file, and no others.
    File(&'a Path),
    /// Those of a PEM text, and no others.
    Pem(&'a [u8]),
}

impl<'a> TrustedRoots<'a> {
    /// Returns the authorities of the file if there is one, else those of the system.
    #[must_use]
    pub fn of(ca_file: Option<&'a Path>) -> Self {
        ca_file.map_or(Self::System, Self::File)
    }
}

/// Returns a TLS client configuration without a client certificate, which offers exactly this protocol by ALPN.
///
/// Certificates that cannot be an authority are skipped, as a system's bundle may contain some; at least one has to remain.
///
/// # Errors
/// [`RuntimeError::File`] for a file that cannot be read or has no usable certificate. [`RuntimeError::System`] for a system
/// without certificates.
pub fn client(roots: TrustedRoots<'_>, protocol: Protocol) -> Result<Arc<ClientConfig>, RuntimeError> {
    const DOING: &str = "setting up TLS";
    const READING: &str = "reading certificate authorities";
    let found = match roots {
        TrustedRoots::System => rustls_native_certs::load_native_certs().certs,
        TrustedRoots::File(file) => certificates(file)?,
        TrustedRoots::Pem(pem) => {
            certificates_in(pem).map_err(|reason| RuntimeError::system(READING, reason))?
        }
    };
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found);
    if store.is_empty() {
        return Err(match roots {
            TrustedRoots::System => RuntimeError::system(DOING, "the system has no certificate authorities"),
            TrustedRoots::File(file) => {
                RuntimeError::file(file, "no certificate in it can be used as an authority")
            }
            TrustedRoots::Pem(_) => {
                RuntimeError::system(READING, "no certificate in it can be used as an authority")
            }
        });
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| RuntimeError::system(DOING, error))?;
    let mut config = builder.with_root_certificates(store).with_no_client_auth();
    config.alpn_protocols = vec![match protocol {
        Protocol::Http1 => b"http/1.1".to_vec(),
        Protocol::Http2 => b"h2".to_vec(),
    }];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_needs_one_certificate_that_can_be_an_authority() {
        let directory = tempfile::tempdir().unwrap();
        let own = rcgen::generate_simple_self_signed(vec!["ocr.example".to_owned()]).unwrap().cert.pem();
        let unusable = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (content, outcome) in [
            (own.clone(), Ok(())),
            (format!("{unusable}{own}"), Ok(())),
            (unusable.to_owned(), Err("can be used as an authority")),
            ("not PEM".to_owned(), Err("no certificate in PEM")),
        ] {
            let file = directory.path().join("ca.pem");
            std::fs::write(&file, &content).unwrap();
            let config = client(TrustedRoots::File(&file), Protocol::Http2);
            match (config, outcome) {
                (Ok(config), Ok(())) => assert_eq!(config.alpn_protocols, [b"h2".to_vec()]),
                (Err(error), Err(says)) => assert!(error.to_string().contains(says), "{error}"),
                (config, _) => panic!("{content:?}: {config:?}"),
            }
        }
        let missing = client(TrustedRoots::File(&directory.path().join("none.pem")), Protocol::Http1);
        assert!(missing.unwrap_err().to_string().contains("none.pem"));
    }
}
