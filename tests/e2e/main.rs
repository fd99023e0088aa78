//! End to end: real clients, the real `slotway` with the real filter in a real Envoy, and workers that count.
//!
//! Each test starts its own processes on fresh ports with a fresh state directory, so the tests run in any order and
//! side by side. `make test` runs them; alone: `cargo test $(tests/flags.sh) --test e2e`, after `make build`
//! and `envoy/fetch.sh`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod artefacts;
mod backups;
mod bodies;
mod capacity;
mod connections;
mod control_plane;
mod crashes;
mod examples;
mod field_clients;
mod field_workers;
mod headers;
mod heartbeats;
mod hot_restart;
mod membership;
mod names;
mod observability;
mod pools;
mod real_worker;
mod reports;
mod rest_input;
mod several_control_planes;
mod slot_order;
mod starting;
mod stopping;
mod tour;
mod unreachable;
mod upgrades;
mod vanishing;
mod waiting;
mod worker_urls;
mod xds_access;
mod xds_variants;
