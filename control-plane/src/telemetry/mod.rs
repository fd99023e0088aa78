//! What the process tells of itself: its log, the figures of its requests, and its traces.

mod caught;
mod log;
mod log_settings;
mod panics;
mod process;
mod request_id;
mod request_metrics;
#[cfg(feature = "otlp")]
pub(crate) mod traces;

pub(crate) use caught::caught;
pub(crate) use log::{LiveLog, Telemetry, start};
pub use log_settings::{LogFormat, LogLevel, LogSettings};
pub(crate) use process::Process;
pub(crate) use request_id::{REQUEST_ID, RequestId};
pub use request_metrics::RequestMetrics;
