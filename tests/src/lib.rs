//! What the tests of Slotway stand on.
//!
//! * [`host`]: Envoy's side of proxy-wasm on wasmtime, with several lanes and a virtual clock.
//! * [`artifact`]: the filter's `.wasm`, and the guard against a stale one.
//! * [`fleet`]: workers with state that count what they are given.
//! * [`world`]: the filter in the host, with clients on one side and a fleet on the other.
//! * [`inside`]: the filter's shared state, read from outside.
//! * [`split_mix`]: numbers by chance, from a seed.
//! * [`sim`]: the simulator: all of these, at random from one seed, with every promise checked after each step.

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
