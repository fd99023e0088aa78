//! Hooks that test builds of the filter use, and that a release does not contain.
//!
//! * [`Defect`] and [`is_seeded`]: defects that a test switches on, to show that the simulator finds them.
//! * [`CrashPoint`] and [`crash_if_armed`]: places at which a test makes a VM die.
//! * [`invariant!`]: an assertion that is on in builds with debug assertions.
//!
//! `filter/build.sh test` builds the module with the feature `active` and with debug assertions. Without them each hook is
//! an inlined constant or an empty function, so the compiler removes it together with the code that it guards.

mod crash;
mod defect;
mod invariant;

pub use crash::{CrashPoint, CrashWish, crash_if_armed};
pub use defect::{Defect, is_seeded};
pub use invariant::report_violation;

#[cfg(feature = "active")]
pub use crash::arm;
#[cfg(feature = "active")]
pub use defect::select;
