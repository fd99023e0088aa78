//! How a request is counted.

/// How a request ended, as `slotway_requests_total` counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum RequestOutcome {
    /// A worker answered, with any status.
    Answered,
    /// 503: `max_waiting` requests waited already.
    QueueFull,
    /// 503: no slot came free before the deadline.
    WaitTimeout,
    /// 503: the pool has no workers.
    NoWorkers,
    /// 503: the worker could not be reached.
    WorkerUnreachable,
    /// 504: the worker took longer than `answer_timeout`.
    AnswerTimeout,
    /// The client left while the request waited.
    GoneWaiting,
    /// The request was abandoned at the worker: the client left, or the worker broke off its answer.
    GoneRunning,
    /// 503: the filter has no configuration, or cannot use the shared state.
    Internal,
}

impl RequestOutcome {
    /// The number of outcomes.
    pub const COUNT: usize = Self::ALL.len();

    /// All outcomes, each at the index that [`RequestOutcome::index`] returns.
    pub const ALL: [Self; 9] = [
        Self::Answered,
        Self::QueueFull,
        Self::WaitTimeout,
        Self::NoWorkers,
        Self::WorkerUnreachable,
        Self::AnswerTimeout,
        Self::GoneWaiting,
        Self::GoneRunning,
        Self::Internal,
    ];

    /// Returns the outcome's index in [`RequestOutcome::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Returns the outcome's name in metrics and in the access log.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::QueueFull => "queue_full",
            Self::WaitTimeout => "wait_timeout",
            Self::NoWorkers => "no_workers",
            Self::WorkerUnreachable => "worker_unreachable",
            Self::AnswerTimeout => "answer_timeout",
            Self::GoneWaiting => "gone_waiting",
            Self::GoneRunning => "gone_running",
            Self::Internal => "internal",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_is_at_its_own_index() {
        for (index, outcome) in RequestOutcome::ALL.iter().enumerate() {
            assert_eq!(outcome.index(), index);
        }
    }
}
