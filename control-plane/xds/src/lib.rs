//! The xDS server: pushes to each node what it shall have, and knows what it has.
//!
//! The server knows resources only as a type URL and a set of resources. A [`Source`] makes a [`Snapshot`] for each node; the
//! [`Catalog`] says which types there are and which [`PushRole`] each plays when a snapshot comes into force:
//!
//! * one **root** (in Slotway the filter's configuration), whose acknowledgement is that of the snapshot's generation;
//! * the **referenced** resources that the root names (clusters), and the **bounds** that it counts on (Envoy's own limits). Bounds
//!   are the one content that the server looks into: it has to merge several sets of them by maximum ([`Bounds`]);
//! * **dependent** resources that come into force with the root (listener, routes);
//! * **independent** resources, which are pushed at once (those of agents).
//!
//! [`XdsServer`] serves one aggregated stream (ADS) to each node. On a stream, `order` decides which part of the snapshot may be in
//! force now, so that no root ever names a resource that the node lacks; `subscription` decides whether it must be sent. Both are
//! pure values without gRPC and time; `session` joins them. State of the world and the incremental protocol are two notations of
//! the same messages (`protocol`), and only `server` and `port` do input and output. [`Nodes`] holds what each node has
//! acknowledged or rejected.
//!
//! The crate uses axum because it serves a port of its own, where gRPC and [`OtherRoutes`] (the filter's reports) share one TLS
//! configuration and one check of credentials. It has no handlers for REST.
//!
//! The protocol: <https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol>.

mod access;
mod bounds;
mod browser;
mod catalog;
mod encoded;
mod error;
#[cfg(test)]
mod fake_node;
mod history;
mod holdings;
mod interest;
mod limits;
mod logged_reasons;
mod message;
mod node;
mod nodes;
mod order;
mod port;
mod protocol;
mod recent;
mod refusal;
mod resource_set;
mod response_body;
mod revision_span;
mod server;
mod session;
mod snapshot;
mod source;
mod subscription;
#[cfg(test)]
mod testing;
mod variant;
mod version;

pub use access::{AdmittedNode, GroupRequirement, NodeAccess, NodeCredentials};
pub use bounds::{Bounds, BoundsFormat, LingeringBounds};
pub use browser::is_from_a_page;
pub use catalog::{Catalog, PushRole, ResourceType};
pub use encoded::Encoded;
pub use error::XdsError;
pub use node::Node;
pub use nodes::{Nack, NodeStatus, Nodes, SubscriptionStatus};
pub use port::{Peer, XdsPort};
pub use refusal::{XdsRefusal, XdsRefusalCounts};
pub use resource_set::{Deferred, ResourceSet, XdsResource};
pub use revision_span::RevisionSpan;
pub use server::{OtherRoutes, XdsServer};
pub use snapshot::Snapshot;
pub use source::{SnapshotError, Source, SourceEnded};
pub use subscription::SubscriptionState;
pub use variant::ProtocolVariant;
