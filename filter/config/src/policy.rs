use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{WaitDuration, limits};

/// How a pool treats its requests. It can change while requests run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// How long a request waits for a slot before it gets 503; `0` refuses at once.
    #[serde(default = "default_free_worker_timeout")]
    pub free_worker_timeout: WaitDuration,
    /// Most requests that may wait; further ones are refused at once.
    #[serde(default = "default_max_waiting", deserialize_with = "max_waiting")]
    pub max_waiting: u32,
    /// How long a slot is held after its request was abandoned.
    #[serde(default = "default_abandoned_hold")]
    pub abandoned_hold: WaitDuration,
    /// How long a worker may take for its whole answer; `0` for no limit.
    #[serde(default = "default_answer_timeout")]
    pub answer_timeout: WaitDuration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            free_worker_timeout: default_free_worker_timeout(),
            max_waiting: default_max_waiting(),
            abandoned_hold: default_abandoned_hold(),
            answer_timeout: default_answer_timeout(),
        }
    }
}

pub(crate) fn default_free_worker_timeout() -> WaitDuration {
    WaitDuration::from_ms(30_000)
}

pub(crate) fn default_max_waiting() -> u32 {
    1_024
}

pub(crate) fn default_abandoned_hold() -> WaitDuration {
    WaitDuration::ZERO
}

pub(crate) fn default_answer_timeout() -> WaitDuration {
    WaitDuration::from_ms(600_000)
}

pub(crate) fn max_waiting<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = u32::deserialize(deserializer)?;
    if number <= limits::WAITING_MAX {
        Ok(number)
    } else {
        let reason = format!("max_waiting {number} is too large: at most {}", limits::WAITING_MAX);
        Err(de::Error::custom(reason))
    }
}
