//! What the benchmark does with its measurements: a benchmark has no tests of its own.

// Test support: a broken expectation ends the test at once, with its message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Each of these modules is used as a whole by the benchmark only.
#![allow(dead_code)]

mod number;
mod page;
mod picture;
mod report;
mod statistics;
mod svg;
mod table;
mod values;
