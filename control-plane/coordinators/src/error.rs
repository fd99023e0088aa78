use std::path::PathBuf;

use slotway_runtime::RuntimeError;
use slotway_xds::XdsError;

/// A failure of the configuration, the reports or the process of an Envoy.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorsError {
    /// A node's name is empty, too long or contains invalid characters.
    #[error("a node's name has 1 to {bytes_max} visible ASCII characters")]
    NodeName {
        /// Longest name, in bytes.
        bytes_max: usize,
    },
    /// The name of a reporting coordinator is too long.
    #[error("the coordinator's name is longer than {bytes_max} bytes")]
    ReporterName {
        /// Longest name, in bytes.
        bytes_max: usize,
    },
    /// One reporting coordinator too many.
    #[error("more than {coordinators_max} coordinators report")]
    TooManyReporters {
        /// Most coordinators whose reports are kept.
        coordinators_max: usize,
    },
    /// A report with more pools or workers than a filter reports.
    #[error("a report has at most {max} {what}")]
    ReportTooLong {
        /// `pools` or `workers`.
        what: &'static str,
        /// Most of them.
        max: usize,
    },
    /// A partial report whose base this control plane does not have.
    #[error("the base of this partial report is not known here; the next report must be full")]
    ReportBaseMissing,
    /// A supervised program ended or cannot be started.
    #[error("{program} {how}{}", log_text(.log, .tail))]
    Child {
        /// The program.
        program: String,
        /// How it ended.
        how: String,
        /// Its log.
        log: Option<PathBuf>,
        /// The last lines of the log.
        tail: String,
    },
    /// Envoy runs but did not become ready.
    #[error("Envoy is not ready after {waited_s} s: {reason}; its log is {}", .log.display())]
    NotReady {
        /// The time that it had, in seconds.
        waited_s: u64,
        /// What is missing.
        reason: String,
        /// Envoy's log.
        log: PathBuf,
    },
    /// The xDS server failed.
    #[error(transparent)]
    Xds(#[from] XdsError),
    /// The process's surroundings failed.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

fn log_text(log: &Option<PathBuf>, tail: &str) -> String {
    match log {
        Some(log) if tail.is_empty() => format!("; its log is {}", log.display()),
        Some(log) => format!("; the end of its log {}:\n{}", log.display(), tail.trim_end()),
        None => String::new(),
    }
}
