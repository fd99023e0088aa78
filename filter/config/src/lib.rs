//! The configuration's types, which the filter, the control plane and the operator share.
//!
//! * [`Pool`], [`Policy`], [`Worker`], [`PoolMatch`], [`WaitDuration`]: an operator's input (YAML, REST) and the filter's
//!   configuration (JSON) are the same types, so that neither side accepts a value that the other one refuses.
//! * [`FilterConfig`]: the plugin configuration that the control plane pushes over ECDS.
//! * [`Report`]: a coordinator's report about its slots to the control plane.
//! * [`headers`] and [`limits`]: names and bounds, each in one place.
//!
//! Parsing checks each value: a [`Capacity`] of 0 or a [`WorkerUrl`] with a query cannot be built. [`FilterConfig::check`] and
//! [`check_pools`] find values that contradict each other (a worker that is listed twice, two pools with one match); their
//! errors have the path of the field.

mod capacity;
mod duration;
mod error;
mod filter;
pub mod headers;
pub mod limits;
mod policy;
mod pool;
mod pool_match;
mod pool_name;
mod report;
mod worker;
mod worker_url;

pub use capacity::Capacity;
pub use duration::WaitDuration;
pub use error::{ConfigError, FieldError};
pub use filter::{FilterConfig, check_lane_lease, default_lane_lease};
pub use policy::Policy;
pub use pool::{Pool, check_pools};
pub use pool_match::PoolMatch;
pub use pool_name::PoolName;
pub use report::{PoolReport, Report, WorkerReport, WorkerState};
pub use worker::{Connections, Protocol, SYSTEM_CA_FILE, Worker, WorkerSetting, WorkerTls};
pub use worker_url::{Scheme, WorkerUrl};
