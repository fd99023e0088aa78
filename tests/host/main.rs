//! The promises of the host, shown with a small module of its own (`probe.wat`).

// Test support: a broken expectation ends the test at once, with its message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod artifact;
mod faults;
mod lanes;
mod probe;
mod streams;
mod ticks;
mod wakeups;
