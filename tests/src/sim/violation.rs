//! A broken promise.

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's short name.
    pub invariant: &'static str,
    /// The promise in words, and what was observed instead.
    pub what: String,
}

/// The result of a check.
pub(crate) type Check = Result<(), Box<Violation>>;

pub(crate) fn violated(invariant: &'static str, what: String) -> Check {
    Err(Box::new(Violation { invariant, what }))
}
