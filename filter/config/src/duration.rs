use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{ConfigError, limits};

/// A duration as an operator writes it: `250ms`, `30s`, `5m`, `1h`, or `0`. Whole milliseconds, at most
/// [`limits::DURATION_MS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaitDuration {
    ms: u64,
}

const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

impl WaitDuration {
    /// The duration 0.
    pub const ZERO: Self = Self { ms: 0 };

    /// Returns a duration of whole milliseconds, at most the longest duration.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self { ms: if ms > limits::DURATION_MS_MAX { limits::DURATION_MS_MAX } else { ms } }
    }

    /// Returns whole milliseconds.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.ms
    }

    /// Returns the duration as the standard library's type.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.ms)
    }
}

impl FromStr for WaitDuration {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        if text == "0" {
            return Ok(Self::ZERO);
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        let (Some(factor), false) = (factor, number.is_empty()) else {
            return Err(ConfigError::Duration(text.to_owned()));
        };
        let ms = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        match ms {
            Some(ms) if ms <= limits::DURATION_MS_MAX => Ok(Self { ms }),
            _ => Err(ConfigError::DurationTooLong(text.to_owned())),
        }
    }
}

impl fmt::Display for WaitDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().rev().find(|(_, factor)| self.ms.is_multiple_of(*factor));
        match unit {
            Some((name, factor)) if self.ms > 0 => write!(f, "{}{name}", self.ms / factor),
            _ => f.write_str("0s"),
        }
    }
}

impl Serialize for WaitDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WaitDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = WaitDuration;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as 30s, 250ms, 5m, 1h or 0")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<WaitDuration, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<WaitDuration, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<WaitDuration, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<WaitDuration, E> {
                self.visit_str(&number.to_string())
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
