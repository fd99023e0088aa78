//! The worker as its clients see it: real HTTP on a port of its own for each test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what fails here fails a test")]

mod bad_input;
mod capacity;
mod extraction;
mod process;
mod running_worker;
