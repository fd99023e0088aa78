//! A broken promise.

/// What was broken, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's short name.
    pub invariant: &'static str,
    /// The invariant in words, and what was seen instead.
    pub what: String,
}

/// Whether all is well.
pub(crate) type Check = Result<(), Box<Violation>>;

pub(crate) fn violated(invariant: &'static str, what: String) -> Check {
    Err(Box::new(Violation { invariant, what }))
}
