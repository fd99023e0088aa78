//! The worker from the point of view of its clients: real HTTP on a separate port for each test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what fails here fails a test")]

mod bad_input;
mod capacity;
mod extraction;
mod process;
mod running_worker;
