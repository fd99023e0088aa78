use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{ConfigError, limits};

/// Which requests belong to a pool. Pools are asked in their order; the first match wins.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolMatch {
    /// The beginning of the request's path, `/` for all. A byte comparison, as Envoy's own `prefix`.
    #[serde(deserialize_with = "prefix")]
    pub prefix: String,
}

impl PoolMatch {
    /// Whether a request for `path` (with or without a query) belongs to the pool.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        path.split(['?', '#']).next().unwrap_or_default().starts_with(&self.prefix)
    }

    /// Whether every request matches.
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
