//! The Envoy that `slotway up` runs: where it is, what it is told, and how it is watched.

pub(crate) mod admin;
pub mod bootstrap;
mod drain;
pub mod find;
pub mod process;
pub mod supervise;
