//! The `slotway` program: commands, configuration file, and the wiring of the crates to a control plane.
//!
//! * `commands`: what the user types, its messages and exit codes. [`config`]: the configuration file.
//! * [`control_plane`] starts the components and serves them; `observations`, `watched_pools` and [`agents`] are the adapters between
//!   domains. `reload` puts a changed configuration file in force.
//! * `store_scope`: what backups of the whole store need to know of the domains.

pub mod agents;
mod commands;
pub mod config;
pub mod control_plane;
pub mod kinds;
mod observations;
mod reload;
mod store_scope;
mod watched_pools;

pub use commands::{CliError, run};
