/// How a request that held a slot ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseOutcome {
    /// The worker answered, with any status.
    Answered,
    /// The worker could not be reached, or the connection ended before it answered.
    Unreachable,
    /// The request ended for another reason, which says nothing about the worker.
    Abandoned,
}
