//! The resources themselves: one file for each type, each a pure function of what is wanted.

mod access_log;
pub(crate) mod agents;
pub(crate) mod cluster;
pub(crate) mod filter;
pub(crate) mod listener;
mod protobuf;
pub(crate) mod route;
pub(crate) mod runtime;
mod witness;

/// The name of our listener, route configuration, filter and runtime layer; of each there is one.
pub const RESOURCE_NAME: &str = "slotway";
/// The Envoy cluster, from the bootstrap, that leads to the control plane; the filter's reports go there too.
pub const XDS_CLUSTER: &str = "slotway_control_plane";

#[cfg(test)]
mod tests;
