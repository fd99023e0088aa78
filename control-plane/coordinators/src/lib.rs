//! Coordinators: what the control plane pushes to each Envoy and what it receives from it.
//!
//! * [`CoordinatorSource`] makes the xDS snapshots of [`slotway_xds`] from the published pools and from the resources for agents.
//!   `resources` has one file for each type.
//! * [`Coordinators`] shows what each connected Envoy has acknowledged and rejected, and which changes it rejected.
//! * [`Reports`] puts the reports of the filter together to current figures.
//! * [`NodeKeys`] proves which coordinator a report comes from.
//! * [`envoy`] makes the bootstrap of an Envoy and supervises one.

pub mod envoy;
mod error;
mod metrics;
mod node_key;
mod reports;
mod resources;
mod snapshots;
mod source;
mod status;
#[cfg(test)]
mod testing;
pub mod types;

pub use error::CoordinatorsError;
pub use node_key::{NODE_HEADER, NODE_KEY_HEADER, NodeKey, NodeKeys};
pub use reports::{KnownPools, REPORT_BYTES_MAX, Reports};
pub use source::CoordinatorSource;
pub use status::{Coordinator, Coordinators, RejectedChange};
