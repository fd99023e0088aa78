//! The control plane of Slotway.

pub mod model;
pub mod xds;
