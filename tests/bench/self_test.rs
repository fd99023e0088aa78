//! What the benchmark does with its measurements: a benchmark has no tests of its own, so its modules are compiled here once more, with theirs.

// Test support: a broken expectation ends the test at once, with its message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// The modules are used as a whole by the benchmark only.
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
