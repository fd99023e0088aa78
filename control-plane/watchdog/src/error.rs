/// A failure of the watchdog.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchdogError {
    /// The system has no random bytes for the name of a holder of the lease.
    #[error("making a random name: {0}")]
    Random(String),
}
