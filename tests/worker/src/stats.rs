use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// The worker's counts of extractions at one instant. Only requests for `/extract` count.
///
/// `total = current + answered + refused + timed_out + abandoned` holds at every instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Requests inside: accepted and not yet answered, whether they are being read, queued or running.
    pub current: u64,
    /// Highest `current` since the start or the last reset.
    pub highest: u64,
    /// Requests accepted since the start.
    pub total: u64,
    /// Requests that wait inside for one of the worker's own permits.
    pub queued: u64,
    /// Highest `queued` since the start or the last reset.
    pub queued_highest: u64,
    /// Running annotations, one for each permit. An annotation whose client has disconnected or whose timeout has
    /// passed may continue for a moment, so this can be above `current`; it is never above the pool's size.
    pub running: u64,
    /// Highest `running` since the start or the last reset.
    pub running_highest: u64,
    /// Requests answered with their mentions.
    pub answered: u64,
    /// Requests refused as invalid or because the queue is full.
    pub refused: u64,
    /// Requests whose `timeout` passed.
    pub timed_out: u64,
    /// Requests whose client disconnected before the answer or did not complete the body.
    pub abandoned: u64,
}

/// The outcome of a request from the worker's point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Answered with its mentions.
    Answered,
    /// Refused as invalid or because the queue is full.
    Refused,
    /// Its `timeout` passed.
    TimedOut,
    /// Its client disconnected, or did not complete the body.
    Abandoned,
}

/// The counts of one worker. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    counts: Arc<Mutex<Counts>>,
}

impl Stats {
    /// Returns all counts at one instant.
    #[must_use]
    pub fn counts(&self) -> Counts {
        *self.lock()
    }

    /// Resets the highest values to the current ones.
    pub fn reset_highest(&self) {
        let mut counts = self.lock();
        counts.highest = counts.current;
        counts.queued_highest = counts.queued;
        counts.running_highest = counts.running;
    }

    /// Counts a new request.
    #[must_use]
    pub(crate) fn enter(&self) -> Visit {
        let mut counts = self.lock();
        counts.total += 1;
        counts.current += 1;
        counts.highest = counts.highest.max(counts.current);
        Visit { stats: self.clone(), outcome: Outcome::Abandoned }
    }

    /// Counts a request as queued; none if the queue is full.
    pub(crate) fn queue(&self, queued_max: u64) -> Option<Queued> {
        let mut counts = self.lock();
        if counts.queued >= queued_max {
            return None;
        }
        counts.queued += 1;
        counts.queued_highest = counts.queued_highest.max(counts.queued);
        Some(Queued { stats: self.clone() })
    }

    /// Counts an annotation as running.
    #[must_use]
    pub(crate) fn run(&self) -> Running {
        let mut counts = self.lock();
        counts.running += 1;
        counts.running_highest = counts.running_highest.max(counts.running);
        Running { stats: self.clone() }
    }

    /// The counts are valid after each statement, so a panic elsewhere does not invalidate them.
    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A counted request. Dropping it counts it as abandoned, unless it was ended before.
#[derive(Debug)]
pub(crate) struct Visit {
    stats: Stats,
    outcome: Outcome,
}

impl Visit {
    /// Ends the request. Call it before the answer is sent: a reader of the answer's last byte must not find the
    /// request in the counts.
    pub(crate) fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut counts = self.stats.lock();
        counts.current -= 1;
        match self.outcome {
            Outcome::Answered => counts.answered += 1,
            Outcome::Refused => counts.refused += 1,
            Outcome::TimedOut => counts.timed_out += 1,
            Outcome::Abandoned => counts.abandoned += 1,
        }
    }
}

/// A queued request, until it is dropped.
#[derive(Debug)]
pub(crate) struct Queued {
    stats: Stats,
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.stats.lock().queued -= 1;
    }
}

/// A running annotation, until it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    stats: Stats,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stats.lock().running -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_visit_ends_exactly_once_and_an_unended_one_was_abandoned() {
        let stats = Stats::default();
        let visits: Vec<Visit> = (0..4).map(|_| stats.enter()).collect();
        assert_eq!((stats.counts().current, stats.counts().highest, stats.counts().total), (4, 4, 4));
        let outcomes = [Outcome::Answered, Outcome::Refused, Outcome::TimedOut];
        let mut visits = visits.into_iter();
        for outcome in outcomes {
            visits.next().unwrap().end(outcome);
        }
        drop(visits);
        let counts = stats.counts();
        assert_eq!((counts.current, counts.highest, counts.total), (0, 4, 4));
        assert_eq!([counts.answered, counts.refused, counts.timed_out, counts.abandoned], [1; 4]);
    }

    #[test]
    fn a_reset_sets_the_highest_values_to_the_current_ones() {
        let stats = Stats::default();
        let stays = (stats.enter(), stats.run());
        drop((stats.enter(), stats.run(), stats.queue(1)));
        assert_eq!(
            (stats.counts().highest, stats.counts().running_highest, stats.counts().queued_highest),
            (2, 2, 1)
        );
        stats.reset_highest();
        assert_eq!(
            (stats.counts().highest, stats.counts().running_highest, stats.counts().queued_highest),
            (1, 1, 0)
        );
        assert_eq!(stats.counts().total, 2);
        drop(stays);
    }
}
