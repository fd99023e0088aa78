use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use super::{LogFormat, LogLevel, LogSettings, panics};

/// The log, whose level can be changed while it runs.
#[derive(Debug, Clone)]
pub struct LiveLog {
    filter: Option<reload::Handle<EnvFilter, Registry>>,
}

impl LiveLog {
    /// Logs this much from now on.
    pub fn set_level(&self, level: &LogLevel) {
        if let Some(filter) = &self.filter {
            // It fails only where the subscriber is gone, with nobody left to log to.
            let _ = filter.reload(level.filter());
        }
    }
}

/// Keeps what has to live as long as the process logs and traces.
pub struct Telemetry {
    /// The log, whose level a reload can change.
    pub log: LiveLog,
    #[cfg(feature = "otlp")]
    _traces: Option<super::traces::Exporting>,
}

/// Sends what happens to standard error, as the settings say, and where to panics are told; with the feature `otlp`, traces to where the
/// environment says.
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
    // Where a subscriber is there already (in a test), it stays.
    let filter = subscriber.try_init().is_ok().then_some(handle);
    panics::log();
    Telemetry {
        log: LiveLog { filter },
        #[cfg(feature = "otlp")]
        _traces: traces,
    }
}
