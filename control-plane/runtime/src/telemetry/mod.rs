//! Log, request metrics and traces of the process.

mod caught;
mod log;
mod log_settings;
mod metrics;
mod panics;
mod process;
mod request_id;
mod request_metrics;
#[cfg(feature = "otlp")]
pub mod traces;

pub use caught::caught;
pub use log::{LiveLog, Telemetry, start};
pub use log_settings::{LogFormat, LogLevel, LogSettings};
pub use metrics::Metrics;
pub use process::Process;
pub use request_id::{REQUEST_ID, RequestId};
pub use request_metrics::RequestMetrics;
