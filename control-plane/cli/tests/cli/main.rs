//! The `slotway` command as a process. A shell script stands in for Envoy where a test is about Envoy's death. The
//! tests with a real Envoy are in the crate `slotway-tests`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod backups;
mod bad_days;
mod changing;
mod commands;
mod completing;
mod fake_plane;
mod following;
mod golden;
mod helps;
mod http;
mod installation;
mod logs;
mod looking;
mod node_key;
mod real_plane;
mod refused;
mod reloading;
mod service_manager;
mod several;
mod several_pools;
mod stopping;
mod support_bundle;
mod terminal;
mod up;
mod watching;
