use std::collections::BTreeMap;

use crate::host::Status;

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// A distribution.
    Histogram,
}

impl MetricKind {
    pub(crate) fn from_number(number: u32) -> Result<Self, Status> {
        match number {
            0 => Ok(Self::Counter),
            1 => Ok(Self::Gauge),
            2 => Ok(Self::Histogram),
            _ => Err(Status::BadArgument),
        }
    }
}

/// Envoy's stats: one set for the whole process, whichever VM defined them.
#[derive(Debug, Clone, Default)]
pub struct HostMetrics {
    metrics: BTreeMap<String, Metric>,
}

#[derive(Debug, Clone)]
struct Metric {
    kind: MetricKind,
    value: u64,
    samples: Vec<u64>,
}

impl HostMetrics {
    /// Returns the value of a counter or gauge; `None` if it is not defined.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<u64> {
        self.metrics.get(name).map(|metric| metric.value)
    }

    /// Returns what a histogram recorded, in order.
    #[must_use]
    pub fn samples(&self, name: &str) -> &[u64] {
        self.metrics.get(name).map_or(&[], |metric| &metric.samples)
    }

    /// Names and kinds of all that were defined.
    pub fn names(&self) -> impl Iterator<Item = (&str, MetricKind)> {
        self.metrics.iter().map(|(name, metric)| (name.as_str(), metric.kind))
    }

    pub(crate) fn define(&mut self, kind: MetricKind, name: &str) {
        self.metrics.entry(name.to_owned()).or_insert(Metric { kind, value: 0, samples: Vec::new() });
    }

    pub(crate) fn increment(&mut self, name: &str, offset: i64) -> Result<(), Status> {
        let metric = self.metrics.get_mut(name).ok_or(Status::NotFound)?;
        match metric.kind {
            MetricKind::Counter if offset <= 0 => return Err(Status::BadArgument),
            MetricKind::Histogram => return Err(Status::BadArgument),
            MetricKind::Counter | MetricKind::Gauge => {
                metric.value = metric.value.saturating_add_signed(offset);
            }
        }
        Ok(())
    }

    pub(crate) fn record(&mut self, name: &str, value: u64) -> Result<(), Status> {
        let metric = self.metrics.get_mut(name).ok_or(Status::NotFound)?;
        match metric.kind {
            MetricKind::Counter => metric.value = metric.value.wrapping_add(value),
            MetricKind::Gauge => metric.value = value,
            MetricKind::Histogram => metric.samples.push(value),
        }
        Ok(())
    }
}
