use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Sends what happens to standard error: `SLOTWAY_LOG` says how much (`debug`, `slotway=trace,info`), `info` if it does
/// not.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env("SLOTWAY_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let layer = fmt::layer().with_writer(std::io::stderr).with_target(false).with_ansi(colours).compact();
    // Where a subscriber is there already (in a test), it stays.
    let _ = tracing_subscriber::registry().with(filter).with(layer).try_init();
}
