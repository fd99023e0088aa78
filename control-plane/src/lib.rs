//! The control plane of Slotway: which workers exist and how many slots each has, over REST and a configuration file;
//! what Envoy shall have because of it, over xDS; and what is free, from the coordinators' reports.
//!
//! * [`config`]: the configuration file.
//! * [`slotway_pools`]: the domain of pools and workers. It keeps them in the [`store`] and publishes what Envoy shall have.
//! * [`agents`]: what agents are told, and who is a server.
//! * [`coordinators`]: brings that to Envoy over [`slotway_xds`], takes its reports in, and supervises an Envoy of one's own.
//! * [`slotway_identity`]: authenticates requests; users, sessions, tokens. [`api`]: REST. [`control_plane`] puts the parts together and serves them.
//! * [`watchdog`]: asks workers whether they are there.
//! * [`lifecycle`]: how the process begins to serve, is asked to read its configuration again, and ends. `reload` puts that in force.
//! * `backup`: all of the store as one file, and back.
//! * [`tls`]: TLS of the ports.
//! * [`cli`]: the commands.

pub mod agents;
pub mod api;
pub mod cli;
pub mod config;
pub mod control_plane;
pub mod coordinators;
mod error;
pub mod kinds;
mod observations;
mod reload;
mod store_scope;
pub mod watchdog;

pub use cli::CliError;
pub use error::Error;
pub use slotway_identity as people;
pub use slotway_pools::{self as groups, self as model, self as workers};
pub use slotway_runtime::{self as lifecycle, telemetry, tls};
pub use slotway_store as store;
