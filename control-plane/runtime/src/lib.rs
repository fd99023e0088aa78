//! The life of the process, without any domain: clock, signals, ordered shutdown, reload counts, service manager, TLS, log,
//! request metrics and traces.
//!
//! * [`Clock`] tells the time, [`Moment`] is a point in it.
//! * [`Signals`]: requests of the operating system. [`Stopping`]: progress of the ordered shutdown. [`Notifier`]: systemd.
//! * [`tls`]: TLS of listeners, with certificates that a reload replaces, and of clients. [`liveness`]: dead connections.
//! * [`http`]: the HTTP client.
//! * [`bounded_read`]: files whose size and time to read are limited. [`mod@file`]: files that are written completely or not at
//!   all. [`SecretFile`]: secrets in such files.
//! * [`telemetry`]: log, request metrics, traces.

pub mod bounded_read;
mod clock;
mod error;
pub mod file;
pub mod http;
pub mod liveness;
mod notify;
mod reloads;
mod secret_file;
mod shutdown_settings;
mod signals;
mod stopping;
pub mod telemetry;
pub mod tls;

pub use clock::{Clock, Moment};
pub use error::RuntimeError;
pub use notify::Notifier;
pub use reloads::{ReloadOutcome, Reloads};
pub use secret_file::SecretFile;
pub use shutdown_settings::ShutdownSettings;
pub use signals::{SignalRequest, Signals};
pub use stopping::{Phase, Stopping};
