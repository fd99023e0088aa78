//! The `slotway` command as a process. A shell script stands in for Envoy where its death is what is tested; the tests
//! against a real Envoy are in the crate `slotway-tests`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod bad_days;
mod commands;
mod house;
mod http;
mod several;
mod several_pools;
mod up;
mod watching;
