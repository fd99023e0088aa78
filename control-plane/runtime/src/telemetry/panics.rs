use std::panic;

/// Logs every panic with its location, in the format of the log.
pub(super) fn log() {
    panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("it does not say why");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        tracing::error!(place, thread, "panic: please report this defect of Slotway: {message}");
    }));
}
