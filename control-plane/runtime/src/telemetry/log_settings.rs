use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use tracing_subscriber::EnvFilter;

/// The log: `log` of the configuration file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// The format of a line.
    #[serde(default)]
    pub format: LogFormat,
    /// The level.
    #[serde(default)]
    pub level: LogLevel,
}

/// The format of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// A level, which applies to Slotway's crates while all others have `warn`; or directives such as `warn,slotway_xds=debug`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevel(String);

impl LogFormat {
    /// The names of all formats in settings and flags.
    pub const NAMES: [&str; 2] = ["text", "json"];
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(said: &str) -> Result<Self, String> {
        match said {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("{said:?} is no format; say text or json")),
        }
    }
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// The longest text of directives, in bytes.
const LEVEL_BYTES_MAX: usize = 1_024;

impl Default for LogLevel {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl LogLevel {
    /// The original text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn filter(&self) -> EnvFilter {
        // An accepted text can be parsed.
        EnvFilter::try_new(directives(&self.0)).unwrap_or_default()
    }
}

/// A level alone applies to Slotway's crates: details of other crates flood the log, and may show secrets.
fn directives(said: &str) -> String {
    if said == "off" || !LEVELS.contains(&said) { said.to_owned() } else { format!("warn,slotway={said}") }
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(said: &str) -> Result<Self, String> {
        let right = "say error, warn, info, debug or trace, or directives such as `warn,slotway_xds=debug`";
        if said.len() > LEVEL_BYTES_MAX {
            return Err(format!("this is longer than {LEVEL_BYTES_MAX} bytes; {right}"));
        }
        // A single word that is not a level would name a module, and log nothing.
        let is_a_word = said.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if is_a_word && !LEVELS.contains(&said) {
            return Err(format!("{said:?} is no level; {right}"));
        }
        match EnvFilter::try_new(directives(said)) {
            Ok(_) => Ok(Self(said.to_owned())),
            Err(error) => Err(format!("{error}; {right}")),
        }
    }
}

impl<'de> Deserialize<'de> for LogLevel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_alone_is_slotways_and_directives_are_taken_as_they_are() {
        for (said, means) in [
            ("debug", "warn,slotway=debug"),
            ("off", "off"),
            ("warn,slotway_xds=trace", "warn,slotway_xds=trace"),
        ] {
            let level: LogLevel = said.parse().unwrap();
            assert_eq!(directives(level.as_str()), means);
        }
    }

    #[test]
    fn what_is_no_level_is_refused_with_what_would_be_right() {
        for said in ["", "loud", "INFO2", "slotway=loud", &"x,".repeat(600)] {
            let error = said.parse::<LogLevel>().unwrap_err();
            assert!(error.contains("say error, warn, info, debug or trace"), "{said:?}: {error}");
        }
    }
}
