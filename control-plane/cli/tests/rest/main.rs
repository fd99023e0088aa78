//! REST over real HTTP, with a real database, in process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod api_port;
mod apply;
mod audit;
mod bad_input;
mod bad_resources;
mod coordinators;
mod cordons;
mod events;
mod every_endpoint;
mod fixture;
mod listening;
mod metrics;
mod oidc;
mod old_store;
mod ordinary_kinds;
mod people;
mod pools;
mod rejections;
mod reporters;
mod restart;
mod scripted_envoy;
mod servers_and_jobs;
mod several;
mod sign_in;
mod token;
mod tokens;
mod users;
mod watchdogs;
mod worker_files;
mod worker_resources;
mod workers;
