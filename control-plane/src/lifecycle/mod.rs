//! How the process begins to serve, takes a new configuration, and ends.
//!
//! * [`Stopping`]: how far the end has come, for everything that has to end in order.
//! * [`Signals`]: what the system asks. [`Notifier`]: what systemd is told.
//! * [`Reloads`]: what became of the configuration file when it was read again.

mod notify;
mod reloads;
mod shutdown_settings;
mod signals;
mod stopping;

pub use notify::Notifier;
pub use reloads::{ReloadOutcome, Reloads};
pub use shutdown_settings::ShutdownSettings;
pub use signals::{Asked, Signals};
pub use stopping::{Phase, Stopping};
