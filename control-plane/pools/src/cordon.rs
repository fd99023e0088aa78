use serde::{Deserialize, Serialize};

/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 256;

/// The mark of a worker that gets no further requests, and stays: an operator sets it before maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cordon {
    /// The reason; empty if none was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Who set it, as in the audit rows.
    pub who: String,
    /// When, as Unix time in milliseconds.
    pub at_ms: u64,
    /// The first generation in which the worker gets no requests.
    pub since_generation: u64,
}

impl Cordon {
    /// Checks the text of a reason.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_reason(reason: &str) -> Result<(), String> {
        if reason.len() > REASON_BYTES_MAX || reason.contains(char::is_control) {
            return Err(format!(
                "a reason is text of at most {REASON_BYTES_MAX} bytes without control characters"
            ));
        }
        Ok(())
    }
}
