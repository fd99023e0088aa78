//! Assertions of invariants.

/// Checks an invariant in builds with debug assertions: native debug builds, and the variant of the
/// module for tests (`filter/build.sh test`). Other builds do not evaluate the condition.
///
/// The second argument says what holds, as a sentence: "free slots and waiters exclude each other".
///
/// While a seeded defect is active the check does nothing: the simulator has to find the defect by what it does.
#[macro_export]
macro_rules! invariant {
    ($holds:expr, $what:literal) => {
        if cfg!(debug_assertions) && !$holds {
            $crate::report_violation($what);
        }
    };
}

/// Ends the VM with the invariant that does not hold, unless a seeded defect is active. Called by [`invariant!`].
#[cold]
#[inline(never)]
#[track_caller]
#[allow(clippy::panic, reason = "a broken invariant ends a test build at once")]
pub fn report_violation(what: &str) {
    if !crate::defect::is_any_seeded() {
        panic!("an invariant does not hold: {what}");
    }
}
