use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{ConfigError, limits};

/// The number of requests that a coordinator may have in flight at a worker: 1 to [`limits::CAPACITY_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Capacity(u32);

impl Capacity {
    /// Returns a capacity of `slots`.
    ///
    /// # Errors
    /// [`ConfigError::Capacity`] outside the range.
    pub fn new(slots: u32) -> Result<Self, ConfigError> {
        if (1..=limits::CAPACITY_MAX).contains(&slots) {
            Ok(Self(slots))
        } else {
            Err(ConfigError::Capacity(slots.to_string()))
        }
    }

    /// Returns the number of slots.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Capacity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Capacity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from 1 to {}", limits::CAPACITY_MAX)
            }
            fn visit_u64<E: de::Error>(self, slots: u64) -> Result<Capacity, E> {
                u32::try_from(slots)
                    .map_err(|_| ConfigError::Capacity(slots.to_string()))
                    .and_then(Capacity::new)
                    .map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, slots: i64) -> Result<Capacity, E> {
                u64::try_from(slots)
                    .map_err(|_| E::custom(ConfigError::Capacity(slots.to_string())))
                    .and_then(|slots| self.visit_u64(slots))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
