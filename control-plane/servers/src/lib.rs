//! Servers: limits on their number, the resources that they may use, and which workers are servers.
//!
//! Slotway does not start servers yet: a server names a worker that runs outside of Slotway.

mod admission;
mod agents;
mod error;
mod legacy;
mod limits;
mod profile;
mod server;
mod service;
mod state;
mod units;
mod view;

pub use admission::WorkerDirectory;
pub use error::ServersError;
pub use limits::{SERVER_LIMITS_NAME, ServerLimits};
pub use profile::{BUILT_IN_PROFILES, ResourceProfile, SparkProfile};
pub use server::Server;
pub use service::Servers;
pub use state::{KINDS, turn_write, upgraded};
pub use units::{ByteSize, Cpus};
