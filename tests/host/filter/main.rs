//! The real filter on several lanes, without Envoy.

// Test support: a broken expectation ends the test at once, with its message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod costs;
mod crashes;
mod dice;
mod dying;
mod faults;
mod fuel;
mod interleaving;
mod leaving;
mod module;
mod parking;
mod pushes;
mod refusing;
mod releasing;
mod reporting;
mod soak;
mod starting;
mod versions;
mod waiting;

/// The usual two workers.
pub(crate) const W1: &str = "http://w1.test:9001";
pub(crate) const W2: &str = "http://w2.test:9002";
