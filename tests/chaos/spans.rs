use std::{sync::Mutex, time::Instant};

/// Periods of time.
#[derive(Debug, Default)]
pub(crate) struct Spans(Mutex<Vec<(Instant, Option<Instant>)>>);

impl Spans {
    /// Begins a period.
    pub(crate) fn begin(&self) {
        self.0.lock().unwrap().push((Instant::now(), None));
    }

    /// Ends the current period.
    pub(crate) fn end(&self, at: Instant) {
        if let Some((_, end)) = self.0.lock().unwrap().last_mut() {
            *end = Some(at);
        }
    }

    /// Adds a period.
    pub(crate) fn add(&self, from: Instant, to: Instant) {
        self.0.lock().unwrap().push((from, Some(to)));
    }

    /// Returns whether a period overlaps with this one.
    pub(crate) fn touch(&self, from: Instant, to: Instant) -> bool {
        let spans = self.0.lock().unwrap();
        spans.iter().rev().any(|(begin, end)| *begin <= to && end.is_none_or(|end| from <= end))
    }
}
