//! A local Envoy: its bootstrap, its process, its admin port.

mod address;
pub mod admin;
pub mod bootstrap;
mod drain;
pub mod process;
pub mod supervise;

pub use address::{local_worker, reachable};
