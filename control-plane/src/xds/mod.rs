//! xDS: brings to each Envoy what it shall have, and knows what it has.
//!
//! [`XdsServer`] serves one aggregated stream (ADS) to each coordinator. A change of [`crate::model::Desired`] becomes
//! a [`snapshot::Snapshot`] of resources, built once for all streams. On a stream, [`order::Order`] decides what of it
//! may be in force now, so that no configuration ever names a cluster that Envoy lacks, and
//! [`subscription::Subscription`] decides whether that must be sent. Both are pure values that know neither gRPC nor
//! time; [`session::Session`] joins them. State of the world and the incremental protocol are two ways to write down the same
//! messages ([`protocol`]), and only [`server`] does input and output. [`Coordinators`] holds what every Envoy has acknowledged or rejected.
//!
//! The protocol: <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol>.

pub mod access;
mod coordinators;
mod encoded;
#[cfg(test)]
mod fake_envoy;
mod history;
mod holdings;
mod interest;
pub mod limits;
pub mod liveness;
mod message;
mod node;
mod order;
pub mod port;
mod protocol;
mod refusal;
mod resource_set;
mod resource_type;
mod resources;
mod response_body;
mod revision_span;
mod server;
mod session;
#[cfg(test)]
mod sharing_tests;
mod snapshot;
mod subscription;
#[cfg(test)]
pub(crate) mod testing;
mod told;

pub use coordinators::{CoordinatorStatus, Coordinators, Rejection, SyncState, TypeStatus, UnacceptedChange};
pub use protocol::Variant;
pub use refusal::{Refusal, Refusals};
pub use resource_type::ResourceType;
pub(crate) use resources::cluster::SYSTEM_CA_FILE;
pub use resources::{RESOURCE_NAME, XDS_CLUSTER};
pub use revision_span::RevisionSpan;
pub use server::XdsServer;
