use std::{sync::Mutex, time::Instant};

/// When something was the case.
#[derive(Debug, Default)]
pub(crate) struct Spans(Mutex<Vec<(Instant, Option<Instant>)>>);

impl Spans {
    /// It is so from now on.
    pub(crate) fn begin(&self) {
        self.0.lock().unwrap().push((Instant::now(), None));
    }

    /// It is so until then.
    pub(crate) fn end(&self, at: Instant) {
        if let Some((_, end)) = self.0.lock().unwrap().last_mut() {
            *end = Some(at);
        }
    }

    /// It is so from that moment to that.
    pub(crate) fn add(&self, from: Instant, to: Instant) {
        self.0.lock().unwrap().push((from, Some(to)));
    }

    /// Whether it was so at some moment between these.
    pub(crate) fn touch(&self, from: Instant, to: Instant) -> bool {
        let spans = self.0.lock().unwrap();
        spans.iter().rev().any(|(begin, end)| *begin <= to && end.is_none_or(|end| from <= end))
    }
}
