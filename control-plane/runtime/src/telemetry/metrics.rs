use std::sync::{Mutex, PoisonError, atomic::AtomicU64};

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

use super::Process;
use crate::RuntimeError;

/// The prefix of all metrics but those of the process.
const PREFIX: &str = "slotway";

/// Registers the current metrics of one component.
type Source = Box<dyn Fn(&mut Registry) + Send + Sync>;

/// The metrics of the process. Each component adds a source, which registers its own metrics at each scrape.
#[derive(Default)]
pub struct Metrics(Mutex<Vec<Source>>);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics(..)")
    }
}

impl Metrics {
    /// Adds a source. Names get the prefix `slotway_`.
    pub fn add(&self, source: impl Fn(&mut Registry) + Send + Sync + 'static) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(source));
    }

    /// Returns all metrics in the OpenMetrics text format, those of the process first.
    ///
    /// # Errors
    /// [`RuntimeError::System`], which does not happen with text in memory.
    pub fn encode(&self) -> Result<String, RuntimeError> {
        let mut whole = Registry::default();
        register_process(&mut whole);
        let registry = whole.sub_registry_with_prefix(PREFIX);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|source| source(registry));
        let mut text = String::new();
        encode(&mut text, &whole).map_err(|error| RuntimeError::system("encoding the metrics", error))?;
        Ok(text)
    }
}

/// Registers what the process uses, under the names of Prometheus's own libraries.
fn register_process(registry: &mut Registry) {
    let Some(process) = Process::now() else { return };
    let cpu = Counter::<f64, AtomicU64>::default();
    cpu.inc_by(process.cpu_s);
    registry.register("process_cpu_seconds", "Processor time used", cpu);
    let started = Gauge::<f64, AtomicU64>::default();
    started.set(process.start_time_unix_s);
    registry.register("process_start_time_seconds", "Start of the process, as Unix time", started);
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Resident memory", Some(process.resident_bytes)),
        ("process_virtual_memory_bytes", "Address space", Some(process.virtual_bytes)),
        ("process_threads", "Threads", Some(process.threads)),
        ("process_open_fds", "Open files", Some(process.open_files)),
        ("process_max_fds", "Limit of open files", process.open_files_max),
    ] {
        let Some(value) = value else { continue };
        let gauge = Gauge::<u64, AtomicU64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_is_asked_at_each_scrape() {
        let metrics = Metrics::default();
        let calls = std::sync::Arc::new(AtomicU64::new(0));
        let counted = calls.clone();
        metrics.add(move |registry| {
            let gauge = Gauge::<u64, AtomicU64>::default();
            gauge.set(counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
            registry.register("scrapes", "Scrapes so far", gauge);
        });
        for number in 0..2 {
            let text = metrics.encode().unwrap();
            assert!(text.contains(&format!("slotway_scrapes {number}\n")), "{text}");
            assert!(text.contains("\nprocess_threads "), "{text}");
        }
    }
}
