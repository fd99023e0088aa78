//! What the tests of Slotway stand on.
//!
//! * [`host`]: Envoy's side of proxy-wasm on wasmtime, with several lanes and a virtual clock.
//! * [`artifact`]: the filter's `.wasm`, and the guard against a stale one.
//! * [`fleet`]: workers with state that count what they are given.

// Test support: a broken expectation ends the test at once, with its message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod artifact;
mod error;
pub mod fleet;
pub mod host;

pub use error::HostError;
