//! Support for the tests of Slotway.
//!
//! * [`host`]: Envoy's side of proxy-wasm on wasmtime, with several lanes and a virtual clock.
//! * [`artifact`]: the filter's `.wasm`, and the check that it is not stale.
//! * [`fleet`]: workers that count their requests.
//! * [`world`]: the filter in the host, between clients and a fleet.
//! * [`inside`]: the filter's shared state, read from outside.
//! * [`split_mix`]: random numbers from a seed.
//! * [`sim`]: the simulator: all of these, at random from one seed. It checks every promise after each step.

// Test support: a broken expectation ends the test at once, with its message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod artifact;
mod error;
pub mod fleet;
pub mod host;
pub mod inside;
pub mod sim;
pub mod split_mix;
pub mod world;

pub use error::HostError;
