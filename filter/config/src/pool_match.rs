use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{ConfigError, limits};

/// Which requests belong to a pool. The first pool whose match fits gets the request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolMatch {
    /// A prefix of the request's path; `/` for all requests. Bytes are compared, as for Envoy's `prefix`.
    #[serde(deserialize_with = "prefix")]
    pub prefix: String,
}

impl PoolMatch {
    /// Returns whether a request for `path` (with or without a query) belongs to the pool.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        path.split(['?', '#']).next().unwrap_or_default().starts_with(&self.prefix)
    }

    /// Returns whether every request matches.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.prefix == "/"
    }
}

impl Default for PoolMatch {
    fn default() -> Self {
        Self { prefix: "/".to_owned() }
    }
}

fn prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let right = text.starts_with('/')
        && text.len() <= limits::PREFIX_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte));
    if right { Ok(text) } else { Err(de::Error::custom(ConfigError::Prefix(text))) }
}
