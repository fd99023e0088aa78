//! REST over real HTTP, with a real database, in process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod agents;
mod apply;
mod audit;
mod bad_input;
mod bad_resources;
mod coordinators;
mod cordons;
mod events;
mod house;
mod listening;
mod metrics;
mod old_store;
mod pools;
mod rejections;
mod reporters;
mod restart;
mod scripted_envoy;
mod token;
mod worker_resources;
mod watchdogs;
mod workers;
