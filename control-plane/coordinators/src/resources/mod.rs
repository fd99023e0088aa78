//! The resources for Envoy: one file for each type, each a pure function of the published pools.

mod access_log;
pub(crate) mod agents;
pub(crate) mod cluster;
pub(crate) mod filter;
pub(crate) mod limits;
pub(crate) mod listener;
mod protobuf;
pub(crate) mod route;
mod upstream_http;
mod witness;

#[cfg(test)]
mod tests;
