//! Reports to the control plane: each has what has changed since the one before.

use slotway_config::{PoolName, PoolReport, Report, WorkerUrl, limits};
use slotway_engine::{Survey, WorkerIndex};

use crate::reported_workers::ReportedWorkers;

/// Composes the reports of one coordinator.
#[derive(Debug)]
pub struct ReportComposer {
    reporter: u64,
    sequence: u64,
    needs_full: bool,
    is_partial: bool,
    reported: Vec<ReportedWorkers>,
}

impl Default for ReportComposer {
    fn default() -> Self {
        Self { reporter: 0, sequence: 0, needs_full: true, is_partial: false, reported: Vec::new() }
    }
}

impl ReportComposer {
    /// Begins a new term with a reporter number that no other term has. The next report is full.
    pub fn begin_term(&mut self, reporter: u64) {
        (self.reporter, self.sequence, self.needs_full) = (reporter, 0, true);
    }

    /// Makes the next report a full one, because the control plane may lack an earlier one.
    pub fn require_full(&mut self) {
        self.needs_full = true;
    }

    /// Returns whether the next report has to be sent although nothing has changed: it is to be full, or the last one had
    /// no room for everything.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.needs_full || self.is_partial
    }

    /// Returns whether the next report is full.
    #[must_use]
    pub fn needs_full(&self) -> bool {
        self.needs_full
    }

    /// Begins the next report.
    #[must_use]
    pub fn begin(&mut self, coordinator: &str) -> ReportDraft<'_> {
        let full = std::mem::take(&mut self.needs_full);
        if full {
            self.reported.clear();
        }
        self.sequence = self.sequence.saturating_add(1);
        let report = Report {
            coordinator: coordinator.to_owned(),
            reporter: self.reporter,
            sequence: self.sequence,
            full,
            generation: 0,
            pools: Vec::new(),
        };
        ReportDraft { composer: self, report, room: limits::WORKERS_PER_REPORT_MAX }
    }
}

/// A report under construction: each pool is added once, always in the same order.
#[derive(Debug)]
pub struct ReportDraft<'a> {
    composer: &'a mut ReportComposer,
    report: Report,
    /// How many more workers the report has room for.
    room: usize,
}

impl ReportDraft<'_> {
    /// Adds a pool. `url` returns the URL of a worker; a worker without one is left out.
    pub fn add_pool(
        &mut self,
        name: PoolName,
        survey: &Survey,
        now_ms: u64,
        url: impl FnMut(WorkerIndex) -> Option<WorkerUrl>,
    ) {
        let index = self.report.pools.len();
        if self.composer.reported.len() <= index {
            self.composer.reported.push(ReportedWorkers::default());
        }
        let Some(reported) = self.composer.reported.get_mut(index) else { return };
        let workers = reported.changes(survey, &mut self.room, url);
        let is_first = index == 0;
        let generation =
            if is_first { survey.generation } else { self.report.generation.min(survey.generation) };
        self.report.generation = generation;
        self.report.pools.push(PoolReport {
            pool: name,
            free: survey.free,
            in_flight: survey.in_flight,
            parked: survey.parked,
            waiting: survey.waiting,
            oldest_wait_ms: survey.waiting_since_ms.map_or(0, |since_ms| now_ms.saturating_sub(since_ms)),
            workers,
        });
    }

    /// Returns the report.
    #[must_use]
    pub fn finish(self) -> Report {
        self.composer.is_partial = self.room == 0;
        self.report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compose(composer: &mut ReportComposer, survey: &Survey) -> Report {
        let mut draft = composer.begin("edge");
        draft.add_pool("ocr".parse().unwrap(), survey, 100, |_| None);
        draft.finish()
    }

    #[test]
    fn the_first_report_of_a_term_is_full_and_the_numbers_rise() {
        let survey = Survey { generation: 4, waiting: 2, waiting_since_ms: Some(70), ..Survey::default() };
        let mut composer = ReportComposer::default();
        composer.begin_term(9);
        let first = compose(&mut composer, &survey);
        assert_eq!((first.reporter, first.sequence, first.full, first.generation), (9, 1, true, 4));
        assert_eq!((first.pools[0].waiting, first.pools[0].oldest_wait_ms), (2, 30));
        let second = compose(&mut composer, &survey);
        assert_eq!((second.sequence, second.full), (2, false));
        composer.require_full();
        assert!(compose(&mut composer, &survey).full);
        composer.begin_term(10);
        let next_term = compose(&mut composer, &survey);
        assert_eq!((next_term.reporter, next_term.sequence, next_term.full), (10, 1, true));
    }
}
