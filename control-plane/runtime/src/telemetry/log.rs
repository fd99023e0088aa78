use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use super::{LogFormat, LogLevel, LogSettings, panics};

/// The log, whose level can change at run time.
#[derive(Debug, Clone)]
pub struct LiveLog {
    filter: Option<reload::Handle<EnvFilter, Registry>>,
}

impl LiveLog {
    /// Sets the level.
    pub fn set_level(&self, level: &LogLevel) {
        if let Some(filter) = &self.filter {
            // It fails only after the subscriber is gone.
            let _ = filter.reload(level.filter());
        }
    }
}

/// Keeps log and traces alive.
pub struct Telemetry {
    /// The log, whose level a reload can change.
    pub log: LiveLog,
    #[cfg(feature = "otlp")]
    _traces: Option<super::traces::Exporting>,
}

/// Starts the log on standard error, which panics go to as well, and with the feature `otlp` the traces that the environment
/// configures.
pub fn start(settings: &LogSettings) -> Telemetry {
    let (filter, handle) = reload::Layer::new(settings.level.filter());
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match settings.format {
        LogFormat::Text => fmt::layer()
            .with_writer(std::io::stderr)
            .with_target(false)
            .with_ansi(colours)
            .compact()
            .with_filter(filter)
            .boxed(),
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_writer(std::io::stderr)
            .with_filter(filter)
            .boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(lines);
    #[cfg(feature = "otlp")]
    let (traces, subscriber) = {
        let (layer, traces) = super::traces::layer().unzip();
        (traces, subscriber.with(layer))
    };
    // An existing subscriber, as in a test, stays.
    let filter = subscriber.try_init().is_ok().then_some(handle);
    panics::log();
    Telemetry {
        log: LiveLog { filter },
        #[cfg(feature = "otlp")]
        _traces: traces,
    }
}
