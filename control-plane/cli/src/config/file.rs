use std::{
    fmt,
    io::Read,
    path::{Path, PathBuf},
};

use slotway_config::{check_lane_lease, check_pools};

use super::{Config, EnvoyTls, OidcSettings, locate::locate};

/// The largest configuration file, in bytes; a quarter of a million workers fit.
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// An error in a configuration file or a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigFileError {
    /// The file.
    pub file: PathBuf,
    /// Line and column, both from 1, if the reason has a location.
    pub at: Option<(u64, u64)>,
    /// Why it is invalid, and what would be valid.
    pub reason: String,
}

impl fmt::Display for ConfigFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.file.display(), self.reason),
            None => write!(f, "{}: {}", self.file.display(), self.reason),
        }
    }
}

/// Reads and checks a configuration file.
///
/// # Errors
/// The first error in the file.
pub fn load(file: &Path) -> Result<Config, ConfigFileError> {
    let refuse = |reason: String| ConfigFileError { file: file.to_owned(), at: None, reason };
    let mut bytes = Vec::new();
    std::fs::File::open(file)
        .and_then(|open| open.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| refuse(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(refuse(format!("is larger than {FILE_BYTES_MAX} bytes")));
    }
    let yaml = String::from_utf8(bytes).map_err(|_| refuse("is not UTF-8 text".to_owned()))?;
    parse(file, &yaml)
}

/// Reads and checks the text of a configuration file; `file` is the name that errors carry.
///
/// # Errors
/// The first error in the file.
pub fn parse(file: &Path, yaml: &str) -> Result<Config, ConfigFileError> {
    let refuse = |at, reason| ConfigFileError { file: file.to_owned(), at, reason };
    // Thousands of workers are a real configuration; the parser's limits are for untrusted input.
    let options = serde_saphyr::options! { budget: None, with_snippet: false, strict_booleans: true };
    let config: Config = serde_saphyr::from_str_with_options(yaml, options).map_err(|error| {
        let error = error.without_snippet();
        let at = error.location().map(|location| (location.line(), location.column()));
        refuse(at, in_words(&error.to_string()))
    })?;
    if config.pools.is_empty() {
        return Err(refuse(locate(yaml, "pools"), "pools: at least one pool is required".to_owned()));
    }
    check_pools(&config.pools)
        .and_then(|()| check_lane_lease(config.lane_lease))
        .map_err(|error| refuse(locate(yaml, &error.path), format!("{}: {}", error.path, error.reason)))?;
    config
        .check_addresses()
        .map_err(|(path, reason)| refuse(locate(yaml, path), format!("{path}: {reason}")))?;
    config
        .check_exposure()
        .map_err(|(path, reason)| refuse(locate(yaml, path), format!("{path}: {reason}")))?;
    config
        .api_limits
        .check()
        .and_then(|()| config.oidc.as_ref().map_or(Ok(()), OidcSettings::check))
        .map_err(|(path, reason)| refuse(locate(yaml, &path), format!("{path}: {reason}")))?;
    super::groups::check(&config.groups, config.xds_tls.as_ref(), &config.pools)
        .map_err(|(path, reason)| refuse(locate(yaml, &path), format!("{path}: {reason}")))?;
    if let Some(EnvoyTls { certificate_file, key_file, .. }) = &config.envoy.tls
        && certificate_file.is_some() != key_file.is_some()
    {
        let reason = "envoy.tls: give both a certificate and its key, or neither".to_owned();
        return Err(refuse(locate(yaml, "envoy.tls"), reason));
    }
    Ok(config)
}

/// Returns the parser's message without its location, which the caller adds in its own form, and without names of Rust
/// types.
fn in_words(message: &str) -> String {
    let message = message.rfind(" at line ").map_or(message, |at| &message[..at]).trim_end();
    match message {
        "invalid u32" | "invalid u64" => "expected a whole number, not negative and not too large".to_owned(),
        "invalid bool" => "expected true or false (a bool)".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
