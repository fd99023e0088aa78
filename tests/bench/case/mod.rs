//! The cases: what is compared, under which load, and which bar must be reached.

/// The cases' keys, in the order in which they run.
pub(crate) const KEYS: [&str; 1] = ["overhead"];
