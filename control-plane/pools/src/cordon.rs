use serde::{Deserialize, Serialize};

/// The maximum length of a reason, in bytes.
const REASON_BYTES_MAX: usize = 256;

/// The mark of a worker that gets no further requests but stays in its pool. An operator sets it before maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cordon {
    /// The reason; empty if none was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Its author, as in the audit rows.
    pub who: String,
    /// The time as Unix time in milliseconds.
    pub at_ms: u64,
    /// The first generation in which the worker gets no requests.
    pub since_generation: u64,
}

impl Cordon {
    /// Checks the text of a reason.
    ///
    /// # Errors
    /// The reason why the text is invalid.
    pub fn check_reason(reason: &str) -> Result<(), String> {
        if reason.len() > REASON_BYTES_MAX || reason.contains(char::is_control) {
            return Err(format!(
                "a reason is text of at most {REASON_BYTES_MAX} bytes without control characters"
            ));
        }
        Ok(())
    }
}
