use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{ConfigError, limits};

/// The scheme of a worker's base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// A worker's base URL in its normal form: scheme and host in lower case, no default port, no slash at the end. Two spellings of
/// one worker are equal. It is the worker's identity and the name of its Envoy cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerUrl {
    text: String,
    authority_at: usize,
    path_at: usize,
}

impl WorkerUrl {
    /// Returns the normal form, for example `http://host:9001/extractor-web`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        if self.text.starts_with("https:") { Scheme::Https } else { Scheme::Http }
    }

    /// Returns the host, and the port if it is not the default one: the worker's `Host` or `:authority`.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.text[self.authority_at..self.path_at]
    }

    /// Returns the host: a name, an IPv4 address, or an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        split_port(self.authority()).0.trim_start_matches('[').trim_end_matches(']')
    }

    /// Returns the host as an address, if it is one and needs no DNS.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.host().parse().ok()
    }

    /// Returns the TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        split_port(self.authority()).1.unwrap_or(match self.scheme() {
            Scheme::Http => 80,
            Scheme::Https => 443,
        })
    }

    /// Returns the prefix for the path of each request: empty, or a path that begins with `/` and does not end with it.
    #[must_use]
    pub fn path_prefix(&self) -> &str {
        &self.text[self.path_at..]
    }
}

/// Returns the host (with its brackets) and the port of an authority that is checked already.
fn split_port(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
        _ => (authority, None),
    }
}

impl FromStr for WorkerUrl {
    type Err = ConfigError;

    fn from_str(given: &str) -> Result<Self, ConfigError> {
        let refuse = |reason| ConfigError::WorkerUrl { url: given.chars().take(200).collect(), reason };
        if given.len() > limits::WORKER_URL_BYTES_MAX {
            return Err(refuse("it is longer than 1024 bytes"));
        }
        if !given.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refuse("it has spaces or characters outside ASCII; percent-encode them"));
        }
        let Some((scheme, rest)) = given.split_once("://") else {
            return Err(refuse("it must begin with http:// or https://"));
        };
        let (scheme, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => ("http", 80),
            "https" => ("https", 443),
            _ => return Err(refuse("it must begin with http:// or https://")),
        };
        if rest.contains(['?', '#']) {
            return Err(refuse("a query or fragment cannot be part of it"));
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(refuse("user and password cannot be part of it"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !authority.ends_with(']') => {
                let number = port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse::<u16>().ok());
                match number.flatten() {
                    Some(number) if number > 0 => (host, Some(number)),
                    _ => return Err(refuse("its port must be a number from 1 to 65535")),
                }
            }
            _ => (authority, None),
        };
        let host = normal_host(host).ok_or_else(|| refuse("its host is not a name or an address"))?;
        let path = path.trim_end_matches('/');
        if path.contains("//") || path.split('/').any(|segment| segment == "." || segment == "..") {
            return Err(refuse("its path has an empty, . or .. segment"));
        }
        let mut text = format!("{scheme}://");
        let authority_at = text.len();
        text.push_str(&host);
        if let Some(port) = port.filter(|port| *port != default_port) {
            text.push_str(&format!(":{port}"));
        }
        let path_at = text.len();
        text.push_str(path);
        Ok(Self { text, authority_at, path_at })
    }
}

/// Returns a host in its normal form, with an IPv6 address in brackets.
fn normal_host(host: &str) -> Option<String> {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return match address.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => Some(format!("[{address}]")),
            _ => None,
        };
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let numeric = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let right = host.len() <= 253
        && host.split('.').all(label)
        && (!numeric || host.parse::<std::net::Ipv4Addr>().is_ok());
    right.then(|| host.to_ascii_lowercase())
}

impl fmt::Display for WorkerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for WorkerUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for WorkerUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
