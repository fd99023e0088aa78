//! The words that the filter, the control plane and the operator share.
//!
//! * [`Pool`], [`Policy`], [`Worker`], [`PoolMatch`], [`WaitDuration`]: what an operator writes (YAML, REST) and what
//!   travels to the filter (JSON) are the same types, so neither side can accept what the other refuses.
//! * [`FilterConfig`]: the plugin configuration that the control plane pushes over ECDS.
//! * [`Report`]: what a coordinator tells the control plane about its slots.
//! * [`headers`] and [`limits`]: names and bounds, each in one place.
//!
//! Values are checked where they are parsed: a [`Capacity`] of 0 or a [`WorkerUrl`] with a query cannot be
//! built. What no single value shows (the same worker twice, two pools with one match) is found by
//! [`FilterConfig::check`] and [`check_pools`], whose errors carry the path of the field.

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
pub use worker::{Protocol, Worker, WorkerTls};
pub use worker_url::{Scheme, WorkerUrl};
