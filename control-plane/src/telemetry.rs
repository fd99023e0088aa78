use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Sends what happens to standard error. `SLOTWAY_LOG` says how much (for example `debug`, or `warn,slotway=trace`);
/// without it our own information, and the warnings of all.
pub(crate) fn start() {
    let filter =
        EnvFilter::try_from_env("SLOTWAY_LOG").unwrap_or_else(|_| EnvFilter::new("warn,slotway=info"));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let layer = fmt::layer().with_writer(std::io::stderr).with_target(false).with_ansi(colours).compact();
    // Where a subscriber is there already (in a test), it stays.
    let _ = tracing_subscriber::registry().with(filter).with(layer).try_init();
}
