//! REST over real HTTP, with a real database, in process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod agents;
mod audit;
mod bad_input;
mod coordinators;
mod house;
mod metrics;
mod rejections;
mod reporters;
mod restart;
mod scripted_envoy;
mod token;
mod workers;
