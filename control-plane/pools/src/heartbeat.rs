use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use slotway_config::WaitDuration;

/// The range of `interval`, in milliseconds.
const INTERVAL_MS: RangeInclusive<u64> = 100..=3_600_000;
/// The range of `timeout`, in milliseconds.
const TIMEOUT_MS: RangeInclusive<u64> = 10..=60_000;
/// The range of the failures in a row.
const THRESHOLD: RangeInclusive<u32> = 1..=100;
/// The maximum length of the path, in bytes.
const PATH_BYTES_MAX: usize = 1_024;

/// The health check of a worker: the control plane sends it requests. After a number of failures in a row the worker
/// gets no requests until it answers again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "HeartbeatFields")]
pub struct Heartbeat {
    /// The path of the request, appended to the worker's base URL.
    path: String,
    /// The interval between requests: `100ms` to `1h`. Default: `5s`.
    interval: WaitDuration,
    /// The time limit for an answer: `10ms` to `1m`, at most the interval. Default: `1s`.
    timeout: WaitDuration,
    /// The number of failures in a row after which the worker is down: 1 to 100. Default: 3.
    threshold: u32,
}

impl Heartbeat {
    /// Returns the path of the request, which is appended to the worker's base URL.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the interval between requests.
    #[must_use]
    pub fn interval(&self) -> WaitDuration {
        self.interval
    }

    /// Returns the time limit for an answer; at most the interval.
    #[must_use]
    pub fn timeout(&self) -> WaitDuration {
        self.timeout
    }

    /// Returns the number of failures in a row after which the worker is down.
    #[must_use]
    pub fn threshold(&self) -> u32 {
        self.threshold
    }
}

/// The fields of a heartbeat in a request body, before validation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeartbeatFields {
    path: String,
    #[serde(default = "default_interval")]
    interval: WaitDuration,
    #[serde(default = "default_timeout")]
    timeout: WaitDuration,
    #[serde(default = "default_threshold")]
    threshold: u32,
}

fn default_interval() -> WaitDuration {
    WaitDuration::from_ms(5_000)
}

fn default_timeout() -> WaitDuration {
    WaitDuration::from_ms(1_000)
}

fn default_threshold() -> u32 {
    3
}

impl TryFrom<HeartbeatFields> for Heartbeat {
    type Error = String;

    fn try_from(given: HeartbeatFields) -> Result<Self, String> {
        let HeartbeatFields { path, interval, timeout, threshold } = given;
        let right = path.starts_with('/')
            && path.len() <= PATH_BYTES_MAX
            && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
        if !right {
            return Err(format!(
                "heartbeat.path: it must begin with / and have neither # nor spaces, at most {PATH_BYTES_MAX} bytes"
            ));
        }
        within("heartbeat.interval", interval, INTERVAL_MS)?;
        within("heartbeat.timeout", timeout, TIMEOUT_MS)?;
        if timeout > interval {
            return Err(format!(
                "heartbeat.timeout: {timeout} is longer than the interval of {interval}; it is asked once at a time"
            ));
        }
        if !THRESHOLD.contains(&threshold) {
            let (least, most) = (THRESHOLD.start(), THRESHOLD.end());
            return Err(format!("heartbeat.threshold: {threshold} is not from {least} to {most}"));
        }
        Ok(Self { path, interval, timeout, threshold })
    }
}

fn within(field: &str, given: WaitDuration, range: RangeInclusive<u64>) -> Result<(), String> {
    if range.contains(&given.as_ms()) {
        return Ok(());
    }
    let bound = WaitDuration::from_ms;
    Err(format!("{field}: {given} is not from {} to {}", bound(*range.start()), bound(*range.end())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn absent_fields_take_their_defaults() {
        let heartbeat: Heartbeat = serde_json::from_value(json!({ "path": "/health?deep=1" })).unwrap();
        let written = serde_json::to_value(&heartbeat).unwrap();
        assert_eq!(
            written,
            json!({ "path": "/health?deep=1", "interval": "5s", "timeout": "1s", "threshold": 3 })
        );
        assert_eq!(serde_json::from_value::<Heartbeat>(written).unwrap(), heartbeat);
    }

    #[test]
    fn an_invalid_field_is_refused_with_its_name() {
        for (given, says) in [
            (json!({}), "missing field `path`"),
            (json!({ "path": "health" }), "heartbeat.path: it must begin with /"),
            (json!({ "path": "/a b" }), "heartbeat.path: "),
            (json!({ "path": "/a#b" }), "heartbeat.path: "),
            (json!({ "path": format!("/{}", "a".repeat(PATH_BYTES_MAX)) }), "at most 1024 bytes"),
            (json!({ "path": "/", "interval": "99ms" }), "heartbeat.interval: 99ms is not from 100ms to 1h"),
            (json!({ "path": "/", "interval": "61m" }), "heartbeat.interval: 61m"),
            (json!({ "path": "/", "timeout": "0" }), "heartbeat.timeout: 0s is not from 10ms to 1m"),
            (json!({ "path": "/", "interval": "1s", "timeout": "2s" }), "longer than the interval of 1s"),
            (json!({ "path": "/", "threshold": 0 }), "heartbeat.threshold: 0 is not from 1 to 100"),
            (json!({ "path": "/", "threshold": 101 }), "heartbeat.threshold: 101"),
            (json!({ "path": "/", "every": "1s" }), "unknown field `every`"),
        ] {
            let refused = serde_json::from_value::<Heartbeat>(given.clone()).unwrap_err().to_string();
            assert!(refused.contains(says), "{given}: {refused}");
        }
    }
}
