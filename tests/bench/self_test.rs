//! Tests of the benchmark's calculations: a benchmark target has no tests, so its modules are compiled here again, with
//! their tests.

// Test support: a failed expectation ends the test with its message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// Only the benchmark uses the modules completely.
#![allow(dead_code)]

mod arguments;
mod case;
mod clock;
mod closed;
mod contender;
mod cpus;
mod load;
mod machine;
mod module;
mod number;
mod page;
mod picture;
mod poll;
mod report;
mod statistics;
mod svg;
mod table;
mod values;
mod worker;
