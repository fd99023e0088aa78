//! Who may vouch for a control plane that is asked over TLS.

use std::{path::Path, sync::Arc};

use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::error::Error;

/// A TLS client that believes the certificates of the file, or those that the system believes.
///
/// # Errors
/// [`Error::Setting`] for a file that cannot be read or holds no certificate, and a system without any.
pub(super) fn roots(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, Error> {
    let bad = |reason: String| Error::Setting { setting: "--ca-file", reason };
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(file) => {
            let wrong = |reason: &dyn std::fmt::Display| bad(format!("{}: {reason}", file.display()));
            let certificates = CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| wrong(&error))?;
                roots.add(certificate).map_err(|error| wrong(&error))?;
            }
            if roots.is_empty() {
                return Err(wrong(&"there is no certificate in it (PEM is needed)"));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                let reason = "the system has no certificates; say which one vouches for the control plane";
                return Err(bad(reason.to_owned()));
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::System { doing: "setting up TLS", reason: error.to_string() })?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
